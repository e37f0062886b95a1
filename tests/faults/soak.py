"""Inject all faults in a random order given by a seed, for a given time::

    python -m tests.faults.soak --seconds 600 --seed 1

A client behind a fault proxy observes several topics and live views of the real server while
others write, during a burst of random faults. It has a login, without which nothing is visible.
Then follows a quiet point: every topic has to deliver again within `RECOVERS_WITHIN` seconds, and
every view within `VIEWS_RECOVER_WITHIN`, so each stream has to be the login's. No subscriber may
see an event twice, one out of its topic, a deletion that never was, or an error; none may end, nor
the login be lost; and threads, descriptors and memory must not grow. At the end each view has to
equal its query. Ten minutes have at least a thousand faults, of every kind. It prints a table, and
exits with 1 if a condition was not met.
"""

from __future__ import annotations

import argparse
import logging
import random
import socket
import threading
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from rxbosbase import BackoffPolicy, BosBase
from rxbosbase.server import EmbeddedServer

from .error_log import ErrorLog
from .kinds import Kind, random_fault
from .proxy import FaultProxy
from .soak_parts import CheckedObserver, Churner, RecordWriter, ResourceUsage, WriteNumbers
from .soak_views import Watch, watch_login, watch_views
from .watching import make_collection

__all__ = ["RECOVERS_WITHIN", "Report", "main", "soak"]

RECOVERS_WITHIN = 2.5
"""Seconds from the end of the faults until every topic delivers."""

VIEWS_RECOVER_WITHIN = 6.0
"""The same for views, whose reads wait for up to 4 s after those that failed before."""

GIVES_UP_AFTER = 20.0
"""Seconds after which a topic without events counts as lost."""

TRUE_WITHIN = 6.0
"""Seconds from the last write until every view equals its query."""

FAULTS_A_SECOND = 1000 / 600
"""The least rate of faults for which a soak counts."""

ENOUGH_FOR_EACH_KIND = 300
"""Number of faults from which on each kind must have occurred."""

FAULTS_IN_A_ROW = 12
LONGEST_PAUSE = 0.3  # seconds between two faults of a row
CALM = 0.1  # seconds without faults before the next row
WRITERS = 2

# Timeouts have to end within the quiet time, so they are shorter than usual.
SETTINGS: dict[str, Any] = {
    "timeout": 0.8,
    "idle_timeout": 0.8,
    "backoff": BackoffPolicy(initial=0.1, maximum=1.0),
}

RULE = '@request.auth.id != ""'
PASSWORD = "password1234"
REFRESHES_EVERY = 0.5  # seconds between two checks of the login

# Control, delivery of events and of views, a reader for each, and those for reads: all of them,
# since each renewal of a silent stream is followed by reads of the views.
THREADS_OF_A_CLIENT = 5 + 4
SETTLES_WITHIN = 8.0  # seconds until threads without work have ended
MORE_DESCRIPTORS = 24  # kept-alive connections, at both sides of the proxy, come and go
MORE_MEMORY = 24 * 1024 * 1024  # bytes; growth of the allocator and of caches


@dataclass
class Report:
    """The result of a soak. It is good if `problems` is empty."""

    seed: int
    seconds: float = 0.0
    faults: Counter[Kind] = field(default_factory=Counter)
    received: dict[str, int] = field(default_factory=dict)
    written: int = 0
    streams: int = 0
    losses: int = 0
    recoveries: list[float] = field(default_factory=list)
    before: ResourceUsage | None = None
    after: ResourceUsage | None = None
    problems: list[str] = field(default_factory=list)

    def table(self) -> str:
        """Return a table of the results as text."""
        rows = [(kind.value, str(count)) for kind, count in sorted(self.faults.items())]
        rows.append(("= faults", str(self.faults.total())))
        rows += [(f"events on {name}", str(count)) for name, count in self.received.items()]
        average = sum(self.recoveries) / max(1, len(self.recoveries))
        rows += [
            ("= events", str(sum(self.received.values()))),
            ("writes", str(self.written)),
            ("streams opened", str(self.streams)),
            ("losses reported", str(self.losses)),
            ("quiet points", str(len(self.recoveries))),
            ("average recovery", f"{average:.2f} s"),
            ("worst recovery", f"{max(self.recoveries, default=0.0):.2f} s"),
        ]
        for name in ("threads", "descriptors", "memory"):
            was, now = getattr(self.before, name, 0), getattr(self.after, name, 0)
            unit = 1 if name != "memory" else 1024 * 1024
            rows.append((f"{name}, early -> late", f"{was // unit} -> {now // unit}"))
        width = max(len(label) for label, _ in rows)
        title = f"soak of {self.seconds:.0f} s, seed {self.seed}"
        lines = [title, "-" * len(title), *(f"{label:<{width}}  {text}" for label, text in rows)]
        lines += [f"WRONG: {text}" for text in self.problems] or ["all is well"]
        return "\n".join(lines)


class _Soak:
    """One run, with its proxy, client, observers and writers."""

    def __init__(self, server: EmbeddedServer, seed: int, stack: ExitStack) -> None:
        self.chance = random.Random(seed)
        self.report = Report(seed)
        self.problems = ErrorLog()
        self.numbers = WriteNumbers()
        self.allowed = ResourceUsage.now().threads + THREADS_OF_A_CLIENT
        admin = stack.enter_context(server.client(superuser=True))
        reader = stack.enter_context(BosBase(server.url))
        self.proxy = stack.enter_context(FaultProxy(server.url))
        self.client = stack.enter_context(BosBase(self.proxy.url, **SETTINGS))
        self.elsewhere = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        self.elsewhere.setblocking(False)
        names = [make_collection(admin, stem, rule=RULE) for stem in ("left", "right")]
        fixed = [admin.collection(name).create({"n": 0, "kind": "red"})["id"] for name in names]
        targets = list(zip(names, fixed, strict=True))
        self.client.realtime.on_disconnect = self._on_disconnect
        self._log_in(admin, reader)
        self.observers: list[CheckedObserver | Watch[Any]] = [
            observer for name, record_id in targets for observer in self._subscribe(name, record_id)
        ]
        self.views = watch_views(self.client, reader, targets, self.problems)
        self.observers += self.views
        self.writers = [
            RecordWriter(admin, targets, self.numbers, self._chance(), self.problems)
            for _ in range(WRITERS)
        ]
        self.churner = Churner(self.client, names, self._chance(), self.problems)

    def _chance(self) -> random.Random:
        return random.Random(self.chance.random())

    def _on_disconnect(self, topics: list[str]) -> None:
        self.report.losses += 1

    def _log_in(self, admin: BosBase, reader: BosBase) -> None:
        email = f"soak{time.monotonic_ns()}@example.com"
        admin.collection("users").create(
            {"email": email, "password": PASSWORD, "passwordConfirm": PASSWORD}
        )
        for client in (reader, self.client):
            client.collection("users").auth_with_password(email, PASSWORD)
        self.client.auto_refresh(check_every=REFRESHES_EVERY)
        watch_login(self.client, self.problems)

    def _subscribe(self, name: str, record_id: str) -> list[CheckedObserver]:
        records = self.client.collection(name)
        stem = name.partition("_")[0]
        all_of_it = CheckedObserver(
            f"{stem}/*", lambda r: r["collectionName"] == name, self.problems
        )
        again = CheckedObserver(
            f"{stem}/* again", lambda r: r["collectionName"] == name, self.problems
        )
        red = CheckedObserver(f"{stem}/* red", lambda r: r["kind"] == "red", self.problems)
        short = CheckedObserver(f"{stem}/* fields", lambda r: set(r) == {"id", "n"}, self.problems)
        one = CheckedObserver(f"{stem}/ID", lambda r: r["id"] == record_id, self.problems)
        for observer, stream in [
            (all_of_it, records.observe("*")),
            (again, records.observe("*")),
            (red, records.observe("*", filter="kind = 'red'")),
            (short, records.observe("*", fields="id,n", headers={"x-soak": "yes"})),
            (one, records.observe(record_id)),
        ]:
            stream.subscribe(observer.on_next, observer.on_error, observer.on_completed)
        return [all_of_it, again, red, short, one]

    def run(self, seconds: float) -> None:
        """Alternate rows of faults and quiet points, then check the counts."""
        began = time.monotonic()
        for worker in [*self.writers, self.churner]:
            worker.start()
        try:
            self._wait_quiet()
            while time.monotonic() - began < seconds:
                self._inject_faults()
                self._wait_quiet()
                # Caches and pools fill first; only growth after that counts.
                if self.report.before is None and time.monotonic() - began >= seconds / 4:
                    self.report.before = ResourceUsage.now()
        finally:
            for worker in [self.churner, *self.writers]:
                worker.stop()
        self._check_views()
        self.report.seconds = time.monotonic() - began
        self._count()

    def _inject_faults(self) -> None:
        port = self.elsewhere.getsockname()[1]
        for _ in range(FAULTS_IN_A_ROW):
            self.proxy.inject(random_fault(self.chance, f"http://127.0.0.1:{port}/"))
            time.sleep(self.chance.uniform(0.0, LONGEST_PAUSE))
        self.proxy.wait_database()  # not cut short: by then backoffs have grown

    def _wait_quiet(self) -> None:
        self.proxy.calm()
        began = time.monotonic()
        mark = self.numbers.latest + 1
        waiting = list(self.observers)
        late: set[str] = set()
        while waiting and time.monotonic() - began < GIVES_UP_AFTER:
            time.sleep(0.005)
            waiting = [observer for observer in waiting if observer.newest < mark]
            late |= {each.name for each in waiting if time.monotonic() - began > _limit(each)}
        took = time.monotonic() - began
        self.report.recoveries.append(took)
        if late:
            status = self.client.realtime.status
            self.problems.add(f"recovered in {took:.2f} s, late: {sorted(late)}, {status!r}")
        for observer in self.observers:
            observer.forget()
        time.sleep(CALM)

    def _check_views(self) -> None:
        deadline = time.monotonic() + TRUE_WITHIN
        waiting = list(self.views)
        while waiting and time.monotonic() < deadline:
            waiting = [view for view in waiting if not view.is_true()]
            time.sleep(0.05)
        for view in waiting:
            self.problems.add(f"{view.name} differs from its query")

    def _count(self) -> None:
        report = self.report
        report.after = after = ResourceUsage.settled(self.allowed, SETTLES_WITHIN)
        report.before = before = report.before or after
        report.faults = self.proxy.injected
        report.received = {observer.name: observer.received for observer in self.observers}
        report.written = self.numbers.latest
        report.streams = self.proxy.streams
        if report.faults.total() < report.seconds * FAULTS_A_SECOND:
            self.problems.add(f"only {report.faults.total()} faults in {report.seconds:.0f} s")
        ended = [observer.name for observer in self.observers if observer.ended]
        if ended:
            self.problems.add(f"completed: {ended}")
        missing = [kind.value for kind in Kind if not report.faults[kind]]
        if missing and report.faults.total() >= ENOUGH_FOR_EACH_KIND:
            self.problems.add(f"no fault of the kinds {missing}")
        if after.threads > self.allowed:
            names = sorted(each.name for each in threading.enumerate())
            self.problems.add(f"{after.threads} threads are left: {names}")
        if after.descriptors > before.descriptors + MORE_DESCRIPTORS:
            self.problems.add(f"descriptors: {before.descriptors} -> {after.descriptors}")
        if after.memory > before.memory + MORE_MEMORY:
            self.problems.add(f"memory: {before.memory} -> {after.memory} bytes")
        try:
            self.elsewhere.accept()[0].close()
        except BlockingIOError:
            pass
        else:
            self.problems.add("a redirect was followed to another host")
        report.problems = self.problems.found


def _limit(observer: CheckedObserver | Watch[Any]) -> float:
    return RECOVERS_WITHIN if isinstance(observer, CheckedObserver) else VIEWS_RECOVER_WITHIN


def soak(server: EmbeddedServer, seconds: float, seed: int) -> Report:
    """Run for about `seconds` against `server`; return the report."""
    with ExitStack() as stack:
        one = _Soak(server, seed, stack)
        logger = logging.getLogger("rxbosbase")
        logger.addHandler(one.problems)
        stack.callback(logger.removeHandler, one.problems)
        one.run(seconds)
        return one.report


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    chosen = parser.parse_args(arguments)
    logging.getLogger("rxbosbase").propagate = False  # thousands of lines on losses are expected
    with EmbeddedServer() as server:
        report = soak(server, chosen.seconds, chosen.seed)
    print(report.table())
    return 1 if report.problems else 0


if __name__ == "__main__":
    raise SystemExit(main())
