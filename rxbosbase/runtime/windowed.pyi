"""What type checkers know of the fluent methods that divide or share a `Stream`: exact types.

No code: at run time `Stream` has RxPY's own methods. RxPY types many of them with ``Any``, and all
of them as `Observable`.
"""

# A fluent method's type is narrower than RxPY's, and some have overloads where RxPY has ``Any``.
# mypy: disable-error-code="override"
# pyright: reportIncompatibleMethodOverride=false

from collections.abc import Callable
from typing import Any, overload

from reactivex import Observable, abc
from reactivex.abc import SchedulerBase as Scheduler
from reactivex.observable import GroupedObservable
from reactivex.subject import Subject
from reactivex.typing import RelativeTime
from typing_extensions import TypeVar

from .piped import PipedStream
from .streams import ConnectableStream, Stream

T = TypeVar("T")
K = TypeVar("K")
R = TypeVar("R")
S = TypeVar("S")

class WindowedStream(PipedStream[T]):
    # windowing
    def buffer(self, boundaries: Observable[Any]) -> Stream[list[T]]: ...
    @overload
    def group_by(
        self,
        key_mapper: Callable[[T], K],
        element_mapper: None = None,
        subject_mapper: Callable[[], Subject[T]] | None = None,
    ) -> Stream[GroupedObservable[K, T]]: ...
    @overload
    def group_by(
        self,
        key_mapper: Callable[[T], K],
        element_mapper: Callable[[T], R],
        subject_mapper: Callable[[], Subject[R]] | None = None,
    ) -> Stream[GroupedObservable[K, R]]: ...
    def partition(self, predicate: Callable[[T], bool]) -> list[Stream[T]]: ...
    def pairwise(self) -> Stream[tuple[T, T]]: ...
    def partition_indexed(self, predicate_indexed: Callable[[T, int], bool]) -> list[Stream[T]]: ...
    def buffer_with_count(self, count: int, skip: int | None = None) -> Stream[list[T]]: ...
    def buffer_with_time(
        self,
        timespan: RelativeTime,
        timeshift: RelativeTime | None = None,
        scheduler: Scheduler | None = None,
    ) -> Stream[list[T]]: ...
    def buffer_with_time_or_count(
        self, timespan: RelativeTime, count: int, scheduler: Scheduler | None = None
    ) -> Stream[list[T]]: ...
    def buffer_when(self, closing_mapper: Callable[[], Observable[Any]]) -> Stream[list[T]]: ...
    def buffer_toggle(
        self, openings: Observable[Any], closing_mapper: Callable[[Any], Observable[Any]]
    ) -> Stream[list[T]]: ...
    def window(self, boundaries: Observable[Any]) -> Stream[Observable[T]]: ...
    def window_with_count(self, count: int, skip: int | None = None) -> Stream[Observable[T]]: ...
    def window_with_time(
        self,
        timespan: RelativeTime,
        timeshift: RelativeTime | None = None,
        scheduler: Scheduler | None = None,
    ) -> Stream[Observable[T]]: ...
    def window_with_time_or_count(
        self, timespan: RelativeTime, count: int, scheduler: Scheduler | None = None
    ) -> Stream[Observable[T]]: ...
    def window_when(
        self, closing_mapper: Callable[[], Observable[Any]]
    ) -> Stream[Observable[T]]: ...
    def window_toggle(
        self, openings: Observable[Any], closing_mapper: Callable[[Any], Observable[Any]]
    ) -> Stream[Observable[T]]: ...
    @overload
    def group_by_until(
        self,
        key_mapper: Callable[[T], K],
        element_mapper: None,
        duration_mapper: Callable[[GroupedObservable[K, T]], Observable[Any]],
        subject_mapper: Callable[[], Subject[T]] | None = None,
    ) -> Stream[GroupedObservable[K, T]]: ...
    @overload
    def group_by_until(
        self,
        key_mapper: Callable[[T], K],
        element_mapper: Callable[[T], R],
        duration_mapper: Callable[[GroupedObservable[K, R]], Observable[Any]],
        subject_mapper: Callable[[], Subject[R]] | None = None,
    ) -> Stream[GroupedObservable[K, R]]: ...
    # multicasting
    def share(self) -> Stream[T]: ...
    @overload
    def publish(self) -> ConnectableStream[T]: ...
    @overload
    def publish(self, mapper: Callable[[Observable[T]], Observable[R]]) -> Stream[R]: ...
    @overload
    def replay(
        self,
        buffer_size: int | None = None,
        window: RelativeTime | None = None,
        *,
        scheduler: Scheduler | None = None,
    ) -> ConnectableStream[T]: ...
    @overload
    def replay(
        self,
        buffer_size: int | None = None,
        window: RelativeTime | None = None,
        *,
        mapper: Callable[[Observable[T]], Observable[R]],
        scheduler: Scheduler | None = None,
    ) -> Stream[R]: ...
    def multicast(self, subject: abc.SubjectBase[T]) -> ConnectableStream[T]: ...
    def ref_count(self) -> Stream[T]: ...
    @overload
    def publish_value(self, initial_value: S) -> ConnectableStream[T | S]: ...
    @overload
    def publish_value(
        self, initial_value: S, mapper: Callable[[Observable[T | S]], Observable[R]]
    ) -> Stream[R]: ...
