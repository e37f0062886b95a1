"""A session by hand: short ways to add topics and to open a stream."""

from __future__ import annotations

from functools import partial
from typing import Any

from rxbosbase.realtime.protocol.topics import record_topic
from rxbosbase.realtime.session.commands import Command, Post
from rxbosbase.realtime.session.lifecycle import State
from rxbosbase.realtime.session.registry import TopicEntry, TopicShard
from rxbosbase.realtime.session.session import Session
from support.session_world import QUIET

__all__ = ["NOW", "Bench"]

NOW = 100.0


class SessionInputs:
    """A session whose inputs return its commands, with the identity of the bench."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._session = Session(bench.shard, lambda failures: bench.pause * failures, quiet=QUIET)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._session, name)
        return partial(self._put, name) if callable(found) else found

    def _put(self, name: str, *given: Any, **options: Any) -> list[Command]:
        if name in ("identity_changed", "tick"):
            given = (self._bench.identity, *given)
        elif name == "refused":
            given = (*given[:2], self._bench.identity, *given[2:])
        getattr(self._session, name)(*given, **options)
        commands = list(self._session.commands)
        self._session.commands.clear()
        return commands


class Bench:
    """A session, and short ways to add topics and to open a stream."""

    def __init__(self) -> None:
        self.identity: str | Exception = "ann"
        self.pause = 10.0  # after the first failed POST
        self.shard = TopicShard(0, frozenset({"local"}))
        self.session = SessionInputs(self)

    @property
    def state(self) -> str:
        state: State = self.session.status.state
        return state.value

    def want(self, *names: str, now: float = NOW, urgent: bool = False) -> list[Command]:
        """Add topics."""
        for name in names:
            self.shard.version += 1
            topic = record_topic(name, "*")
            self.shard.entries[name] = TopicEntry(topic, self.shard, self.shard.version)
        return list(self.session.changed(now, urgent=urgent))

    def unwant(self, *names: str, now: float = NOW) -> list[Command]:
        for name in names:
            self.shard.version += 1
            del self.shard.entries[name]
        return list(self.session.changed(now))

    def open(self, *names: str) -> str:
        """Open a stream; nothing is submitted yet."""
        self.want(*names)
        self.session.tick(NOW)
        assert self.session.dialled(1, "s1") == []
        self.session.opened("s1", "client", NOW)
        assert self.state == "connected"
        return "s1"

    def post(self, now: float = NOW + QUIET) -> Post:
        """Return the POST that is due now."""
        (post,) = [each for each in self.session.tick(now) if isinstance(each, Post)]
        return post

    def activate(self, *names: str) -> Post:
        """Add topics, submit them, and acknowledge them."""
        self.open(*names)
        post = self.post()
        self.session.acknowledged(post, NOW + QUIET)
        assert self.state == "active"
        return post
