"""Draw a marble diagram of a docstring as an SVG picture. Pure.

The text is parsed with the grammar of the tests that run it, so the picture is right. Colours
come from the page's style sheet, for light and dark.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from support.marbles import TOKEN, Diagram

__all__ = ["picture"]

STEP = 26  # pixels a second
RADIUS = 15
LEFT = 28
ROW = 34  # between the marbles of one time
WORDS = {"+": "create", "~": "delete"}


@dataclass(frozen=True)
class Marble:
    """One notification: its text, its second, and its position among those of that second."""

    text: str
    column: int
    level: int


def marbles(line: str) -> list[Marble]:
    """Return the notifications of a line, as `support.marbles.timeline` parses them."""
    found: list[Marble] = []
    group: int | None = None
    column = level = 0
    while column < len(line):
        token = TOKEN.match(line, column)
        if token is None:
            raise ValueError(f"column {column} of {line!r} is no marble")
        text = token.group()
        if text == "(":
            group, level = column, 0
        elif text == ")":
            group = None
        elif text not in ("-", " "):
            if group is None:
                found.append(Marble(text, column, 0))
            else:
                found.append(Marble(text, group, level))
                level += 1
        column = token.end()
    return found


def picture(diagram: Diagram) -> str:
    """Return the picture of a diagram: its source, the operator and the result."""
    lines = [marbles(diagram.source), marbles(diagram.result)]
    last = max(marble.column for line in lines for marble in line)
    width = max(LEFT * 2 + STEP * (last + 1), 9 * len(diagram.call) + 60)
    depths = [max((marble.level for marble in line), default=0) for line in lines]
    top = RADIUS + 6
    call = top + depths[0] * ROW + 30
    bottom = call + 36 + 30
    height = bottom + depths[1] * ROW + RADIUS + 6
    parts = [
        f'<svg class="marbles" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
        f' role="img" xmlns="http://www.w3.org/2000/svg">',
        f"<title>{escape(_description(diagram))}</title>",
        *_line(lines[0], top, width),
        f'<rect class="call" x="8" y="{call}" width="{width - 16}" height="36" rx="6"/>',
        f'<text class="code" x="{width / 2}" y="{call + 23}">{escape(diagram.call)}</text>',
        *_line(lines[1], bottom, width),
        "</svg>",
    ]
    return "".join(parts)


def _line(found: list[Marble], y: int, width: int) -> list[str]:
    end = max((_x(m) for m in found if m.text in "|#"), default=width - 14)
    arrow = "" if any(m.text in "|#" for m in found) else f'<path d="M{end} {y}l-8-4v8z"/>'
    parts = [f'<line class="time" x1="8" y1="{y}" x2="{end}" y2="{y}"/>', arrow]
    for marble in found:
        parts += _marble(marble, _x(marble), y + marble.level * ROW, y)
    return parts


def _marble(marble: Marble, x: int, y: int, line: int) -> list[str]:
    text = marble.text
    if text == "|":
        return [f'<line class="end" x1="{x}" y1="{line - 13}" x2="{x}" y2="{line + 13}"/>']
    if text == "#":
        return [f'<path class="error" d="M{x - 9} {line - 9}l18 18m0-18l-18 18"/>']
    if text.isupper():
        side = RADIUS - 1
        shape = (
            f'<rect x="{x - side}" y="{y - side}" width="{2 * side}" height="{2 * side}" rx="4"/>'
        )
        return [f'<g class="value">{shape}<text x="{x}" y="{y + 4}">{text}</text></g>']
    kind = WORDS.get(text[0], "update")
    shown = text.replace("~", "−")
    return [
        f'<g class="{kind} record-{text[-2]}"><circle cx="{x}" cy="{y}" r="{RADIUS - 1}"/>'
        f'<text x="{x}" y="{y + 4}">{shown}</text></g>'
    ]


def _x(marble: Marble) -> int:
    is_beside = marble.level > 0 and marble.text in "|#"  # of the values of its time
    return LEFT + STEP * marble.column + (RADIUS + 8 if is_beside else 0)


def _description(diagram: Diagram) -> str:
    return f"source {diagram.source}, through {diagram.call}, gives {diagram.result}"
