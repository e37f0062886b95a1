"""The last events, and how many there were in each second, as DataFrames."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from reactivex import Observable, abc
from reactivex import operators as ops

from rxbosbase.encoding.values import plain
from rxbosbase.events import Event
from rxbosbase.runtime.scheduler import clock_of

from .frame_builder import FrameBuilder
from .kinds import EPOCH
from .optional_imports import pandas
from .table import Table

__all__ = (
    "MAX_BUCKETS",
    "MAX_EVENTS",
    "MAX_GROUPS",
    "EventWindow",
    "RateFrame",
    "rate_frame",
    "window",
)

MAX_EVENTS = 100_000
"""The most events of a window. Of more, the oldest are dropped: `EventWindow.dropped` counts."""

MAX_BUCKETS = 3600
"""The most rows of a rate frame; of more, the oldest are dropped."""

MAX_GROUPS = 100
"""The most columns of a rate frame; further values are counted as "other"."""

OTHER = "other"
HEAD = ("arrived", "action", "topic")
"""Columns of a window besides the record's fields; such fields become ``record.action`` etc."""


class EventWindow(FrameBuilder[Event]):
    """The last events as `df`, made by `window`. Call `dispose` at the end, or use ``with``.

    Attributes:
        dropped: with `seconds`, how many events were dropped because of `MAX_EVENTS` (100 000).

    Example:
        >>> with FakeRealtime() as fake:
        ...     with window(fake.client.collection("orders").observe("*"), seconds=60) as last:
        ...         _ = fake.push("orders", "create", {"item": "tea"})
        ...         fake.advance(61)
        ...         print(len(last.df), last.dropped)
        0 0
    """

    def __init__(
        self, source: Observable[Event], span: timedelta | None, count: int, table: Table,
        clock: abc.SchedulerBase | None,
    ) -> None:  # fmt: skip
        self._span = span
        self._count = count
        self._clock = clock or clock_of(getattr(source, "scheduler", None), None)
        self._events: deque[tuple[datetime, Event]] = deque()
        self._table = table
        self.dropped: int = 0
        super().__init__(source, clock)

    @property
    def df(self) -> Any:
        """The events in the order of their arrival, as a new DataFrame. From any thread.

        Raises:
            BosBaseError: what ended the stream; of another observable, its error.
            ValueError: a field in `categories` contains a list or an object.
        """
        with self._lock:
            if self._remove_old():
                self.invalidate()
            return self.read()

    def _add(self, value: Event) -> None:
        self._events.append((self._clock.now, value))
        if len(self._events) > self._count:
            self._events.popleft()
            self.dropped += self._span is not None
        self._remove_old()
        self.invalidate()

    def _remove_old(self) -> bool:
        if self._span is None:
            return False
        oldest = self._clock.now - self._span
        before = len(self._events)
        while self._events and self._events[0][0] <= oldest:
            self._events.popleft()
        return len(self._events) < before

    def _summary(self) -> str:
        span = self._span
        limit = f"count {self._count}" if span is None else f"seconds {span.total_seconds():g}"
        return f"of {limit}, {len(self._events)} events, {self.dropped} dropped"

    def _build(self) -> Any:
        self._table.clear()
        self._table.append([_row(moment, event) for moment, event in self._events])
        return self._table.frame()


def _row(moment: datetime, event: Event) -> dict[str, Any]:
    row: dict[str, Any] = dict(zip(HEAD, (plain(moment), event.action, event.topic), strict=True))
    for name, value in event.record.items():
        row[f"record.{name}" if name in HEAD else name] = value
    return row


def window(
    observable: Observable[Event],
    *,
    seconds: float | None = None,
    count: int | None = None,
    columns: Iterable[str] | None = None,
    categories: Iterable[str] = (),
    scheduler: abc.SchedulerBase | None = None,
) -> EventWindow:
    """Follow a stream of events as a DataFrame of the last ones, until disposed.

    The columns are ``arrived`` (a UTC time), ``action``, ``topic`` and the record's fields.

    Args:
        observable: a stream of events, such as ``orders.observe("*")``; subscribed to at once.
        seconds: keep the events of the last so many seconds, 100 000 at most; or
        count: keep the last so many events, 100 000 at most.
        columns: the columns, in this order; None: all.
        categories: the columns of dtype ``category``.
        scheduler: the clock; by default the stream's own.

    Returns:
        an `EventWindow`, whose ``df`` is the current frame, for ``with``.

    Raises:
        MissingExtraError: pandas is not installed.
        ValueError, TypeError: not exactly one of `seconds` and `count`, or one not positive, or
            names that are no list.
        OverflowError: `seconds` is longer than a timedelta can be.

    Example:
        >>> with FakeRealtime() as fake:
        ...     with window(fake.client.collection("orders").observe("*"), count=100) as last:
        ...         _ = fake.push("orders", "create", {"id": "a", "item": "tea"})
        ...         _ = fake.push("orders", "delete", {"id": "a"})
        ...         print(last.df[["action", "item"]].values.tolist())
        [['create', 'tea'], ['delete', 'tea']]
    """
    if (seconds is None) == (count is None):
        raise ValueError("window() takes either seconds= or count=")
    if count is not None and not (isinstance(count, int) and 0 < count <= MAX_EVENTS):
        raise ValueError(f"count must be between 1 and {MAX_EVENTS}, not {count!r}")
    if seconds is not None and not seconds > 0:
        raise ValueError(f"seconds must be more than 0, not {seconds!r}")
    span = None if seconds is None else timedelta(seconds=seconds)
    table = Table(columns, None, categories)
    if columns is None:
        table.add_columns(HEAD)
    return EventWindow(observable, span, count or MAX_EVENTS, table, scheduler)


class RateFrame(FrameBuilder[str]):
    """The number of events in each interval as `df`, made by `rate_frame`.

    Call `dispose` at the end, or use ``with``. At most 3600 rows are kept, the newest.

    Example:
        >>> with FakeRealtime() as fake:
        ...     with rate_frame(fake.client.collection("orders").observe("*"), every=60) as rates:
        ...         _ = fake.push("orders", "create", {"item": "tea"})
        ...         fake.advance(120)
        ...         print(rates.df["create"].tolist())
        [1, 0, 0]
    """

    def __init__(
        self, groups: Observable[str], every: timedelta, clock: abc.SchedulerBase | None
    ) -> None:
        self._every = every
        self._clock = clock or clock_of(getattr(groups, "scheduler", None), None)
        self._groups: dict[str, None] = {}
        self._counts: dict[int, Counter[str]] = {}
        self._first = self._bucket()
        super().__init__(groups, clock)

    @property
    def df(self) -> Any:
        """A row for each interval since the start, the current one last. From any thread.

        The index is the start of the interval (UTC), the columns are the groups, the values counts.

        Raises:
            BosBaseError: what ended the stream; of another observable, or of `by`, its error.
        """
        with self._lock:
            self.invalidate()  # the rows depend on the time, too
            return self.read()

    def _bucket(self) -> int:
        return (self._clock.now - EPOCH) // self._every

    def _add(self, value: str) -> None:
        if value not in self._groups:
            value = value if len(self._groups) < MAX_GROUPS else OTHER
            self._groups[value] = None
        self._counts.setdefault(self._bucket(), Counter())[value] += 1
        while len(self._counts) > MAX_BUCKETS:
            del self._counts[next(iter(self._counts))]

    def _summary(self) -> str:
        return f"every {self._every.total_seconds():g} s, {len(self._groups)} columns"

    def _build(self) -> Any:
        pd = pandas()
        last = self._bucket()
        buckets = range(max(self._first, last - MAX_BUCKETS + 1), last + 1)
        nothing: Counter[str] = Counter()
        rows = [self._counts.get(bucket, nothing) for bucket in buckets]
        starts = [EPOCH + bucket * self._every for bucket in buckets]
        index = pd.DatetimeIndex(starts, dtype="datetime64[ns, UTC]", name="time")
        data = {group: [row[group] for row in rows] for group in self._groups}
        return pd.DataFrame(data, index=index, dtype="int64", columns=list(self._groups))


def rate_frame(
    observable: Observable[Any],
    by: str | Callable[[Any], object] = "action",
    every: str | float | timedelta = "1s",
    *,
    scheduler: abc.SchedulerBase | None = None,
) -> RateFrame:
    """Count the events of a stream, by kind and by time, until disposed.

    Args:
        observable: a stream of events, such as ``orders.observe("*")``; subscribed to at once.
        by: ``"action"``, ``"topic"``, a field of the record, or a function of the event. More
            than 100 different values are counted as "other".
        every: the interval of a row: ``"1s"``, ``"5min"``, seconds or a timedelta.
        scheduler: the clock; by default the stream's own.

    Returns:
        a `RateFrame`, whose ``df`` is the current frame, for ``with``.

    Raises:
        MissingExtraError: pandas is not installed.
        ValueError, TypeError: `every` is no interval, or `by` no field or function.
        OverflowError: `every` is longer than a timedelta can be.

    Example:
        >>> with FakeRealtime() as fake:
        ...     with rate_frame(fake.client.collection("orders").observe("*"), by="item") as rates:
        ...         for item in ("tea", "milk", "tea"):
        ...             _ = fake.push("orders", "create", {"item": item})
        ...         print(rates.df.sum().to_dict())
        {'tea': 2, 'milk': 1}
    """
    if not isinstance(by, str) and not callable(by):
        raise TypeError(f"by must be a field's name or a function of the event, not {by!r}")
    if isinstance(every, (int, float)):
        every = timedelta(seconds=every)
    span: timedelta = pandas().Timedelta(every).to_pytimedelta()
    if not span > timedelta():
        raise ValueError(f"every must be at least a microsecond, not {every!r}")
    return RateFrame(observable.pipe(ops.map(_grouping(by))), span, scheduler)


def _grouping(by: str | Callable[[Any], object]) -> Callable[[Any], str]:
    if callable(by):
        return lambda event: str(by(event))
    if by in ("action", "topic"):
        return lambda event: str(getattr(event, by))

    def of_record(event: Any) -> str:
        record: Mapping[str, Any] = event.record
        return str(record.get(by, ""))

    return of_record
