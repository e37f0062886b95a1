"""Live views and topics on a server that refuses their reads, for a reason or in trouble.

A world is one client with one view, or with one topic whose query is checked, in virtual time, and
a random sequence of what happens to its server, which `refusal_server` describes. The promises,
which are checked at each moment:

- It ends only for a reason: at first use for one refusal, later for three of one status over
  30 s, with no other answer to its question in between.
- No record disappears that the server still has for this login.
- In the end, once there is no trouble any more, what is refused for a reason has ended, or shows
  no record; any other view is fresh, and equals its query, and any other topic has its events.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import Any

from rxbosbase._runtime import ClientRuntime
from rxbosbase.auth.store import AuthStore
from rxbosbase.client import IDLE_TIMEOUT, client_of
from rxbosbase.encoding.record import Record
from rxbosbase.errors import ClientResponseError
from rxbosbase.events import RecordEvent
from rxbosbase.live.engine.snapshot import Snapshot
from rxbosbase.realtime.protocol.frames import MAX_FRAME_BYTES
from rxbosbase.runtime.backoff import BackoffPolicy
from rxbosbase.testing.virtual_time import VirtualClock, VirtualTime
from support.refusal_server import FILTER, POSTS, Failure, RefusalServer, Rule, State

__all__ = ["KINDS", "LOGINS", "RECONCILE", "Broken", "World"]

KINDS = ("all", "filtered", "window", "record", "topic")
LOGINS = ("", "user", "superuser")
IDS = "abcd"
RECONCILE = 60.0
PROMISE = RECONCILE + 3 * 30.0
"""Seconds until a view that is refused for a reason ends: the next read, and three refusals, each
at most the longest pause after the one before."""

NO_TOKENS = 20.0
"""Seconds for which tokens may not be looked up after the database is back; less than 30."""


class Broken(AssertionError):
    """A view has broken a promise."""


class World:
    """One view or topic, and what happens to its server.

    Args:
        seed: of all choices.

    Attributes:
        error: why it has ended; None while it lives.
        met: the rules, failures and states of the database that there were.
    """

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.kind = KINDS[seed % len(KINDS)]
        self.clock = VirtualClock()
        self.store = AuthStore()
        self.server = RefusalServer(self.clock, lambda: self.store.token)
        runtime = ClientRuntime(
            self.server, self.store, BackoffPolicy(jitter=False), IDLE_TIMEOUT,
            MAX_FRAME_BYTES, "error", preflight_every=RECONCILE, runtime=VirtualTime(self.clock),
        )  # fmt: skip
        self.client = client_of(runtime)
        self.error: Exception | None = None
        self.shown: dict[str, Record] | None = None
        self.was_told = False  # of the record's deletion
        self.is_fresh = True
        self.met: set[Rule | State | Failure | None] = set()
        self.no_tokens_from = 0.0
        self.events = 0  # of the topic
        self._log_in(LOGINS[seed // len(KINDS) % 3])
        open_rules = (Rule.PUBLIC, Rule.LOGIN, Rule.VIEWED)
        self.server.rule = self.chance.choice(open_rules[: 3 if self.kind == "record" else 2])
        for id in IDS[: self.chance.randrange(5)]:
            self.write("create", id)

    def _log_in(self, kind: str) -> None:
        name = {"user": "users", "superuser": "_superusers"}.get(kind)
        if name is not None:
            tables = self.server.tables
            record = tables.change(name, "create", {"id": "ann"})
            tables.logins.add(name, "ann", "password", record["id"])
            self.client.collection(name).auth_with_password("ann", "password")
        self.server.login_kind = kind

    # -- the view --------------------------------------------------------------------------------

    def subscribe(self) -> None:
        """Start the view; on a healthy server it shows its query, or ends, within 1 s."""
        posts = self.client.collection(POSTS)
        if self.kind == "record":
            record = posts.live_record(IDS[0], reconcile=RECONCILE)
            record.subscribe(self._on_record, self._on_error)
        elif self.kind == "topic":
            posts.observe("*", filter=FILTER).subscribe(self._on_event, self._on_error)
        else:
            options: dict[str, Any] = {"reconcile": RECONCILE}
            if self.kind != "all":
                options["filter"] = FILTER
            if self.kind == "window":
                options |= {"sort": "-n", "limit": 2}
            posts.live(**options).subscribe(self._on_snapshot, self._on_error)
        is_healthy = self.server.state is State.HERE and not self.server.failures
        self.clock.advance(1.0)
        if is_healthy:
            self.check()

    def _on_event(self, _: RecordEvent[Record]) -> None:
        self.events += 1

    def _on_snapshot(self, snapshot: Snapshot[Record]) -> None:
        self._show({record["id"]: record for record in snapshot.records})
        self.is_fresh = snapshot.fresh

    def _on_record(self, record: Record | None) -> None:
        is_first = self.shown is None
        if record is None and not is_first and self.shown and not self.was_told:
            self._check_refusals()
        self._show({} if record is None else {record["id"]: record})
        if record is None:
            self.server.was_accepted = False  # from here on a refusal is as good as at first use
        else:
            self.was_told = False

    def _show(self, rows: dict[str, Record]) -> None:
        before, self.shown = self.shown or {}, rows
        for id in before.keys() & self.truth().keys() - rows.keys():
            raise self._broken(f"{id} disappears, and the server has it")

    def _on_error(self, error: Exception) -> None:
        self.error = error
        if self.kind == "record":
            raise self._broken(f"the view of a record ended with {error!r}")
        if not isinstance(error, ClientResponseError) or error.status != self.refusal():
            raise self._broken(f"it ended with {error!r}, which is no answer")
        self._check_refusals()

    def _check_refusals(self) -> None:
        times = self.server.refusals
        is_enough = len(set(times)) >= 3 and times[-1] - times[0] >= 30.0
        if not times or (self.server.was_accepted and not is_enough):
            raise self._broken(f"it believed refusals at {times}")

    def _broken(self, text: str) -> Broken:
        broken = Broken(text)
        self.clock.report(broken)  # also where the library catches it
        return broken

    # -- the truth -------------------------------------------------------------------------------

    def refusal(self) -> int:
        """Return the status with which the view is refused for a reason; 0 for none."""
        id = IDS[0] if self.kind == "record" else ""
        filtered = self.kind in ("filtered", "window", "topic")
        login = self.server.login_kind
        return self.server.refusal(filtered=filtered, id=id, login=login)

    def truth(self) -> dict[str, Record]:
        """Return the rows that the view shows once all is well."""
        server = self.server
        if self.refusal() or (server.rule is Rule.LOGIN and not server.login_kind):
            return {}
        if self.kind == "record":
            return {IDS[0]: server.rows[IDS[0]]}
        rows = [row for row in server.rows.values() if self.kind == "all" or row["n"] > 0]
        if self.kind == "window":
            rows = sorted(rows, key=lambda row: (-row["n"], row["id"]))[:2]
        return {row["id"]: row for row in rows}

    def check(self) -> None:
        """Raise `Broken` unless the view is what it has to be, once there is no trouble."""
        refusal = self.refusal()
        if refusal and self.kind != "record":
            if self.error is None:
                raise Broken(f"it is refused with {refusal}, and does not end")
            return
        if self.error is not None:
            return  # for a reason, which is gone by now
        if self.kind == "topic":
            self._check_events()
        elif self.shown != self.truth():
            raise Broken(f"it shows {self.shown}, and is {self.truth()}")
        elif not self.is_fresh:
            raise Broken("it is not fresh")

    def _check_events(self) -> None:
        server = self.server
        if server.rule is Rule.LOGIN and not server.login_kind:
            return
        before = self.events
        server.write("update" if "new" in server.rows else "create", {"id": "new", "n": 1})
        self.clock.advance(1.0)
        if self.events == before:
            raise Broken("an event does not arrive")

    # -- what happens ----------------------------------------------------------------------------

    def run(self) -> World:
        """Play the whole sequence, and close the client."""
        try:
            self._run()
        finally:
            self.client.close()
        return self

    def _run(self) -> None:
        for _ in range(self.chance.randrange(4)):
            self._happen()
        self.subscribe()
        for _ in range(self.chance.randrange(1, 25)):
            self._happen()
        self._recover()
        self.server.fail(())
        self.clock.advance(PROMISE)
        self.check()

    def _happen(self) -> None:
        self.chance.choice(self._choices())()
        self.met.update((self.server.rule, self.server.state, *self.server.failures))
        self.clock.run()

    def _choices(self) -> list[Callable[[], object]]:
        server, pass_time = self.server, self._pass_time
        can: list[Callable[[], object]] = [*[pass_time] * 6, server.drop, self._lose_database]
        if server.state is State.AWAY:
            return [*can, *[self._recover] * 2, *[self._find_database] * 4]
        can += [partial(self._fail, failure) for failure in Failure]
        can += [partial(self.write, action) for action in ("create", "update", "delete")]
        can += [*[self._change_rule] * 2, partial(self._toggle, "exists")]
        return [*can, partial(self._toggle, "has_field")]

    def _pass_time(self) -> None:
        self.clock.advance(self.chance.choice((0.1, 1.0, 5.0, 15.0, 31.0, 61.0)))

    def _lose_database(self) -> None:
        if self.server.state is State.HERE:
            self.server.fail(())
            self.server.was_noticed = False
        self.server.state = State.AWAY

    def _find_database(self) -> None:
        """The database is back, and no token can be looked up, for a while and not too often: a
        login that is refused three times over 30 s, beside good lists, is lost."""
        server = self.server
        is_noticed = server.state is State.AWAY and server.was_noticed
        if is_noticed and self.clock.now >= self.no_tokens_from + 3 * NO_TOKENS:
            server.state = State.NO_TOKENS
            self.met.add(server.state)
            self.no_tokens_from = self.clock.now
            self.clock.advance(self.chance.uniform(0.0, NO_TOKENS))
        self._recover()

    def _recover(self) -> None:
        """The database is back. Up to two connections to it fail once."""
        was_away = self.server.state is not State.HERE
        self.server.state = State.HERE
        if was_away:
            self._fail(Failure.CONNECTION)

    def _fail(self, failure: Failure) -> None:
        """Let some of the next requests fail: at most two of them at the database."""
        failures: list[Failure | None] = [failure] * self.chance.randrange(1, 5)
        if failure is Failure.TOKEN:
            failures = [failure]
        elif failure in (Failure.CONNECTION, Failure.PLAN):
            failures = [failure] * self.chance.randrange(1, 3) + [None] * 2
            self.chance.shuffle(failures)
        self.server.fail(failures)

    def write(self, action: str, id: str = "") -> None:
        """Write a record, if it is there, or is not there."""
        id = id or self.chance.choice(IDS)
        if (action == "create") == (id in self.server.rows):
            return
        given = self.server.rows[id] if action == "delete" else self._record(id)
        if self.server.write(action, given) and action == "delete" and id == IDS[0]:
            self.was_told = True

    def _record(self, id: str) -> Record:
        stamp = f"2026-01-01 00:{self.clock.now // 60:02.0f}:{self.clock.now % 60:06.3f}Z"
        return {"id": id, "n": self.chance.randrange(-1, 4), "updated": stamp}

    def _change_rule(self) -> None:
        self.server.rule = self.chance.choice(list(Rule))

    def _toggle(self, name: str) -> None:
        setattr(self.server, name, not getattr(self.server, name))
