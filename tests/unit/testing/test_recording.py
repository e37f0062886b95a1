"""Recordings: only their owner may read them, and a replay accepts only valid lines."""

from __future__ import annotations

import os
import stat
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
import reactivex
from reactivex import Observable
from reactivex import operators as ops
from reactivex.testing import TestScheduler

from rxbosbase import operators as rxb
from rxbosbase.events import RecordEvent
from rxbosbase.realtime.protocol.frames import MAX_FRAME_BYTES
from rxbosbase.testing import (
    FakeRealtime,
    VirtualScheduler,
    record_stream,
    recording,
    replay_stream,
)
from rxbosbase.testing.recording import MAX_AFTER_SECONDS, MAX_LINE_BYTES

Seen = list[Any]


def record_one(path: Path) -> None:
    """Record one event."""
    with FakeRealtime() as fake:
        fake.client.collection("posts").observe("*").pipe(record_stream(path)).subscribe()
        fake.push("posts", "create", {"id": "a"})
        fake.advance(1)


def test_only_the_owner_may_read_a_recording_from_its_first_byte_on(tmp_path: Path) -> None:
    """A recording has mode 0600 and only new content, also over an old file with 0666."""
    before = os.umask(0)
    try:
        record_one(tmp_path / "new")
        (tmp_path / "old").write_text("x" * 10_000)
        (tmp_path / "old").chmod(0o666)
        record_one(tmp_path / "old")
    finally:
        os.umask(before)
    for name in ("new", "old"):
        info = (tmp_path / name).stat()
        assert (stat.S_IMODE(info.st_mode), info.st_size) == (
            0o600,
            (tmp_path / "new").stat().st_size,
        )


def test_a_recording_empties_no_file_with_a_second_hard_link(tmp_path: Path) -> None:
    """A recording to a file with a second hard link is an error; the file is unchanged."""
    other, linked = tmp_path / "other", tmp_path / "recording"
    other.write_text("mine")
    linked.hardlink_to(other)
    errors: list[Exception] = []
    reactivex.never().pipe(record_stream(linked)).subscribe(on_error=errors.append)
    assert "hard link" in str(errors[0])
    assert other.read_text() == "mine"


def test_blank_lines_of_a_recording_are_ignored(tmp_path: Path) -> None:
    """`replay_stream` ignores empty lines and lines of spaces."""
    line = b'{"after": 0, "topic": "posts/*", "action": "create", "record": {"id": "a"}}\n'
    (tmp_path / "recording").write_bytes(b"\n" + line + b"\r\n" + line + b"\n \n")
    played: Seen = []
    clock = TestScheduler()
    replay_stream(tmp_path / "recording", scheduler=clock).subscribe(played.append)
    clock.start()
    assert len(played) == 2


def test_a_recording_is_not_written_through_a_link_or_to_another_users_file(
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
    "only a time": '{"after": 4}',
}


@pytest.mark.parametrize("line", BAD_LINES.values(), ids=BAD_LINES.keys())
def test_an_invalid_line_of_a_recording_is_an_error_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    """An invalid or too long line ends the replay with a short ValueError that names it."""
    monkeypatch.setattr(recording, "MAX_LINE_BYTES", 500)
    (tmp_path / "recording").write_text(LINE % 0 + line)
    seen: Seen = []
    errors: Seen = []
    scheduler = VirtualScheduler()
    replay_stream(tmp_path / "recording", scheduler=scheduler).subscribe(seen.append, errors.append)
    scheduler.clock.advance(10)
    assert len(seen) == 1
    assert [type(error) for error in errors] == [ValueError]
    assert "line 2 is no recorded event" in str(errors[0])
    assert len(str(errors[0])) < 400


def test_a_line_of_a_gigabyte_is_refused_without_being_read(tmp_path: Path) -> None:
    """A line above `MAX_LINE_BYTES` is an error after reading at most 4 times that size."""
    with (tmp_path / "recording").open("wb") as file:
        file.truncate(1024**3)  # sparse: it uses no space on the disk
    errors: Seen = []
    tracemalloc.start()
    try:
        replay_stream(tmp_path / "recording", scheduler=VirtualScheduler()).subscribe(
            on_error=errors.append
        )
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert f"line 1 is no recorded event: it has more than {MAX_LINE_BYTES} bytes" in str(errors[0])
    assert peak < 4 * MAX_LINE_BYTES


def test_an_event_of_the_largest_size_is_recorded_and_replayed(tmp_path: Path) -> None:
    """An event close to `MAX_FRAME_BYTES` is the same after recording and replay."""
    scheduler = VirtualScheduler()
    event = RecordEvent("posts/*", "create", {"id": "a", "text": "x" * (MAX_FRAME_BYTES - 200)})
    events: Observable[RecordEvent[Any]] = reactivex.of(event)
    events.pipe(record_stream(tmp_path / "recording")).run()
    seen: Seen = []
    replay_stream(tmp_path / "recording", scheduler=scheduler).subscribe(seen.append)
    scheduler.clock.advance(1)
    assert seen == [event]


def record_three(path: Path) -> None:
    """Record three events, at 0.5, 1 and 3 seconds."""
    with FakeRealtime() as fake:
        stream = fake.client.collection("posts").observe("*")
        stream.pipe(record_stream(path)).subscribe()
        for n, wait in enumerate((0.5, 0.5, 2)):
            fake.advance(wait)
            fake.push("posts", "create", {"id": str(n), "text": "Cześć"})


def test_a_replay_gives_the_recorded_events_at_their_times(tmp_path: Path) -> None:
    """`replay_stream` emits the recorded events at their times divided by `speed`."""
    record_three(tmp_path / "recording")
    scheduler = TestScheduler()
    replay = replay_stream(tmp_path / "recording", speed=2, scheduler=scheduler)
    seen: Seen = []
    replay.subscribe(
        lambda event: seen.append((scheduler.clock, event)),
        on_completed=lambda: seen.append((scheduler.clock, "end")),
    )
    scheduler.start()
    times, events = zip(*seen, strict=True)
    assert [round(time, 3) for time in times] == [0.25, 0.5, 1.5, 1.5]
    assert events[0] == RecordEvent("posts/*", "create", {"id": "0", "text": "Cześć"})


@pytest.mark.parametrize("scheduler", [VirtualScheduler(), TestScheduler()])
def test_what_is_piped_onto_a_replay_runs_in_its_time(tmp_path: Path, scheduler: Any) -> None:
    """Operators piped to a replay use the scheduler of the replay."""
    record_three(tmp_path / "recording")
    seen: Seen = []
    replay = replay_stream(tmp_path / "recording", scheduler=scheduler)
    replay.pipe(ops.debounce(1.0), rxb.records()).subscribe(seen.append)
    if isinstance(scheduler, VirtualScheduler):
        scheduler.clock.advance(2.5)
    else:
        scheduler.advance_to(2.5)
    assert [record["id"] for record in seen] == ["1"]


def test_a_replay_without_waiting_and_each_subscriber_has_its_own(tmp_path: Path) -> None:
    """With `speed=None` a replay takes no time; each subscriber gets it from the start."""
    record_three(tmp_path / "recording")
    scheduler = VirtualScheduler()
    replay = replay_stream(tmp_path / "recording", speed=None, scheduler=scheduler)
    first: Seen = []
    second: Seen = []
    replay.subscribe(first.append)
    replay.pipe(ops.take(1)).subscribe(second.append)
    scheduler.clock.run()
    assert (len(first), len(second), scheduler.clock.now) == (3, 1, 0)


def test_a_missing_recording_is_an_error(tmp_path: Path) -> None:
    """A missing file ends the replay with a FileNotFoundError."""
    errors: Seen = []
    scheduler = VirtualScheduler()
    replay_stream(tmp_path / "none", scheduler=scheduler).subscribe(on_error=errors.append)
    scheduler.clock.advance(10)
    assert [type(error) for error in errors] == [FileNotFoundError]


def test_one_file_has_one_recording_at_a_time(tmp_path: Path, fake: FakeRealtime) -> None:
    """A second recording to the same file is an error until the first is disposed."""
    errors: Seen = []
    stream = (
        fake.client.collection("posts").observe("*").pipe(record_stream(tmp_path / "recording"))
    )
    first = stream.subscribe()
    stream.subscribe(on_error=errors.append)
    assert "is being recorded already: share()" in str(errors[0])
    first.dispose()
    stream.subscribe(on_error=errors.append).dispose()
    assert len(errors) == 1


def test_a_speed_of_zero_is_refused(tmp_path: Path) -> None:
    """`replay_stream` raises ValueError for `speed=0`."""
    with pytest.raises(ValueError, match=r"speed must be 0\.001 or more"):
        replay_stream(tmp_path / "recording", speed=0)
