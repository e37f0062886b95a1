"""Recordings of streams: JSON lines of real events with their times."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

from reactivex import Observable, abc
from reactivex.disposable import CompositeDisposable, Disposable, SerialDisposable

from rxbosbase.encoding.json import decode, encode
from rxbosbase.events import Event, RecordEvent
from rxbosbase.realtime.protocol.frames import MAX_FRAME_BYTES
from rxbosbase.runtime.private_file import open_own
from rxbosbase.runtime.scheduler import clock_of
from rxbosbase.runtime.streams import Stream
from rxbosbase.runtime.thread_scheduler import ThreadScheduler

__all__ = ("record_stream", "replay_stream")


MAX_LINE_BYTES = 2 * MAX_FRAME_BYTES
"""Of a recording: every event that a client accepts by default fits, also where our JSON is longer
than the server's. A longer line is refused and not read completely."""

MAX_AFTER_SECONDS = 366 * 24 * 3600.0
"""A year: no timer of a replay has to wait longer."""

SLOWEST_SPEED = 0.001
"""Below this speed a year would be longer than a timer can wait."""


def record_stream(
    path: str | os.PathLike[str],
) -> Callable[[Observable[Event]], Observable[Event]]:
    """Return an operator that writes each event to the file `path` and passes it on.

    Each event is a line of JSON: ``{"after": 0.25, "topic": …, "action": …, "record": …}``, where
    ``after`` is in seconds since the subscription, by the stream's own clock. Each line is
    written at once, so that the recording of a killed program is valid up to that point. Each
    subscription overwrites the file; a second one at the same time is refused. Records hold
    what the login may see: only the file's owner may read it, with mode 0600 from the first byte.
    Check a recording before you share it.

    Args:
        path: the file; it is created, or emptied.

    Returns:
        an operator for ``pipe``.

    Raises:
        OSError: to the subscriber's ``on_error``, the file cannot be opened, is a link, has hard
            links, or belongs to another user. One while an event is written ends the subscription
            as an error of the subscriber itself does: it is logged.
        RuntimeError: to the subscriber's ``on_error``, another subscription is recording.

    Example:
        >>> import tempfile
        >>> with FakeRealtime() as fake, tempfile.NamedTemporaryFile() as file:
        ...     posts = fake.client.collection("posts").observe("*")
        ...     _ = posts.pipe(record_stream(file.name)).subscribe()
        ...     fake.advance(1.5)
        ...     _ = fake.push("posts", "create", {"id": "a"})
        ...     print(file.read().decode())
        {"after":1.5,"topic":"posts/*","action":"create","record":{"id":"a"}}
        <BLANKLINE>
    """
    target = Path(path)
    in_use = threading.Lock()

    def operator(source: Observable[Event]) -> Observable[Event]:
        def subscribe(
            observer: abc.ObserverBase[Event], scheduler: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            # A `Stream` has one, and so have some of RxPY's subjects and users' observables.
            own: abc.SchedulerBase | None = getattr(source, "scheduler", None)
            recording = _Recording(target, in_use, clock_of(own, scheduler))

            def on_next(event: Event) -> None:
                recording.write(event)
                observer.on_next(event)

            def on_error(error: Exception) -> None:
                recording.close()
                observer.on_error(error)

            def on_completed() -> None:
                recording.close()
                observer.on_completed()

            subscription = source.subscribe(on_next, on_error, on_completed, scheduler=scheduler)
            return CompositeDisposable(subscription, Disposable(recording.close))

        return Observable(subscribe)

    return operator


class _Recording:
    """A file to which a subscription writes its events."""

    def __init__(self, path: Path, in_use: threading.Lock, clock: abc.SchedulerBase) -> None:
        if not in_use.acquire(blocking=False):
            raise RuntimeError(f"{path} is being recorded already: share() the recorded stream")
        self._in_use = in_use
        self._clock = clock
        self._begun = clock.now
        self._lock = threading.Lock()
        try:
            # Emptied after the checks, so that a file that is refused keeps its content.
            self._file = os.fdopen(open_own(path, os.O_WRONLY | os.O_CREAT), "wb", 0)
            if os.fstat(self._file.fileno()).st_nlink > 1:
                self._file.close()
                raise OSError(f"{path} has another name, a hard link: take another path")
            self._file.truncate(0)
        except BaseException:
            in_use.release()
            raise

    def write(self, event: Event) -> None:
        line = {
            "after": (self._clock.now - self._begun).total_seconds(),
            "topic": event.topic,
            "action": event.action,
            "record": event.record,
        }
        with self._lock:
            if not self._file.closed:
                self._file.write(encode(line) + b"\n")

    def close(self) -> None:
        with self._lock:
            if not self._file.closed:
                self._file.close()
                self._in_use.release()


def replay_stream(
    path: str | os.PathLike[str],
    *,
    speed: float | None = 1.0,
    scheduler: abc.SchedulerBase | None = None,
) -> Observable[Event]:
    """Return the events of a recording, at their recorded times.

    The observable is cold: each subscriber gets a replay of its own. It completes after the last
    event. The file is read during the replay, line by line.

    Args:
        path: a file of `record_stream`.
        speed: how many times as fast, 0.001 or more; None is without any waiting.
        scheduler: its clock gives the time, and operators on the result run their timers on it:
            ``client.scheduler``, ``fake.scheduler``, or RxPY's ``TestScheduler`` for virtual
            time. None: a thread of its own, which ends some seconds after the last event.

    Returns:
        an observable of `RecordEvent`; the records are dicts.

    Raises:
        ValueError: `speed` is less than 0.001; to ``on_error``, a line that is no event, is longer
            than 32 MiB, or plays later than a year after the first. It names the line.
        OSError: to ``on_error``, the file cannot be read.

    Example:
        >>> import tempfile
        >>> with FakeRealtime() as fake, tempfile.NamedTemporaryFile() as file:
        ...     line = b'{"after": 90, "topic": "posts/*", "action": "create", "record": {"n": 1}}'
        ...     _ = file.write(line)
        ...     file.flush()
        ...     events = replay_stream(file.name, speed=60, scheduler=fake.scheduler)
        ...     _ = events.subscribe(lambda event: print(fake.clock.now, event.record))
        ...     fake.advance(2)
        1.5 {'n': 1}
    """
    if speed is not None and not speed >= SLOWEST_SPEED:
        raise ValueError(
            f"speed must be {SLOWEST_SPEED} or more, or None for no waiting, not {speed!r}"
        )
    target = Path(path)
    clock = scheduler if scheduler is not None else ThreadScheduler("rxbosbase-replay")

    def subscribe(
        observer: abc.ObserverBase[Event], _: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        return _Replay(_lines(target), speed, clock, observer)

    return Stream(subscribe, clock)


class _Replay(abc.DisposableBase):
    """A running replay; it holds one event at a time."""

    def __init__(
        self,
        lines: Iterator[tuple[float, Event]],
        speed: float | None,
        clock: abc.SchedulerBase,
        observer: abc.ObserverBase[Event],
    ) -> None:
        self._lines = lines
        self._speed = speed
        self._clock = clock
        self._observer = observer
        self._begun = clock.now
        self._timer = SerialDisposable()
        self._next()

    def _next(self) -> None:
        try:
            after, event = next(self._lines)
        except StopIteration:
            self._observer.on_completed()
        except (OSError, ValueError) as error:
            self._observer.on_error(error)
        else:
            passed = (self._clock.now - self._begun).total_seconds()
            wait = 0.0 if self._speed is None else max(0.0, after / self._speed - passed)

            def play(*_: object) -> None:
                self._observer.on_next(event)
                if not self._timer.is_disposed:
                    self._next()

            self._timer.disposable = self._clock.schedule_relative(wait, play)

    def dispose(self) -> None:
        self._timer.dispose()


def _lines(path: Path) -> Iterator[tuple[float, Event]]:
    with path.open("rb") as file:
        for number in count(1):
            line = file.readline(MAX_LINE_BYTES + 1)
            if not line:
                return
            if line.isspace():  # an editor may add empty lines
                continue
            try:
                yield _event_of(line)
            except (ValueError, TypeError, KeyError) as error:
                why = f"{path}, line {number} is no recorded event: {error}"
                raise ValueError(why) from error


def _event_of(line: bytes) -> tuple[float, Event]:
    if len(line) > MAX_LINE_BYTES:
        raise ValueError(f"it has more than {MAX_LINE_BYTES} bytes")
    entry = decode(line)
    after, topic, action, record = (entry[key] for key in ("after", "topic", "action", "record"))
    if not isinstance(after, int | float) or not 0 <= after <= MAX_AFTER_SECONDS:
        raise ValueError(f"after must be a number of seconds between 0 and {MAX_AFTER_SECONDS:.0f}")
    if not isinstance(topic, str) or not isinstance(action, str) or not isinstance(record, dict):
        raise TypeError("topic and action must be texts, and record an object")
    return float(after), RecordEvent(topic, action, record)
