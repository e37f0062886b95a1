"""Whatever is subscribed, lost and refused in whatever order: the server's set becomes the wanted
one, after every step, and every subscriber then gets each event of its topic once."""

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
from support.model_server import END_NAMES, MISDEED_NAMES, ModelServer
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
class Ear:
    """One subscriber of the model."""

    topic: tuple[str, str, str | None]
    changed: threading.Condition
    heard: list[str] = field(default_factory=list)
    completed: bool = False
    subscription: abc.DisposableBase | None = None

    @property
    def wire(self) -> str:
        collection, target, filter = self.topic
        return record_topic(collection, target, filter=filter).wire

    def take(self, event: RecordEvent[dict[str, Any]]) -> None:
        with self.changed:
            self.heard.append(event.record["id"])
            self.changed.notify_all()

    def complete(self) -> None:
        self.completed = True


class Machine(RuleBasedStateMachine):
    """The client under test, the server, and the wanted set as plain Python has it."""

    def __init__(self) -> None:
        super().__init__()
        self.server = ModelServer()
        self.server.__enter__()
        self.client = BosBase(
            self.server.url, timeout=0.3, backoff=BackoffPolicy(initial=0.005, maximum=0.02)
        )
        self.ears: list[Ear] = []
        self.errors: list[Exception] = []
        self.changed = threading.Condition()
        self.numbers = itertools.count(1)

    def teardown(self) -> None:
        self.client.close()
        self.server.__exit__(None, None, None)
        assert self.errors == []

    # -- what a user does

    @rule(topic=st.sampled_from(TOPICS))
    def subscribe(self, topic: tuple[str, str, str | None]) -> None:
        collection, target, filter = topic
        ear = Ear(topic, self.changed)
        stream = self.client.collection(collection).observe(target, filter=filter, check=False)
        ear.subscription = stream.subscribe(ear.take, self.errors.append, ear.complete)
        self.ears.append(ear)

    @precondition(lambda self: self.ears)
    @rule(data=st.data())
    def dispose(self, data: st.DataObject) -> None:
        ear = self.ears.pop(data.draw(st.integers(0, len(self.ears) - 1)))
        assert ear.subscription is not None
        ear.subscription.dispose()

    @rule(topic=st.sampled_from(TOPICS))
    def unsubscribe(self, topic: tuple[str, str, str | None]) -> None:
        collection, target, _ = topic
        self.client.collection(collection).unsubscribe(target)
        self.ears = [ear for ear in self.ears if ear.topic[:2] != (collection, target)]

    @rule(who=st.sampled_from(["", "alice", "bob"]))
    def log_in(self, who: str) -> None:
        if who:
            self.client.auth_store.save(make_token(who, serial=next(self.numbers)), {"id": who})
        else:
            self.client.auth_store.clear()

    @rule()
    def reconnect_now(self) -> None:
        self.client.realtime.reconnect_now()

    # -- what happens to it

    @rule(how=st.sampled_from(END_NAMES))
    def lose_the_stream(self, how: str) -> None:
        self.server.end_stream(how)

    @rule(how=st.lists(st.sampled_from(MISDEED_NAMES), max_size=3))
    def fail_coming_posts(self, how: list[str]) -> None:
        for each in how:
            self.server.misbehave(each)

    @rule(code=st.sampled_from([403, 404, 500, 502]), how=st.sampled_from(END_NAMES))
    def lose_the_stream_and_be_refused(self, code: int, how: str) -> None:
        self.server.refuse_stream(code)
        self.server.end_stream(how)

    @rule(topic=st.sampled_from(TOPICS))
    def subscribe_while_the_server_is_away(self, topic: tuple[str, str, str | None]) -> None:
        self.server.go_away("reset")
        self.subscribe(topic)
        self.server.come_back()

    # -- what must hold

    @invariant()
    def it_converges_and_delivers(self) -> None:
        self.converges()
        self.delivers()

    def converges(self) -> None:
        """Server and client agree on one stream, and it has the wanted topics."""
        wanted = {ear.wire for ear in self.ears}
        deadline = time.monotonic() + AGREES_WITHIN
        while True:
            self.server.wait_converged(wanted)
            self.client.realtime.wait_active(AGREES_WITHIN)
            # Both looked at a moment of their own: is it one and the same stream?
            if self.server.holds(wanted) and self.server.client_id == self.client_id:
                return
            assert time.monotonic() < deadline, "server and client do not agree on a stream"
            time.sleep(0.001)

    @property
    def client_id(self) -> str:
        return self.client.realtime.client_id

    def delivers(self) -> None:
        """Every ear hears an event of its topic once, and nobody else does."""
        for ear in self.ears:
            assert not ear.completed
        for topic in {ear.wire for ear in self.ears}:
            name = str(next(self.numbers))
            assert self.server.send(topic, name) == 1
            ears = [ear for ear in self.ears if ear.wire == topic]
            with self.changed:
                self.changed.wait_for(
                    lambda ears=ears, name=name: all(name in ear.heard for ear in ears),  # type: ignore[misc]
                    ARRIVES_WITHIN,
                )
            for ear in ears:
                assert ear.heard.count(name) == 1, f"{topic}: {ear.heard} lacks {name}"
            strangers = [ear for ear in self.ears if ear.wire != topic and name in ear.heard]
            assert not strangers


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
