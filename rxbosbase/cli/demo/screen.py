"""The demo on a terminal, drawn with rich. Pure: metrics and progress in, a renderable out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from rxbosbase.cli.event_text import ACTION_STYLES
from rxbosbase.encoding.control_characters import one_line
from rxbosbase.realtime.session.status import Status

from .metrics import FeedLine, Metrics

__all__ = ("Progress", "describe", "render")

MESSAGE_LINES = 5
MIN_FEED_LINES, MAX_FEED_LINES = 3, 12
OTHER_LINES = 16  # of the screen, besides the feed
RATE_BAR = 10  # characters
FULL_RATE = 40.0  # events per second that fill the bar, at least

STATE_STYLES = {"active": "green", "connected": "yellow", "connecting": "yellow", "waiting": "red"}


@dataclass(frozen=True, slots=True)
class Progress:
    """The seconds that have passed, of all; and the messages so far, each with its second."""

    elapsed: float
    seconds: float
    messages: Sequence[tuple[float, str]] = ()


def render(metrics: Metrics, progress: Progress, height: int) -> RenderableType:
    """Return the whole display; it fits into `height` lines if that is 19 or more."""
    lines = max(MIN_FEED_LINES, min(MAX_FEED_LINES, height - OTHER_LINES))
    return Group(
        _title(progress),
        _panels(metrics),
        _side_by_side(metrics, lines),
        _panel("what happens", _messages(progress)),
    )


def _title(progress: Progress) -> RenderableType:
    row = Table.grid(expand=True, padding=(0, 1))
    row.add_column()
    row.add_column(ratio=1)
    row.add_column(justify="right")
    bar = ProgressBar(total=progress.seconds, completed=min(progress.elapsed, progress.seconds))
    clock = f"{min(progress.elapsed, progress.seconds):4.1f} of {progress.seconds:g} s"
    row.add_row(Text("rxbosbase demo", style="bold"), bar, clock)
    return row


def _panels(metrics: Metrics) -> RenderableType:
    row = Table.grid(expand=True)
    for _ in range(3):
        row.add_column(ratio=1)
    row.add_row(
        _panel("connection", _connection(metrics)),
        _panel("events per second", _rates(metrics.rates)),
        _panel("from write to event", _latency(metrics)),
    )
    return row


def _panel(title: str, content: RenderableType) -> Panel:
    return Panel(content, title=title, title_align="left", box=box.ROUNDED, border_style="dim")


def _connection(metrics: Metrics) -> RenderableType:
    status = metrics.status
    first = Text.assemble(("● ", STATE_STYLES.get(status.state, "dim")), (status.state, "bold"))
    return Group(
        first,
        Text(_detail(status), style="dim", no_wrap=True, overflow="ellipsis"),
        Text(f"{metrics.received} events"),
    )


def _detail(status: Status) -> str:
    if status.state == "waiting":
        return f"attempt {status.attempt} failed"
    if status.state == "active":
        return f"{len(status.topics)} topics"
    return ""


def _rates(rates: Mapping[str, float]) -> RenderableType:
    table = Table.grid(padding=(0, 1))
    full = max(FULL_RATE, *rates.values()) if rates else FULL_RATE
    for action, style in ACTION_STYLES.items():
        rate = rates.get(action, 0.0)
        bar = "█" * round(RATE_BAR * rate / full)
        table.add_row(Text(action, style=style), f"{rate:5.1f}", Text(bar, style=style))
    return table


def _latency(metrics: Metrics) -> RenderableType:
    table = Table.grid(padding=(0, 1))
    for name, value in (("p50", metrics.latency.p50), ("p99", metrics.latency.p99)):
        table.add_row(name, "–" if value is None else f"{value * 1000:7.1f} ms")
    return Group(table, Text(f"of the last {metrics.latency.count}", style="dim"))


def _side_by_side(metrics: Metrics, lines: int) -> RenderableType:
    row = Table.grid(expand=True)
    row.add_column(ratio=3)
    row.add_column(ratio=2)
    row.add_row(
        _panel("feed: newest events", _feed(metrics, lines)),
        _panel("live view: open orders", _view(metrics, lines)),
    )
    return row


def _view(metrics: Metrics, lines: int) -> RenderableType:
    """Return the live view: the number of records, whether it is fresh, and its first records."""
    snapshot = metrics.view
    if snapshot is None:
        return Group(*[Text("")] * lines)
    mark = ("● fresh", "green") if snapshot.fresh else ("○ stale", "red")
    first = Text.assemble(mark, f"  {len(snapshot.records)} orders")
    orders = snapshot.records[: lines - 1]
    rows = [Text(_order(row), no_wrap=True, overflow="ellipsis") for row in orders]
    return Group(first, *rows, *[Text("")] * (lines - 1 - len(rows)))


def _order(record: Mapping[str, Any]) -> str:
    expanded: Mapping[str, Any] = record.get("expand") or {}
    name = expanded.get("customer", {}).get("name", "somebody")
    return one_line(f"{record['quantity']} × {record['item']}, {name} ({record['status']})")


def _feed(metrics: Metrics, lines: int) -> RenderableType:
    table = Table.grid(expand=True, padding=(0, 1, 0, 0))
    table.add_column(width=6)
    table.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    table.add_column(justify="right", width=4)
    newest = metrics.feed[-lines:]
    for line in newest:
        table.add_row(*_feed_row(line))
    for _ in range(lines - len(newest)):
        table.add_row()
    return table


def _feed_row(line: FeedLine) -> tuple[RenderableType, ...]:
    event = line.event
    return (
        Text(event.action, style=ACTION_STYLES[event.action]),
        Text(describe(event.record)),
        Text(f"+{line.more}" if line.more else "", style="dim"),
    )


def _messages(progress: Progress) -> RenderableType:
    newest = list(progress.messages[-MESSAGE_LINES:])
    lines = [
        Text.assemble((f"{at:5.1f} s  ", "dim"), line, no_wrap=True, overflow="ellipsis")
        for at, line in newest
    ]
    return Group(*lines, *[Text("")] * (MESSAGE_LINES - len(lines)))


def describe(record: Mapping[str, Any]) -> str:
    """Return a short text about a sample record.

    >>> describe({"room": "help", "text": "Hello?", "expand": {"author": {"name": "Ada"}}})
    '#help Ada: Hello?'
    """
    expanded: Mapping[str, Any] = record.get("expand") or {}
    who: Mapping[str, Any] = expanded.get("author") or expanded.get("customer") or {}
    name = who.get("name", "somebody")
    if "room" in record:
        text = f"#{record['room']} {name}: {record['text']}"
    elif "item" in record:
        text = f"{name} orders {record['quantity']} × {record['item']} ({record['status']})"
    elif "post" in record:
        title = expanded.get("post", {}).get("title", "a post")
        text = f"{name} on “{title}”: {record['text']}"
    else:
        text = f"{name} posts “{record.get('title', '')}”"
    return one_line(text)
