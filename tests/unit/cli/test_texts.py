"""What the commands print: pure functions, with no terminal."""

from __future__ import annotations

import io
import json
import logging
import signal
import sys
import threading
import traceback
from contextlib import nullcontext
from typing import Any

import pytest
from reactivex.subject import Subject
from rich.console import Console, RenderableType
from support.seen import LIMIT, run_thread

from rxbosbase import ConnectionFailedError, RecordEvent, Status
from rxbosbase.cli.console import PlainFormatter, expected_ends, until_end
from rxbosbase.cli.demo.delivery_audit import Count, Summary
from rxbosbase.cli.demo.displays import LineDisplay, status_line
from rxbosbase.cli.demo.metrics import FeedLine, Latency, Metrics
from rxbosbase.cli.demo.report import report
from rxbosbase.cli.demo.screen import Scene, describe, screen
from rxbosbase.cli.event_text import encoded_line, json_line, pretty_line, value_text
from rxbosbase.cli.status_messages import ConnectionMessages, next_messages
from rxbosbase.encoding.control_characters import one_line
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


def rendered(picture: RenderableType, width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width, color_system=None, force_terminal=False)
    with console.capture() as capture:
        console.print(picture)
    return capture.get().splitlines()


def test_a_log_line_commands_no_terminal_and_a_traceback_stays_readable() -> None:
    """A log line has its control characters escaped; a traceback keeps its line breaks."""
    try:
        raise ValueError(HOSTILE)
    except ValueError:
        record = logging.LogRecord(
            "rxbosbase", logging.ERROR, "", 0, "said %s", (HOSTILE,), sys.exc_info()
        )
    first, *others = PlainFormatter().format(record).split("\n")
    assert first.startswith("said a\\x1b[31mred\\u202etext")
    assert others[0] == "Traceback (most recent call last):"
    assert all(line.isprintable() for line in others)


# -- tail


def test_a_json_line_holds_the_whole_event_in_one_line() -> None:
    """`json_line` is one line of JSON with the whole event and no escape character."""
    event = RecordEvent("messages/*", "create", {"id": "m1", "text": HOSTILE})
    line = json_line(event)
    assert line.count(b"\n") == 1 and line.endswith(b"\n") and b"\x1b" not in line
    assert json.loads(line) == {"topic": "messages/*", "action": "create", "record": event.record}


def test_a_pretty_line_shows_what_a_person_wants_to_know() -> None:
    """`pretty_line` has time, action, record, fields, and names in place of related ids."""
    line = pretty_line(RecordEvent("messages/*", "create", MESSAGE), "12:00:00")
    wanted = '12:00:00 create messages/m1 room=help text="Hello there" author=Ada'
    assert line.plain == wanted


def test_a_pretty_line_is_cut_to_the_width_in_columns_not_in_characters() -> None:
    """`pretty_line` is cut with `…` to the width in terminal columns, also for wide text."""
    wide = {"id": "m1", "text": "日本語" * 40}
    line = pretty_line(RecordEvent("messages/*", "create", wide), "12:00:00", 60)
    assert line.cell_len <= 60
    assert line.plain.endswith("…")


@pytest.mark.parametrize("value", ["", None, True, 1.5, [], ["a", "b c"], {"lon": 1}, {"name": ""}])
def test_a_pretty_line_takes_values_of_any_type(value: object) -> None:
    """`pretty_line` accepts field values of every JSON type."""
    assert " x=" in pretty_line(RecordEvent("t/*", "update", {"x": value}), "").plain


def test_a_record_cannot_command_the_terminal() -> None:
    """Lines made of a record with control characters are printable."""
    event = RecordEvent("messages/*", "create", {"id": HOSTILE, HOSTILE: HOSTILE})
    assert pretty_line(event, "").plain.isprintable()
    assert describe({"room": HOSTILE, "text": HOSTILE}).isprintable()


@pytest.mark.parametrize("text", ["Zażółć gęślą jaźń", "👨‍👩‍👧 ok", "日本語", "5 × “tea”…"])
def test_text_that_does_no_harm_is_shown_as_it_is(text: str) -> None:
    """`one_line` leaves text without control characters unchanged."""
    assert one_line(text) == text


def lines_of(*statuses: Status) -> list[str]:
    tale, lines = ConnectionMessages(), []
    for status in statuses:
        tale = next_messages(tale, status)
        lines += [tale.line] if tale.line else []
    return lines


def waiting(attempt: int, since: float) -> Status:
    error = ConnectionFailedError("refused")
    return Status("waiting", attempt=attempt, retry_in=1.0, error=error, since=since)


def test_an_outage_is_told_twice_however_many_attempts_it_takes() -> None:
    """An outage gives one message at its start and one at its end, whatever the attempts."""
    told = lines_of(
        Status("idle"), Status("connecting"), Status("connected"), Status("active", since=1.0),
        waiting(1, 10.0), Status("connecting"), waiting(2, 11.0), Status("connecting"),
        Status("connected"), Status("active", since=12.5), Status("active", since=12.5),
    )  # fmt: skip
    assert told == [
        "listening",
        "connection lost, reconnecting: refused",
        "connected again after 2.5 s; what happened in between was not sent",
    ]


def test_a_server_that_is_not_there_yet_is_told_once() -> None:
    """A server that is not reachable at the start gives one message until it is."""
    told = lines_of(waiting(1, 1.0), waiting(2, 2.0), Status("active", since=3.0))
    assert told == ["no connection, still trying: refused", "listening"]


def test_the_servers_routine_closes_are_not_told() -> None:
    """A regular close of the stream by the server gives no message."""
    assert lines_of(Status("active"), Status("connecting"), Status("active")) == ["listening"]


def test_giving_up_is_told() -> None:
    """The status `failed` gives a message with the number of attempts and the error."""
    error = ConnectionFailedError("refused")
    assert lines_of(Status("failed", attempt=3, error=error)) == [
        "gave up after 3 attempts: refused"
    ]


# -- how commands end


def test_an_expected_error_is_one_line_and_exit_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    """An error of the library is printed as one line to stderr, with exit code 1."""
    with pytest.raises(SystemExit) as ended, expected_ends():
        raise ConnectionFailedError("no\nserver")
    assert ended.value.code == 1
    assert capsys.readouterr().err == "rxbosbase: no\\nserver\n"


@pytest.mark.parametrize("code", [130, 0])
def test_ctrl_c_ends_with_the_commands_own_code(code: int) -> None:
    """Ctrl-C ends a command with the exit code that the command sets."""
    with pytest.raises(SystemExit) as ended, expected_ends(interrupted=code):
        raise KeyboardInterrupt
    assert ended.value.code == code


def wait_until_a_command_waits(ended: threading.Event) -> None:
    """Until the main thread is in `until_end`, and waits; or until `ended`."""
    main = threading.main_thread().ident or 0
    looks = [False]
    while not (all(looks[-3:]) or ended.is_set()):  # once may be a moment before it waits
        ended.wait(0.001)
        frames = traceback.extract_stack(sys._current_frames()[main])
        looks.append(
            any(frame.name == "until_end" for frame in frames) and frames[-1].name == "wait"
        )


def test_a_signal_that_another_thread_took_ends_the_command_too() -> None:
    """SIGTERM delivered to another thread ends the waiting command."""
    events: Subject[int] = Subject()
    ended = threading.Event()

    def take_the_signal() -> None:
        wait_until_a_command_waits(ended)
        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
        if not ended.wait(LIMIT):
            events.on_completed()

    thief = threading.Thread(target=take_the_signal)
    thief.start()
    with pytest.raises(SystemExit), expected_ends(interrupted=0):
        until_end(events)
    was_complete = events.is_stopped
    ended.set()
    thief.join()
    assert not was_complete


@pytest.mark.parametrize("error", [None, ConnectionFailedError("no server")])
def test_a_command_lasts_as_long_as_its_stream(error: Exception | None) -> None:
    """A command waits until its stream completes or fails, and raises the stream's error."""
    events: Subject[int] = Subject()
    ended = threading.Event()

    def end() -> None:
        wait_until_a_command_waits(ended)
        events.on_next(1)
        wait_until_a_command_waits(ended)
        if not ended.is_set():
            events.on_completed() if error is None else events.on_error(error)

    finish = run_thread(end)
    try:
        with pytest.raises(ConnectionFailedError) if error else nullcontext():
            until_end(events)
        assert events.is_stopped
    finally:
        ended.set()
        finish()


def test_a_defect_keeps_its_traceback() -> None:
    """An unexpected exception leaves the command unchanged, with its traceback."""
    with pytest.raises(KeyError), expected_ends():
        raise KeyError("defect")


# -- the demo's picture


@pytest.fixture
def board() -> Metrics:
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


SCENE = Scene(3.0, 16.0, [(float(second), f"event number {second}") for second in range(9)])


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("height", [19, 24, 50])
def test_the_picture_fits_the_terminal(board: Metrics, width: int, height: int) -> None:
    """The demo's rendering has fewer lines than the terminal, and none is wider."""
    lines = rendered(screen(board, SCENE, height), width)
    assert len(lines) < height
    assert max(map(len, lines)) <= width


def test_the_picture_does_not_jump_while_it_fills(board: Metrics) -> None:
    """The demo's rendering has the same height when empty and when full."""
    empty = rendered(screen(Metrics(), Scene(0.0, 16.0), 24), 80)
    assert len(empty) == len(rendered(screen(board, SCENE, 24), 80))


def test_the_picture_shows_the_newest_of_everything(board: Metrics) -> None:
    """The demo's rendering contains status, rates, latency, records and the newest events."""
    picture = "\n".join(rendered(screen(board, SCENE, 24), 80))
    shown = ["● active", "2 topics", "4711 events", "120.0 ██████████", "3.1 ms", "12.3 ms"]
    shown += ["● fresh  20 orders", "2 × tea, Ada (new)"]
    shown += ["last 500", "#help Ada: Hello there", "+19", "event number 8", "3.0 of 16 s"]
    assert [text for text in shown if text not in picture] == []
    assert "event number 3" not in picture


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
def test_each_sample_record_is_put_into_words(record: dict[str, Any], text: str) -> None:
    """`describe` returns a line of text for a sample record of each collection."""
    assert describe(record) == text


def test_the_plain_view_prints_the_numbers_once_a_second(
    board: Metrics, capsys: pytest.CaptureFixture[str]
) -> None:
    """The view without a terminal prints one status line a second, without escape codes."""
    view = LineDisplay()
    view.show(board)
    for tenth in range(25):
        view.tick(tenth / 10)
    printed = capsys.readouterr().out.splitlines()
    assert printed == [f"  {n}.0 s  {status_line(board)}" for n in (1, 2)]
    assert "\x1b" not in "".join(printed)


def summary(connected: Count) -> Summary:
    down = Count(4, 1)
    return Summary(
        Count(connected.written + 4, connected.received + 1), connected, Count(), down,
        {"create": 14}, 2, 0, 1.5, 0.25, [0.003, 0.01],
    )  # fmt: skip


def test_the_report_counts_and_praises() -> None:
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


def test_a_record_that_can_be_read_and_not_written_ends_no_command() -> None:
    """A record nested too deeply to encode is printed as a line with its id and collection."""
    deep: list[Any] = []
    for _ in range(20_000):
        deep = [deep]
    record = {"id": "a", "collectionName": "posts", "data": deep}
    line = json.loads(json_line(RecordEvent("posts/*", "create", record)))
    assert line.pop("unreadable") == "nested too deeply to be written"
    assert line == {
        "topic": "posts/*",
        "action": "create",
        "record": {"id": "a", "collectionName": "posts"},
    }
    content = {"type": "removed", "record": None, "before": record}
    assert json.loads(encoded_line(content, "record", "before"))["before"]["id"] == "a"
    assert "create posts/a data=[[" in str(
        pretty_line(RecordEvent("posts/*", "create", record), "12")
    )
    assert value_text({"x": deep}) == "…"
