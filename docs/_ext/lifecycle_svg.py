"""Draw the connection's transition table as an SVG picture. Pure.

A signal with the same effect in several states is drawn once, from the frame around them. A table
that does not fit these frames is an error, so that the picture is always right.
"""

from __future__ import annotations

from collections import defaultdict
from html import escape
from textwrap import wrap

from rxbosbase.realtime.session.lifecycle import TRANSITIONS, Signal, State

__all__ = ["picture"]

WIDTH, HEIGHT = 900, 450
BOX = (104, 36)
POSITIONS = {
    State.IDLE: (85, 90),
    State.FAILED: (85, 290),
    State.CONNECTING: (370, 140),
    State.CONNECTED: (585, 140),
    State.ACTIVE: (800, 140),
    State.WAITING: (585, 312),
    State.CLOSED: (450, 424),
}
RESTING = frozenset({State.IDLE, State.FAILED})
STREAM = frozenset({State.CONNECTING, State.CONNECTED, State.ACTIVE})
RUNNING = STREAM | {State.WAITING}
OPEN = frozenset(State) - {State.CLOSED}
FRAMES = {
    OPEN: (6, 14, 888, 360),
    RESTING: (20, 40, 130, 318),
    RUNNING: (290, 30, 592, 328),
    STREAM: (304, 78, 564, 162),
}

# The path of each arrow, and the centre of its label.
ARROWS = {
    (RESTING, Signal.WANTED): ("M150 185L315 150", 215, 146),
    (RUNNING, Signal.UNWANTED): ("M290 66L141 84", 218, 54),
    (RUNNING, Signal.EXHAUSTED): ("M290 290H141", 220, 310),
    (frozenset({State.CONNECTING}), Signal.OPENED): ("M422 134H529", 477, 108),
    (frozenset({State.CONNECTED}), Signal.ACKNOWLEDGED): ("M637 132H744", 692, 106),
    (frozenset({State.CONNECTED}), Signal.REFUSED): ("M558 158C554 182 594 182 590 158", 485, 170),
    (frozenset({State.ACTIVE}), Signal.CHANGED): ("M748 148H641", 694, 164),
    (frozenset({State.ACTIVE}), Signal.DOUBTED): ("M800 158C800 216 612 216 612 162", 706, 216),
    (STREAM, Signal.RENEWED): ("M600 78C600 50 372 30 370 118", 486, 46),
    (STREAM, Signal.LOST): ("M585 240V290", 642, 272),
    (frozenset({State.WAITING}), Signal.RETRIED): ("M533 312C450 312 370 270 370 162", 456, 274),
    (OPEN, Signal.CLOSED): ("M450 374V402", 500, 394),
}


def picture() -> str:
    """Return the picture of the table, with one arrow for each transition."""
    frames = [
        f'<rect class="frame" x="{x}" y="{y}" width="{width}" height="{height}" rx="12"/>'
        for x, y, width, height in FRAMES.values()
    ]
    drawn = sorted(_groups(), key=lambda group: list(Signal).index(group[1]))
    arrows = [line for group in drawn for line in _arrow(*group)]
    boxes = [line for state, (x, y) in POSITIONS.items() for line in _box(state, x, y)]
    head = (
        '<marker id="lifecycle-head" viewBox="0 0 8 8" refX="4" refY="4" markerWidth="8"'
        ' markerHeight="8" orient="auto"><path d="M0 0L8 4L0 8z"/></marker>'
    )
    return "".join(
        [
            f'<svg class="lifecycle" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"'
            ' xmlns="http://www.w3.org/2000/svg">',
            "<title>The states of a connection; the table below has the same transitions</title>",
            f"<defs>{head}</defs>",
            *frames,
            *arrows,
            *boxes,
            "</svg>",
        ]
    )


def _groups() -> list[tuple[frozenset[State], Signal]]:
    """Return the arrows of the table; raise ValueError unless `ARROWS` has exactly these."""
    sources: defaultdict[tuple[Signal, State], set[State]] = defaultdict(set)
    for (state, signal), after in TRANSITIONS.items():
        sources[signal, after].add(state)
    groups = [(frozenset(states), signal) for (signal, _), states in sources.items()]
    unknown = set(groups) ^ set(ARROWS)
    if unknown or len(groups) != len(ARROWS):
        raise ValueError(f"the picture and the transition table differ: correct ARROWS: {unknown}")
    return groups


def _arrow(states: frozenset[State], signal: Signal) -> list[str]:
    path, x, y = ARROWS[states, signal]
    lines = wrap(signal.value, 17)
    words = [
        f'<text class="signal" x="{x}" y="{y + 15 * number}">{escape(line)}</text>'
        for number, line in enumerate(lines)
    ]
    return [f'<path class="arrow" d="{path}" marker-end="url(#lifecycle-head)"/>', *words]


def _box(state: State, x: int, y: int) -> list[str]:
    width, height = BOX
    return [
        f'<rect class="state" x="{x - width / 2}" y="{y - height / 2}" width="{width}"'
        f' height="{height}" rx="18"/>',
        f'<text class="name" x="{x}" y="{y + 5}">{state.value}</text>',
    ]
