"""The hot observables of topics: lazy, shared through the registry, and alive with their client."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from reactivex import abc
from reactivex.disposable import Disposable

from rxbosbase.events import Message, RecordEvent
from rxbosbase.realtime.protocol.topics import Topic
from rxbosbase.realtime.session.registry import Subscriber
from rxbosbase.runtime.streams import Stream

from .preflight import Question

if TYPE_CHECKING:
    from .service import RealtimeService

__all__ = ["MessageStream", "RecordStream"]


class _Held(Disposable):
    """A disposable that keeps its client alive: a pipeline must not fall silent because the
    client's last name went out of scope."""

    def __init__(self, action: Callable[[], None], owner: object) -> None:
        super().__init__(action)
        self._owner = owner


class RecordStream(Stream[RecordEvent[Any]]):
    """The events of a record topic; its first subscriber brings the topic to the server.

    Args:
        question: what the preflight asks at each subscription; None for no preflight.
        owner: stays alive while there is a subscription.
        actions: the only ones that are wanted; None for all.
    """

    def __init__(
        self,
        service: RealtimeService,
        topic: Topic,
        question: Callable[[], Question] | None,
        owner: object,
        actions: frozenset[str] | None = None,
    ) -> None:
        super().__init__(self._attach, service.scheduler)
        self._service = service
        self._topic = topic
        self._question = question
        self._owner = owner
        self._actions = actions

    def only(self, actions: frozenset[str]) -> RecordStream:
        """The events of these actions. Where nobody wants another one, the records of the others
        are not even decoded."""
        both = actions if self._actions is None else actions & self._actions
        return RecordStream(self._service, self._topic, self._question, self._owner, both)

    def _attach(
        self, observer: abc.ObserverBase[RecordEvent[Any]], _: abc.SchedulerBase | None
    ) -> abc.DisposableBase:
        question = self._question
        subscriber = Subscriber(
            _only(self._actions, observer.on_next), observer.on_error, observer.on_completed,
            check=question is not None, actions=self._actions,
        )  # fmt: skip
        asked = question() if question is not None else None
        self._service.attach(self._topic, subscriber, asked, urgent=False)
        return _Held(partial(self._service.detach, subscriber), self._owner)


class MessageStream(Stream[Message]):
    """The messages of a topic, as they came; without one every message, whoever asked for it."""

    def __init__(self, service: RealtimeService, topic: Topic | None, owner: object) -> None:
        super().__init__(self._attach, service.scheduler)
        self._service = service
        self._topic = topic
        self._owner = owner

    def _attach(
        self, observer: abc.ObserverBase[Message], _: abc.SchedulerBase | None
    ) -> abc.DisposableBase:
        subscriber = Subscriber(
            observer.on_next, observer.on_error, observer.on_completed, raw=True
        )
        if self._topic is None:
            self._service.listen(subscriber)
            return _Held(partial(self._service.unlisten, subscriber), self._owner)
        self._service.attach(self._topic, subscriber, None, urgent=False)
        return _Held(partial(self._service.detach, subscriber), self._owner)


def _only(
    actions: frozenset[str] | None, on_next: Callable[[RecordEvent[Any]], object]
) -> Callable[[RecordEvent[Any]], object]:
    if actions is None:
        return on_next

    def pass_on(event: RecordEvent[Any]) -> None:
        if event.action in actions:
            on_next(event)

    return pass_on
