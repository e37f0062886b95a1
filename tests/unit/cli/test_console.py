"""How commands end, and the log: exit codes, signals, and lines without control characters."""

from __future__ import annotations

import logging
import signal
import sys
import threading
import traceback
from contextlib import nullcontext

import pytest
from reactivex.subject import Subject
from support.seen import LIMIT, run_thread

from rxbosbase import ConnectionFailedError
from rxbosbase.cli.console import PlainFormatter, clean_exit, until_end

HOSTILE = "a\x1b[31mred\u202etext\x07\x9b\r\nnext\u2028line"


def test_a_log_line_is_escaped_and_a_traceback_stays_readable() -> None:
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


def test_an_expected_error_is_one_line_and_exit_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    """An error of the library is printed as one line to stderr, with exit code 1."""
    with pytest.raises(SystemExit) as ended, clean_exit():
        raise ConnectionFailedError("no\nserver")
    assert ended.value.code == 1
    assert capsys.readouterr().err == "rxbosbase: no\\nserver\n"


@pytest.mark.parametrize("code", [130, 0])
def test_ctrl_c_ends_with_the_commands_own_code(code: int) -> None:
    """Ctrl-C ends a command with the exit code that the command sets."""
    with pytest.raises(SystemExit) as ended, clean_exit(interrupted=code):
        raise KeyboardInterrupt
    assert ended.value.code == code


def wait_until_a_command_waits(ended: threading.Event) -> None:
    """Wait until the main thread waits in `until_end`, or until `ended` is set."""
    main = threading.main_thread().ident or 0
    checks = [False]
    while not (all(checks[-3:]) or ended.is_set()):  # three times: once may be just before the wait
        ended.wait(0.001)
        frames = traceback.extract_stack(sys._current_frames()[main])
        checks.append(
            any(frame.name == "until_end" for frame in frames) and frames[-1].name == "wait"
        )


def test_a_signal_delivered_to_another_thread_ends_the_command_too() -> None:
    """SIGTERM delivered to another thread ends the waiting command."""
    events: Subject[int] = Subject()
    ended = threading.Event()

    def send_the_signal() -> None:
        wait_until_a_command_waits(ended)
        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
        if not ended.wait(LIMIT):
            events.on_completed()

    other = threading.Thread(target=send_the_signal)
    other.start()
    with pytest.raises(SystemExit), clean_exit(interrupted=0):
        until_end(events)
    was_complete = events.is_stopped
    ended.set()
    other.join()
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
    with pytest.raises(KeyError), clean_exit():
        raise KeyError("defect")
