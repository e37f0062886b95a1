"""What the demo shows: the display on a terminal, the plain lines, and the report."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console, RenderableType

from rxbosbase import RecordEvent, Status
from rxbosbase.cli.demo.delivery_audit import Count, Summary
from rxbosbase.cli.demo.displays import LineDisplay, status_line
from rxbosbase.cli.demo.metrics import FeedLine, Latency, Metrics
from rxbosbase.cli.demo.report import report
from rxbosbase.cli.demo.screen import Progress, describe, render
from rxbosbase.live.engine.messages import Edit
from rxbosbase.live.engine.ordering import Order
from rxbosbase.live.engine.snapshot import Snapshot

HOSTILE = "a\x1b[31mred\u202etext\x07\x9b\r\nnext\u2028line"
ORDER: dict[str, Any] = {
    "item": "tea", "quantity": 2, "status": "new", "expand": {"customer": {"name": "Ada"}},
}  # fmt: skip
MESSAGE: dict[str, Any] = {
    "id": "m1",
    "collectionName": "messages",
    "room": "help",
    "text": "Hello there",
    "author": "u1",
    "expand": {"author": {"id": "u1", "name": "Ada"}},
}


def rendered(output: RenderableType, width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width, color_system=None, force_terminal=False)
    with console.capture() as capture:
        console.print(output)
    return capture.get().splitlines()


@pytest.fixture
def metrics() -> Metrics:
    event = RecordEvent("messages/*", "create", MESSAGE)
    return Metrics(
        Status("active", topics=("a", "b")),
        {"create": 120.0, "update": 3.25},
        tuple(FeedLine(event, more) for more in range(20)),
        Latency(0.0031, 0.0123, 500),
        4711,
        Snapshot.empty(Order.parse()).advance(
            [Edit(str(n), None, {**ORDER, "id": str(n)}) for n in range(20)], fresh=True
        ),
    )


PROGRESS = Progress(3.0, 16.0, [(float(second), f"event number {second}") for second in range(9)])


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("height", [19, 24, 50])
def test_the_display_fits_the_terminal(metrics: Metrics, width: int, height: int) -> None:
    """The demo's rendering has fewer lines than the terminal, and none is wider."""
    lines = rendered(render(metrics, PROGRESS, height), width)
    assert len(lines) < height
    assert max(map(len, lines)) <= width


def test_the_display_has_the_same_height_empty_and_full(metrics: Metrics) -> None:
    """The demo's rendering has the same height when empty and when full."""
    empty = rendered(render(Metrics(), Progress(0.0, 16.0), 24), 80)
    assert len(empty) == len(rendered(render(metrics, PROGRESS, 24), 80))


def test_the_display_shows_the_newest_of_everything(metrics: Metrics) -> None:
    """The demo's rendering contains status, rates, latency, records and the newest events."""
    output = "\n".join(rendered(render(metrics, PROGRESS, 24), 80))
    shown = ["● active", "2 topics", "4711 events", "120.0 ██████████", "3.1 ms", "12.3 ms"]
    shown += ["● fresh  20 orders", "2 × tea, Ada (new)"]
    shown += ["last 500", "#help Ada: Hello there", "+19", "event number 8", "3.0 of 16 s"]
    assert [text for text in shown if text not in output] == []
    assert "event number 3" not in output


@pytest.mark.parametrize(
    ("record", "text"),
    [
        (MESSAGE, "#help Ada: Hello there"),
        ({"room": "help", "text": "Hi"}, "#help somebody: Hi"),
        (
            {
                "item": "tea", "quantity": 3, "status": "new",
                "expand": {"customer": {"name": "Ben"}},
            },
            "Ben orders 3 × tea (new)",
        ),
        (
            {
                "post": "p1", "text": "Yes", "author": "u1",
                "expand": {"author": {"name": "Dan"}, "post": {"title": "Streams"}},
            },
            "Dan on “Streams”: Yes",
        ),
        ({"title": "News", "expand": {"author": {"name": "Chloe"}}}, "Chloe posts “News”"),
    ],
)  # fmt: skip
def test_each_sample_record_has_a_description(record: dict[str, Any], text: str) -> None:
    """`describe` returns a line of text for a sample record of each collection."""
    assert describe(record) == text


def test_control_characters_of_a_sample_record_are_escaped() -> None:
    """`describe` of a record with control characters is printable."""
    assert describe({"room": HOSTILE, "text": HOSTILE}).isprintable()


def test_the_plain_display_prints_the_numbers_once_a_second(
    metrics: Metrics, capsys: pytest.CaptureFixture[str]
) -> None:
    """The view without a terminal prints one status line a second, without escape codes."""
    view = LineDisplay()
    view.show(metrics)
    for tenth in range(25):
        view.tick(tenth / 10)
    printed = capsys.readouterr().out.splitlines()
    assert printed == [f"  {n}.0 s  {status_line(metrics)}" for n in (1, 2)]
    assert "\x1b" not in "".join(printed)


def summary(connected: Count) -> Summary:
    down = Count(4, 1)
    return Summary(
        Count(connected.written + 4, connected.received + 1), connected, Count(), down,
        {"create": 14}, 2, 0, 1.5, 0.25, [0.003, 0.01],
    )  # fmt: skip


def test_the_report_of_a_success_has_all_counts() -> None:
    """The report of a successful demo has all counts, the reconnect time and the latencies."""
    text = "\n".join(rendered(report(summary(Count(10, 10))), 80))
    shown = ["All 10 events of the connected phases arrived.", "0.25 s after the server"]
    shown += ["down for 1.5 s", "2 writes were cut off", "half within 3.0 ms, 99 % within 10.0 ms"]
    assert [line for line in shown if line not in text] == []


def test_the_report_says_what_failed() -> None:
    """The report of a failed demo has the problem, and no message of success."""
    text = "\n".join(rendered(report(summary(Count(10, 9))), 80))
    assert "Failed: 1 events of the connected phases did not arrive." in text
    assert "arrived." not in text
