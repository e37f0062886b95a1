"""A fuzz of the HTTP side: status lines, headers, chunks, codings, redirects, bodies, by seed::

    python -m tests.faults.fuzz_http --seconds 60 --seed 1

Each case gives one of the library's calls, its event stream or its live views answers that are
valid but for one to three things done to them. The call has to end in time, with a sane value or a
`BosBaseError`; nothing follows a redirect; memory, threads and descriptors stay bounded; no message
and no line of the log holds a control character or the token; and the same client gets the right
answer to its next request, and the events of its next stream.

It prints a table, and exits with 1 if anything was not so. A case is met again, by a client that
has met those before it, by its number::

    python -m tests.faults.fuzz_http --seed 1 --case 137
"""

from __future__ import annotations

import argparse
import gc
import itertools
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field

from rxbosbase import BackoffPolicy, BosBase, BosBaseError

from .fuzz_cases import CALLS, TIMEOUT, Call, Case, draw
from .fuzz_server import TOKEN, FuzzServer
from .fuzz_watch import Memory, Watch, texts_of
from .soak_parts import ResourceUsage

__all__ = ["LIFE", "MORE_MEMORY", "Fuzz", "Report", "fuzz", "main"]

QUICK = BackoffPolicy(initial=0.005, maximum=0.05)

LIFE = 25
"""Cases that one client meets."""

MARGIN = 2.5
"""Seconds beyond its timeouts that a call may take on a machine that does other things."""

PATIENCE = 10.0
"""Seconds for what has to come right, once all answers are good."""

SETTLES_WITHIN = 5.0
"""Seconds until the threads and sockets of a closed client are gone."""

MAX_ANSWER_BYTES = 2 * 1024 * 1024
"""Far below the default, so that floods end soon, and four at a time fit into `MORE_MEMORY`."""

MORE_MEMORY = 100 * 1024 * 1024
"""Bytes that one case, and all of them together, may add."""

MAX_PROBLEMS = 20

CASES_A_SECOND = 5
"""The least rate of cases for which a fuzz counts."""


@dataclass
class Report:
    """The result of a fuzz. It is good if `problems` is empty."""

    seed: int
    cases: int = 0
    seconds: float = 0.0
    outcomes: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    memory: int = 0  # bytes that the hungriest case added
    problems: list[str] = field(default_factory=list)

    def table(self) -> str:
        """Return a table of the results as text."""
        title = f"fuzz of HTTP for {self.seconds:.0f} s, seed {self.seed}"
        rows = [("cases", f"{self.cases} ({self.cases / max(self.seconds, 0.01):.0f} a second)")]
        rows += [(f"  {name}", str(count)) for name, count in sorted(self.kinds.items())]
        rows += [(name, str(count)) for name, count in self.outcomes.most_common()]
        rows.append(("slowest call", f"{self.slowest:.2f} s"))
        rows.append(("memory of one case", f"{self.memory // 1024 // 1024} MB"))
        width = max(len(label) for label, _ in rows)
        lines = [title, "-" * len(title), *(f"{label:<{width}}  {text}" for label, text in rows)]
        lines += [f"WRONG: {text}" for text in self.problems] or ["all is well"]
        return "\n".join(lines)


class Fuzz:
    """One run: the server, a place where nothing may arrive, and one client after another."""

    def __init__(self, seed: int, stack: ExitStack) -> None:
        self.report = Report(seed)
        self.memory = Memory()
        self.watch = stack.enter_context(Watch(self.report_problem))
        self.elsewhere = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        self.elsewhere.setblocking(False)
        self.url = f"http://127.0.0.1:{self.elsewhere.getsockname()[1]}"
        self.server = stack.enter_context(FuzzServer())
        self.case = self.draw(0)
        self.client: BosBase | None = None
        self._before = ResourceUsage.now()

    def draw(self, number: int) -> Case:
        """The case of this number."""
        return draw(self.report.seed, number, self.url)

    def report_problem(self, text: str) -> None:
        """Of the case that is under way: what happened, what was sent, how to see it again."""
        case = self.case
        if len(self.report.problems) >= MAX_PROBLEMS:
            return
        sent = [f"  {each.method} {each.path} <- {answer}" for each, answer in self.server.played]
        again = f"python -m tests.faults.fuzz_http --seed {self.report.seed} --case {case.number}"
        lines = [f"case {case.number}, {case.call}: {text}", *sent, f"  {again}"]
        self.report.problems.append("\n".join(lines))

    def meet(self, case: Case) -> None:
        """Run one case, and check that the client works after it."""
        client = self.client = self.client or BosBase(
            self.server.url,
            idle_timeout=PATIENCE, backoff=QUICK, max_answer_bytes=MAX_ANSWER_BYTES,
        )  # fmt: skip
        self.case = case
        self.report.cases += 1
        self.report.kinds.update({kind for answer in case.answers for kind in answer.kinds})
        client.auth_store.save(TOKEN, {"id": "user00000000001"})
        client.transport.timeout = TIMEOUT
        self.memory.mark()
        self.server.arm(case.where, case.answers)
        {"observe": self._observe, "live": self._live}.get(case.call, self._call)(client, case)
        self.server.calm()
        if not self.server.played:
            self.report_problem("no request came")
        client.auth_store.save(TOKEN, {"id": "user00000000001"})
        client.transport.timeout = PATIENCE
        if not self._next_is_good(client, case):
            self.close_client()  # it would report all that follows
        gc.collect()  # so that what is lost in a circle is found in its own case
        grown = self.memory.grown()
        self.report.memory = max(self.report.memory, grown)
        if grown > MORE_MEMORY:
            self.report_problem(f"took {grown // 1024 // 1024} MB of memory")
        try:
            self.elsewhere.accept()[0].close()
        except BlockingIOError:
            pass
        else:
            self.report_problem("a redirect was followed to another host")

    def _call(self, client: BosBase, case: Case) -> None:
        call = CALLS[case.call]
        began = time.monotonic()
        try:
            value = call.make(client)
        except BosBaseError as error:
            self.report.outcomes[type(error).__name__] += 1
            self.watch.check(*texts_of(error))
        except BaseException as error:
            self.report_problem(f"raised {error!r}, which is no BosBaseError")
            if not isinstance(error, Exception):
                raise
        else:
            self.report.outcomes["answers taken"] += 1
            if not call.is_sane(value):
                self.report_problem(f"returned {value!r:.300}")
        took = time.monotonic() - began
        self.report.slowest = max(self.report.slowest, took)
        if took > TIMEOUT * (len(case.answers) + 1) + MARGIN:
            self.report_problem(f"took {took:.1f} s")

    def _next_is_good(self, client: BosBase, case: Case) -> bool:
        path = f"/api/echo/n{case.number}"
        echo = Call(lambda client: client.send("GET", path), bool, {"echo": f"n{case.number}"})
        again = CALLS.get(case.call)
        for call in [echo, again] if again else [echo]:
            what = "next request" if call is echo else "same call"
            try:
                value = call.make(client)
            except Exception as error:
                self.report_problem(f"the {what}, answered well, raised {error!r:.300}")
                return False
            if value != call.good:
                self.report_problem(f"the {what}, answered well, gave {value!r:.300}")
                return False
        return True

    def _observe(self, client: BosBase, case: Case) -> None:
        received = threading.Event()
        id = f"event{case.number}"

        def on_next(event: object) -> None:
            if id in repr(event):
                received.set()

        stream = client.collection("posts").observe("*", check=False)
        with self.watch.status(client), self.watch.subscribed(stream, on_next) as ends:
            self.server.wait_played(len(case.answers), TIMEOUT)
            if any(answer.pause or answer.again for answer in case.answers):
                self.server.wait_stream(TIMEOUT + 0.1)  # the client has to give it up by itself
            self.server.calm()
            deadline = time.monotonic() + PATIENCE
            while not received.is_set() and not ends and time.monotonic() < deadline:
                self.server.send_event(id)
                received.wait(0.01)
            self._ended(ends, received.is_set(), f"no event came, {client.realtime.status.value!r}")

    def _live(self, client: BosBase, case: Case) -> None:
        with ExitStack() as stack:
            views = []
            for number in range(len(case.answers)):
                view = client.collection("posts").live(filter=f"n != {-number}")
                seen: list[object] = []
                views.append((seen, stack.enter_context(self.watch.subscribed(view, seen.append))))
            self.server.wait_played(len(case.answers), PATIENCE)
            self.server.calm()
            deadline = time.monotonic() + PATIENCE
            while time.monotonic() < deadline and not all(ends or _shown(v) for v, ends in views):
                time.sleep(0.01)
            for seen, ends in views:
                self._ended(ends, _shown(seen), f"no good snapshot came: {seen[-1:]!r:.300}")

    def _ended(self, ends: list[object], is_good: bool, otherwise: str) -> None:
        """Check the end of a subscription: a refusal by the server is allowed, nothing else."""
        if not ends and not is_good:
            self.report_problem(otherwise)
        for end in ends:
            if getattr(end, "status", 0) not in (400, 403, 404):
                self.report_problem(f"the subscriber was ended by {end!r:.300}")
        self.report.outcomes["streams refused" if ends else "streams recovered"] += 1

    def close_client(self) -> None:
        """The end of a client's life: nothing of it may be left."""
        if self.client is not None:
            self.client.close()
            self.client = None
        deadline = time.monotonic() + SETTLES_WITHIN
        while (left := self._left()) and time.monotonic() < deadline:
            time.sleep(0.005)
        if left:
            self.report_problem(f"after the client was closed: {left}")

    def _left(self) -> str:
        found = ResourceUsage.now()
        before = self._before
        if found.threads <= before.threads and found.descriptors <= before.descriptors:
            return ""
        names = sorted(thread.name for thread in threading.enumerate())
        return f"{found.descriptors - before.descriptors} descriptors more, threads {names}"


def _shown(snapshots: list[object]) -> bool:
    return bool(snapshots) and bool(getattr(snapshots[-1], "records", None))


def fuzz(seed: int, numbers: Iterable[int], seconds: float = float("inf")) -> Report:
    """Run the cases of these numbers, for at most so many seconds; return the report."""
    with ExitStack() as stack:
        one = Fuzz(seed, stack)
        began, early = time.monotonic(), 0
        for number in numbers:
            if number % LIFE == 0:
                one.close_client()
                # Caches and pools fill up at first; growth is what comes after.
                early = early or (ResourceUsage.now().memory if one.report.cases else 0)
            if time.monotonic() - began > seconds:
                break
            one.meet(one.draw(number))
        one.close_client()
        one.report.seconds = time.monotonic() - began
        if early and (grown := ResourceUsage.now().memory - early) > MORE_MEMORY:
            one.report_problem(f"all of them: {grown // 1024 // 1024} MB of memory more")
        return one.report


def main(arguments: list[str] | None = None) -> int:
    """The command line; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.fuzz_http", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--case", type=int, help="this one, after those its client met before it")
    chosen = parser.parse_args(arguments)
    gc.freeze()  # what the imports have made
    if chosen.case is not None:
        report = fuzz(chosen.seed, range(chosen.case // LIFE * LIFE, chosen.case + 1))
    else:
        report = fuzz(chosen.seed, itertools.count(), chosen.seconds)
        if report.cases < chosen.seconds * CASES_A_SECOND:
            report.problems.append(f"only {report.cases} cases in {report.seconds:.0f} s")
    print(report.table())
    return 1 if report.problems else 0


if __name__ == "__main__":
    raise SystemExit(main())
