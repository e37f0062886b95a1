"""The results as an SVG for the docs: bars of events a second against the limit. Pure.

No colour is fixed where a theme may be dark: text and lines are `currentColor` where the page
passes one on, and follow ``prefers-color-scheme`` where it is shown as an image.
"""

from __future__ import annotations

from collections.abc import Mapping
from xml.sax.saxutils import escape

from .figures import Row

__all__ = ["chart"]

SUITES = ("300 B", "2 KB", "20 KB")
LANES = {
    "limit": "a bare socket and orjson (the limit)",
    "observe": "rxbosbase: observe",
    "filter+map": "rxbosbase: observe, filter, map",
    "of_action drops": "rxbosbase: of_action drops all",
    "aio.events": "rxbosbase: aio.events",
    "bosbase": "bosbase (official SDK)",
    "sseclient-py": "sseclient-py on requests",
    "pocketbase-async": "pocketbase-async",
    "pocketbase": "pocketbase",
}
OURS = ("observe", "filter+map", "of_action drops", "aio.events")
WIDTH, LEFT, BAR, GAP, HEAD = 720, 250, 16, 6, 34
FULL = 2.0  # ratio at the right end; longer bars are cut off there

_STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328; }
.head { font-weight: 600; }
.bar { fill: #8c959f; } .ours { fill: #0969da; } .spread, .one { stroke: #1f2328; }
.one { stroke-dasharray: 3 3; opacity: .5; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; }
  .bar { fill: #6e7681; } .ours { fill: #4493f8; } .spread, .one { stroke: #e6edf3; }
}
"""


def chart(suites: Mapping[str, Mapping[str, Row]]) -> str:
    """Return the SVG; suites and contenders without a result are omitted."""
    parts: list[str] = []
    top = 8
    for suite in SUITES:
        rows = {
            lane: suites[suite][lane]["× limit"]
            for lane in LANES if "× limit" in suites.get(suite, {}).get(lane, {})
        }  # fmt: skip
        if rows:
            drawn, top = _group(suite, rows, top)
            parts += drawn
    title = "Events per second against a bare socket with orjson"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" role="img" '
        f'aria-label="{title}"><title>{title}</title><style>{_STYLE}</style>'
        + "".join(parts) + "</svg>\n"
    )  # fmt: skip


def _group(suite: str, rows: Mapping[str, dict[str, float]], top: int) -> tuple[list[str], int]:
    parts = [f'<text class="head" x="8" y="{top + 18}">{suite} records, events/s × limit</text>']
    begin = top = top + HEAD
    for lane, ratio in rows.items():
        middle = top + BAR / 2
        parts.append(
            f'<text x="{LEFT - 8}" y="{middle + 4.5:g}" text-anchor="end">'
            f"{escape(LANES[lane])}</text>"
            f'<rect class="bar{" ours" if lane in OURS else ""}" x="{LEFT}" y="{top}" '
            f'width="{_x(ratio["median"]) - LEFT:.1f}" height="{BAR}" rx="2"/>'
            f'<line class="spread" x1="{_x(ratio["low"]):.1f}" x2="{_x(ratio["high"]):.1f}" '
            f'y1="{middle:g}" y2="{middle:g}"/>'
            f'<text x="{_x(ratio["high"]) + 6:.1f}" y="{middle + 4.5:g}">'
            f"{ratio['median']:.2f}</text>"
        )
        top += BAR + GAP
    one = _x(1.0)
    parts.append(f'<line class="one" x1="{one}" x2="{one}" y1="{begin - 4}" y2="{top}"/>')
    return parts, top + 10


def _x(ratio: float) -> float:
    return LEFT + min(ratio, FULL) / FULL * (WIDTH - LEFT - 50)
