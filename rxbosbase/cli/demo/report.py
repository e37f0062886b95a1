"""The summary of the demo as text, drawn with rich. Pure."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from .delivery_audit import Count, Summary, percentile

__all__ = ("report",)


def report(summary: Summary) -> RenderableType:
    """Return the counts of writes and events, the times, and the verdict."""
    return Group(Text(), _counts(summary), Text(), *_remarks(summary), Text(), *_verdict(summary))


def _counts(summary: Summary) -> RenderableType:
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    table.add_column("written")
    for name in ("writes", "events", "missed"):
        table.add_column(name, justify="right")
    rows: list[tuple[str, Count]] = [
        ("while connected", summary.connected),
        ("in the last 100 ms before the kill", summary.before_kill),
        ("while the stream was down", summary.down),
        ("in all", summary.total),
    ]
    for name, count in rows:
        table.add_row(name, str(count.written), str(count.received), str(count.missed))
    return table


def _remarks(summary: Summary) -> list[Text]:
    remarks: list[str] = []
    if summary.server_down is not None:
        remarks.append(f"The server was down for {summary.server_down:.1f} s.")
    if summary.reconnect is not None:
        remarks.append(f"The stream was back {summary.reconnect:.2f} s after the server.")
    if summary.unconfirmed:
        remarks.append(f"{summary.unconfirmed} writes were cut off; they may be done, or not.")
    if summary.latencies:
        shares = (("half", 0.5), ("99 %", 0.99))
        within = ", ".join(
            f"{name} within {(percentile(summary.latencies, share) or 0.0) * 1000:.1f} ms"
            for name, share in shares
        )
        remarks.append(f"From sending a write to its event: {within}.")
    if summary.view is not None and summary.view.equal:
        orders = f"{summary.view.records} open orders"
        remarks.append(f"The live view of the {orders} equals a fresh query of them.")
    return [Text(remark) for remark in remarks]


def _verdict(summary: Summary) -> list[Text]:
    if summary.problems:
        return [Text(f"Failed: {problem}.", style="bold red") for problem in summary.problems]
    count = summary.connected.received
    return [Text(f"All {count} events of the connected phases arrived.", style="bold green")]
