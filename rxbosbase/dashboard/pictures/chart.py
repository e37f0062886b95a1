"""Charts as SVG. Their colours come from the page's style, for light and dark alike."""

from __future__ import annotations

from collections.abc import Sequence

from rxbosbase.dashboard.text import count

__all__ = ("bars", "line")

WIDTH, HEIGHT = 600.0, 100.0
"""Units of the drawing, which is stretched to its place; its labels are text outside of it."""

GAP = 1.5


def bars(stacks: Sequence[Sequence[float]], kinds: Sequence[str], label: str, ago: float) -> str:
    """Return stacked bars over time, the newest on the right, as HTML.

    Args:
        stacks: for each span of time, the height of each kind.
        kinds: the kinds' names, which are also used in CSS classes.
        label: what it shows, for screen readers.
        ago: seconds from the first span to now.
    """
    top = _ceiling(max((sum(stack) for stack in stacks), default=0.0))
    step = WIDTH / max(1, len(stacks))
    parts: list[str] = []
    for at, stack in enumerate(stacks):
        base = HEIGHT
        for kind, value in zip(kinds, stack, strict=True):
            if value:
                height = value / top * HEIGHT
                base -= height
                parts.append(
                    f'<rect class="bar-{kind}" x="{at * step:.1f}" y="{base:.1f}" '
                    f'width="{max(1.0, step - GAP):.1f}" height="{height:.1f}"/>'
                )
    return _frame("".join(parts), top, label, ago)


def line(values: Sequence[float | None], label: str, ago: float, unit: str = "") -> str:
    """Return a line over time; None is a gap."""
    top = _ceiling(max((value for value in values if value is not None), default=0.0))
    step = WIDTH / max(1, len(values) - 1)
    runs: list[list[str]] = [[]]
    for at, value in enumerate(values):
        if value is None:
            runs.append([])
        else:
            y = HEIGHT - min(1.0, max(0.0, value / top)) * HEIGHT
            runs[-1].append(f"{at * step:.1f},{y:.1f}")
    drawn = "".join(_run(points) for points in runs if points)
    return _frame(drawn, top, label, ago, unit)


def _run(points: Sequence[str]) -> str:
    first, last = points[0].partition(",")[0], points[-1].partition(",")[0]
    floor = f"{HEIGHT:.1f}"
    area = f'<polygon class="area" points="{first},{floor} {" ".join(points)} {last},{floor}"/>'
    return f'{area}<polyline class="line" points="{" ".join(points)}"/>'


def _frame(inside: str, top: float, label: str, ago: float, unit: str = "") -> str:
    lines = "".join(
        f'<line class="grid" x1="0" x2="{WIDTH:.0f}" y1="{y:.0f}" y2="{y:.0f}"/>'
        for y in (0.0, HEIGHT / 2, HEIGHT)
    )
    scale = "".join(f"<span>{count(value)}{unit}</span>" for value in (top, top / 2, 0.0))
    return (
        f'<div class="chart" role="img" aria-label="{label}"><div class="scale">{scale}</div>'
        f'<svg viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}" preserveAspectRatio="none">'
        f"{lines}{inside}</svg>"
        f'<div class="times"><span>{ago:.0f} s ago</span><span>now</span></div></div>'
    )


def _ceiling(value: float) -> float:
    """Return a round number above all values, so that the scale rarely moves.

    >>> [_ceiling(v) for v in (0, 3, 12, 90, 4100)]
    [2.0, 4.0, 20.0, 100.0, 5000.0]
    """
    size = 1.0
    while True:
        for step in (2.0, 4.0, 5.0, 10.0):
            if value <= step * size:
                return step * size
        size *= 10
