"""Random sequences of subscriptions, losses and refusals: after every step the server's topics
become the registered ones, and every subscriber gets each event of its topic once."""

from __future__ import annotations

import itertools
import os
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from reactivex import abc
from support.model_server import END_NAMES, FAILURE_NAMES, ModelServer
from support.wire_server import make_token

from rxbosbase import BackoffPolicy, BosBase, RecordEvent
from rxbosbase.realtime.protocol.topics import record_topic

LONG = os.environ.get("RXBOSBASE_LONG") == "1"
EXAMPLES, STEPS = (200, 40) if LONG else (12, 15)
AGREES_WITHIN = ARRIVES_WITHIN = 10.0

TOPICS = [
    (collection, target, filter)
    for collection in ("posts", "users")
    for target in ("*", "id1")
    for filter in (None, "n > 1")
]


@dataclass
class Subscriber:
    """One subscriber of the model."""

    topic: tuple[str, str, str | None]
    changed: threading.Condition
    received: list[str] = field(default_factory=list)
    completed: bool = False
    subscription: abc.DisposableBase | None = None

    @property
    def wire(self) -> str:
        collection, target, filter = self.topic
        return record_topic(collection, target, filter=filter).wire

    def receive(self, event: RecordEvent[dict[str, Any]]) -> None:
        with self.changed:
            self.received.append(event.record["id"])
            self.changed.notify_all()

    def complete(self) -> None:
        self.completed = True


class Machine(RuleBasedStateMachine):
    """The client under test, the server, and the subscribers that the client has to have."""

    def __init__(self) -> None:
        super().__init__()
        self.server = ModelServer()
        self.server.__enter__()
        self.client = BosBase(
            self.server.url, timeout=0.3, backoff=BackoffPolicy(initial=0.005, maximum=0.02)
        )
        self.subscribers: list[Subscriber] = []
        self.errors: list[Exception] = []
        self.changed = threading.Condition()
        self.numbers = itertools.count(1)

    def teardown(self) -> None:
        self.client.close()
        self.server.__exit__(None, None, None)
        assert self.errors == []

    # -- actions of a user

    @rule(topic=st.sampled_from(TOPICS))
    def subscribe(self, topic: tuple[str, str, str | None]) -> None:
        collection, target, filter = topic
        one = Subscriber(topic, self.changed)
        stream = self.client.collection(collection).observe(target, filter=filter, check=False)
        one.subscription = stream.subscribe(one.receive, self.errors.append, one.complete)
        self.subscribers.append(one)

    @precondition(lambda self: self.subscribers)
    @rule(data=st.data())
    def dispose(self, data: st.DataObject) -> None:
        subscriber = self.subscribers.pop(data.draw(st.integers(0, len(self.subscribers) - 1)))
        assert subscriber.subscription is not None
        subscriber.subscription.dispose()

    @rule(topic=st.sampled_from(TOPICS))
    def unsubscribe(self, topic: tuple[str, str, str | None]) -> None:
        collection, target, _ = topic
        self.client.collection(collection).unsubscribe(target)
        self.subscribers = [
            subscriber
            for subscriber in self.subscribers
            if subscriber.topic[:2] != (collection, target)
        ]

    @rule(who=st.sampled_from(["", "alice", "bob"]))
    def log_in(self, who: str) -> None:
        if who:
            self.client.auth_store.save(make_token(who, serial=next(self.numbers)), {"id": who})
        else:
            self.client.auth_store.clear()

    @rule()
    def reconnect_now(self) -> None:
        self.client.realtime.reconnect_now()

    # -- faults

    @rule(how=st.sampled_from(END_NAMES))
    def lose_the_stream(self, how: str) -> None:
        self.server.end_stream(how)

    @rule(how=st.lists(st.sampled_from(FAILURE_NAMES), max_size=3))
    def fail_coming_posts(self, how: list[str]) -> None:
        for each in how:
            self.server.fail_next_post(each)

    @rule(code=st.sampled_from([403, 404, 500, 502]), how=st.sampled_from(END_NAMES))
    def lose_the_stream_and_be_refused(self, code: int, how: str) -> None:
        self.server.refuse_stream(code)
        self.server.end_stream(how)

    @rule(topic=st.sampled_from(TOPICS))
    def subscribe_while_the_server_is_away(self, topic: tuple[str, str, str | None]) -> None:
        self.server.refuse_connections("reset")
        self.subscribe(topic)
        self.server.accept_connections()

    # -- invariants

    @invariant()
    def it_converges_and_delivers(self) -> None:
        self.converges()
        self.delivers()

    def converges(self) -> None:
        """Wait until server and client agree on one stream, and it has the registered topics."""
        wanted = {each.wire for each in self.subscribers}
        deadline = time.monotonic() + AGREES_WITHIN
        while True:
            self.server.wait_converged(wanted)
            self.client.realtime.wait_active(AGREES_WITHIN)
            # The two waits end at different times: is it the same stream?
            if self.server.has_topics(wanted) and self.server.client_id == self.client_id:
                return
            assert time.monotonic() < deadline, "server and client do not agree on a stream"
            time.sleep(0.001)

    @property
    def client_id(self) -> str:
        return self.client.realtime.client_id

    def delivers(self) -> None:
        """Check that an event reaches each subscriber of its topic once, and no other."""
        for each in self.subscribers:
            assert not each.completed
        for topic in {each.wire for each in self.subscribers}:
            name = str(next(self.numbers))
            assert self.server.send(topic, name) == 1
            subscribers = [each for each in self.subscribers if each.wire == topic]
            with self.changed:
                self.changed.wait_for(
                    lambda subscribers=subscribers, name=name: all(
                        name in each.received for each in subscribers
                    ),  # type: ignore[misc]
                    ARRIVES_WITHIN,
                )
            for subscriber in subscribers:
                assert subscriber.received.count(name) == 1, (
                    f"{topic}: {subscriber.received} lacks {name}"
                )
            others = [
                subscriber
                for subscriber in self.subscribers
                if subscriber.wire != topic and name in subscriber.received
            ]
            assert not others


def test_the_servers_set_converges_to_the_wanted_set_after_every_step() -> None:
    """After each step of a sequence the server has the registered topics; events come once."""
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
