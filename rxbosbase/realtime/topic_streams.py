"""The hot observables of topics: lazy, and shared through the registry."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from reactivex import abc
from reactivex.disposable import Disposable

from rxbosbase.encoding.control_characters import short_repr
from rxbosbase.events import Message, RecordEvent
from rxbosbase.realtime.protocol.topics import Topic
from rxbosbase.realtime.session.registry import Subscriber
from rxbosbase.runtime.streams import Stream

from .preflight import PreflightRequest
from .service import RealtimeService

__all__ = ("MessageStream", "RecordStream")


class _OwningDisposable(Disposable):
    """A disposable that keeps its client alive: a subscription must not end because the last other
    reference to the client is gone."""

    def __init__(self, action: Callable[[], None], owner: object) -> None:
        super().__init__(action)
        self._owner = owner


class RecordStream(Stream[RecordEvent[Any]]):
    """The events of a record topic; its first subscriber submits the topic to the server.

    Args:
        preflight: makes the preflight request of each subscription; None for no preflight.
        owner: kept alive while there is a subscription.
        actions: the only ones that are delivered; None for all.
    """

    def __init__(
        self,
        service: RealtimeService,
        topic: Topic,
        preflight: Callable[[], PreflightRequest] | None,
        owner: object,
        actions: frozenset[str] | None = None,
    ) -> None:
        super().__init__(self._attach, service.scheduler)
        self._service = service
        self._topic = topic
        self._preflight = preflight
        self._owner = owner
        self._actions = actions

    def __repr__(self) -> str:
        only = "".join(f" {action}" for action in sorted(self._actions or ()))
        return f"<RecordStream {short_repr(self._topic.name)}{only}>"

    def only(self, actions: frozenset[str]) -> RecordStream:
        """Return the stream of these actions alone. Records of actions that no subscriber receives
        are not decoded."""
        both = actions if self._actions is None else actions & self._actions
        return RecordStream(self._service, self._topic, self._preflight, self._owner, both)

    def _attach(
        self, observer: abc.ObserverBase[RecordEvent[Any]], _: abc.SchedulerBase | None
    ) -> abc.DisposableBase:
        make_request = self._preflight
        subscriber = Subscriber(
            _only(self._actions, observer.on_next), observer.on_error, observer.on_completed,
            check=make_request is not None, actions=self._actions,
        )  # fmt: skip
        request = make_request() if make_request is not None else None
        self._service.attach(self._topic, subscriber, request, urgent=False)
        return _OwningDisposable(partial(self._service.detach, subscriber), self._owner)


class MessageStream(Stream[Message]):
    """The messages of a topic as they were received; without a topic, every message."""

    def __init__(self, service: RealtimeService, topic: Topic | None, owner: object) -> None:
        super().__init__(self._attach, service.scheduler)
        self._service = service
        self._topic = topic
        self._owner = owner

    def __repr__(self) -> str:
        name = "of every topic" if self._topic is None else short_repr(self._topic.name)
        return f"<MessageStream {name}>"

    def _attach(
        self, observer: abc.ObserverBase[Message], _: abc.SchedulerBase | None
    ) -> abc.DisposableBase:
        subscriber = Subscriber(
            observer.on_next, observer.on_error, observer.on_completed, raw=True
        )
        if self._topic is None:
            self._service.attach_global(subscriber)
            return _OwningDisposable(partial(self._service.detach_global, subscriber), self._owner)
        self._service.attach(self._topic, subscriber, None, urgent=False)
        return _OwningDisposable(partial(self._service.detach, subscriber), self._owner)


def _only(
    actions: frozenset[str] | None, on_next: Callable[[RecordEvent[Any]], object]
) -> Callable[[RecordEvent[Any]], object]:
    if actions is None:
        return on_next

    def pass_on(event: RecordEvent[Any]) -> None:
        if event.action in actions:
            on_next(event)

    return pass_on
