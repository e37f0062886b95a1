"""Tapes: written for their owner's eyes alone, and read as what somebody else may have written."""

from __future__ import annotations

import os
import stat
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
import reactivex
from reactivex import Observable
from reactivex.testing import TestScheduler

from rxbosbase.events import RecordEvent
from rxbosbase.realtime.protocol.frames import MAX_FRAME_BYTES
from rxbosbase.testing import FakeRealtime, VirtualScheduler, record_stream, replay_stream
from rxbosbase.testing import recording as tape
from rxbosbase.testing.recording import MAX_AFTER_SECONDS, MAX_LINE_BYTES

Seen = list[Any]


def record(path: Path) -> None:
    """A tape of one event."""
    with FakeRealtime() as fake:
        fake.client.collection("posts").observe("*").pipe(record_stream(path)).subscribe()
        fake.push("posts", "create", {"id": "a"})
        fake.advance(1)


def test_a_tape_is_its_owners_alone_from_its_first_byte_on(tmp_path: Path) -> None:
    """A recording has mode 0600 and only new content, also over an old file with 0666."""
    before = os.umask(0)
    try:
        record(tmp_path / "new")
        (tmp_path / "old").write_text("x" * 10_000)
        (tmp_path / "old").chmod(0o666)
        record(tmp_path / "old")
    finally:
        os.umask(before)
    for name in ("new", "old"):
        info = (tmp_path / name).stat()
        assert (stat.S_IMODE(info.st_mode), info.st_size) == (
            0o600,
            (tmp_path / "new").stat().st_size,
        )


def test_a_tape_empties_no_file_that_has_another_name(tmp_path: Path) -> None:
    """A recording to a file with a second hard link is an error; the file is unchanged."""
    other, linked = tmp_path / "other", tmp_path / "tape"
    other.write_text("mine")
    linked.hardlink_to(other)
    errors: list[Exception] = []
    reactivex.never().pipe(record_stream(linked)).subscribe(on_error=errors.append)
    assert "hard link" in str(errors[0])
    assert other.read_text() == "mine"


def test_blank_lines_of_a_tape_are_left_out(tmp_path: Path) -> None:
    """`replay_stream` ignores empty lines and lines of spaces."""
    line = b'{"after": 0, "topic": "posts/*", "action": "create", "record": {"id": "a"}}\n'
    (tmp_path / "tape").write_bytes(b"\n" + line + b"\r\n" + line + b"\n \n")
    played: Seen = []
    clock = TestScheduler()
    replay_stream(tmp_path / "tape", scheduler=clock).subscribe(played.append)
    clock.start()
    assert len(played) == 2


def test_a_tape_is_written_through_no_link_and_into_nobody_elses_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A recording to a link, a FIFO or another user's file is an OSError; no file changes."""
    mine, link, fifo, theirs = (tmp_path / name for name in ("mine", "link", "fifo", "theirs"))
    mine.write_text("mine")
    link.symlink_to(mine)
    os.mkfifo(fifo)
    theirs.write_text("theirs")
    if os.geteuid() == 0:
        os.chown(theirs, 12345, -1)
    errors: Seen = []
    with FakeRealtime() as fake:
        stream = fake.client.collection("posts").observe("*")
        for path in (link, fifo):
            stream.pipe(record_stream(path)).subscribe(on_error=errors.append)
        if os.geteuid() != 0:
            monkeypatch.setattr(os, "geteuid", lambda: 0)
        stream.pipe(record_stream(theirs)).subscribe(on_error=errors.append)
        monkeypatch.undo()
        fake.push("posts", "create", {"id": "a"})
        fake.advance(1)
    assert [isinstance(error, OSError) for error in errors] == [True, True, True]
    assert (mine.read_text(), theirs.read_text()) == ("mine", "theirs")


LINE = '{"after": %s, "topic": "posts/*", "action": "create", "record": {}}\n'
BAD_LINES = {
    "without an end": "x" * 1000,
    "not finite": LINE % "1e999",
    "far too late": LINE % "1e308",
    "later than a year": LINE % (MAX_AFTER_SECONDS + 1),
    "a number no float holds": LINE % ("9" * 400),
    "negative": LINE % -0.001,
    "not a number": LINE % "NaN",
    "a text": LINE % '"1"',
    "nothing": LINE % "null",
    "a record that is none": '{"after": 1, "topic": "posts/*", "action": "create", "record": []}',
    "no topic": '{"after": 1, "topic": null, "action": "create", "record": {}}',
    "nested": "[" * 100_000,
}


@pytest.mark.parametrize("line", BAD_LINES.values(), ids=BAD_LINES.keys())
def test_a_line_of_a_tape_that_means_harm_is_an_error_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    """An invalid or too long line ends the replay with a short ValueError that names it."""
    monkeypatch.setattr(tape, "MAX_LINE_BYTES", 500)
    (tmp_path / "tape").write_text(LINE % 0 + line)
    seen: Seen = []
    errors: Seen = []
    loop = VirtualScheduler()
    replay_stream(tmp_path / "tape", scheduler=loop).subscribe(seen.append, errors.append)
    loop.clock.advance(10)
    assert len(seen) == 1
    assert [type(error) for error in errors] == [ValueError]
    assert "line 2 is no recorded event" in str(errors[0])
    assert len(str(errors[0])) < 400


def test_a_line_of_a_gigabyte_is_refused_without_being_read(tmp_path: Path) -> None:
    """A line above `MAX_LINE_BYTES` is an error after reading at most 4 times that size."""
    with (tmp_path / "tape").open("wb") as file:
        file.truncate(1024**3)  # a hole: it takes no room on the disk
    errors: Seen = []
    tracemalloc.start()
    try:
        replay_stream(tmp_path / "tape", scheduler=VirtualScheduler()).subscribe(
            on_error=errors.append
        )
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert f"line 1 is no recorded event: it has more than {MAX_LINE_BYTES} bytes" in str(errors[0])
    assert peak < 4 * MAX_LINE_BYTES


def test_an_event_of_the_largest_size_goes_onto_a_tape_and_back(tmp_path: Path) -> None:
    """An event close to `MAX_FRAME_BYTES` is the same after recording and replay."""
    loop = VirtualScheduler()
    event = RecordEvent("posts/*", "create", {"id": "a", "text": "x" * (MAX_FRAME_BYTES - 200)})
    of_it: Observable[RecordEvent[Any]] = reactivex.of(event)
    of_it.pipe(record_stream(tmp_path / "tape")).run()
    seen: Seen = []
    replay_stream(tmp_path / "tape", scheduler=loop).subscribe(seen.append)
    loop.clock.advance(1)
    assert seen == [event]
