"""Decoding of records to a collection's model, and the policy for records that do not fit."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Any, Generic, Literal, TypeAlias, TypeVar, cast

from reactivex import abc

from rxbosbase.encoding.record import Record
from rxbosbase.errors import RecordDecodeError
from rxbosbase.events import RecordEvent
from rxbosbase.runtime.streams import Stream

from .models import Model, decoder_for

__all__ = ("OnDecodeError", "RecordReader")

T = TypeVar("T")

OnDecodeError: TypeAlias = (
    Literal["raise", "skip"] | Callable[[RecordDecodeError, Record], T | None]
)
"""The policy for a record that does not fit: raise, leave it out, or take what the callable returns
for it (None: leave it out)."""


class RecordReader(Generic[T]):
    """Decodes the records of a collection; without a model they stay as they are.

    Attributes:
        is_plain: True without a model: records stay as they are.
        key: equal for readers that decode records alike.
    """

    def __init__(
        self,
        collection: str,
        model: Model[T] | None = None,
        on_decode_error: OnDecodeError[T] = "raise",
    ) -> None:
        if on_decode_error not in ("raise", "skip") and not callable(on_decode_error):
            raise ValueError(
                f"on_decode_error must be 'raise', 'skip' or a callable, not {on_decode_error!r}"
            )
        if model is None and on_decode_error != "raise":
            raise ValueError("on_decode_error is for a model: pass model=, too")
        self.is_plain = model is None
        self.key: Hashable = _key(model, on_decode_error)
        self._policy = on_decode_error
        self._decode = cast("Callable[[Record], T]", _as_it_is)
        if model is not None:
            self._decode = decoder_for(model, collection)
        self._last: tuple[object, RecordEvent[T] | None] = (None, None)

    def one(self, record: Record) -> T:
        """Return a record that was read alone. It is not skipped: without a value, raise."""
        try:
            return self._decode(record)
        except RecordDecodeError as error:
            instead = None if isinstance(self._policy, str) else self._policy(error, record)
            if instead is None:
                raise
            return instead

    def read(self, record: Record) -> T | None:
        """Return the decoded record, or None if it is to be left out."""
        if self._policy == "raise":
            return self._decode(record)
        try:
            return self._decode(record)
        except RecordDecodeError as error:
            return None if isinstance(self._policy, str) else self._policy(error, record)

    def many(self, records: Iterable[Record]) -> list[T]:
        """Return the decoded records, without those to leave out."""
        if self.is_plain:
            return cast("list[T]", list(records))
        return [found for found in map(self.read, records) if found is not None]

    def event(self, event: RecordEvent[Record]) -> RecordEvent[T] | None:
        """Return the event with its record decoded, or None if it is to be left out.

        An event goes to its subscribers one after the other: only the first decodes it.
        """
        of, made = self._last
        if of is not event:
            record = self.read(event.record)
            made = (
                None
                if record is None
                else RecordEvent(event.topic, event.action, record, event.received_at)
            )
            self._last = (event, made)
        return made

    def stream(self, source: Stream[RecordEvent[Record]]) -> Stream[RecordEvent[T]]:
        """Return the stream of decoded events; an error of decoding ends the subscription."""
        if self.is_plain:
            return cast("Stream[RecordEvent[T]]", source)

        def subscribe(
            observer: abc.ObserverBase[RecordEvent[T]], scheduler: abc.SchedulerBase | None
        ) -> abc.DisposableBase:
            # RxPY disposes the subscription with the first `on_error`.
            return source.subscribe(
                self.callback(observer.on_next, observer.on_error),
                observer.on_error,
                observer.on_completed,
                scheduler=scheduler,
            )

        return Stream(subscribe, source.scheduler)

    def callback(
        self,
        on_next: Callable[[RecordEvent[T]], object],
        on_error: Callable[[Exception], object] | None = None,
    ) -> Callable[[RecordEvent[Record]], None]:
        """Return a callback for undecoded events. An error of decoding goes to `on_error`; without
        one it is raised, and the delivery logs it and continues."""
        if self.is_plain:
            return cast("Callable[[RecordEvent[Record]], None]", on_next)

        def called(event: RecordEvent[Record]) -> None:
            try:
                made = self.event(event)
            except Exception as error:
                if on_error is None:
                    raise
                on_error(error)
                return
            if made is not None:
                on_next(made)

        return called


def _key(model: object, policy: object) -> Hashable:
    key = (model, policy)
    try:
        hash(key)
    except TypeError:
        return object()  # equal to no other
    return key


def _as_it_is(record: Any) -> Any:
    return record
