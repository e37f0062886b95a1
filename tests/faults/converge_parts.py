"""The parts of the convergence run: tables, writers, and watchers that check every snapshot."""

from __future__ import annotations

import argparse
import random
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from rxbosbase import AuthState, AuthStore, BosBase, BosBaseError
from rxbosbase.live import Snapshot, apply_changes
from rxbosbase.server import EmbeddedServer

from .error_log import ErrorLog

__all__ = [
    "AUTHORS",
    "Report",
    "ServerWriter",
    "Watcher",
    "Writer",
    "check_all",
    "make_tables",
    "query_of",
    "rest",
    "run_seeds",
]

Record = dict[str, Any]

AUTHORS = tuple(f"author{number:09d}" for number in range(6))
POSTS = tuple(f"post{number:011d}" for number in range(120))
STATUSES = ("draft", "published", "hidden")

TRUE_WITHIN = 6.0
"""Seconds of quiet within which a view has to be true: rechecks take up to 2, reconcile is 2."""
STAYS_TRUE = 0.3  # … and it still has to be after that

AUTODATES = [
    {"name": "created", "type": "autodate", "onCreate": True},
    {"name": "updated", "type": "autodate", "onCreate": True, "onUpdate": True},
]


def make_tables(admin: BosBase) -> None:
    """Create authors, which all may list, and posts, of which a guest may list the public ones."""
    name = {"name": "name", "type": "text"}
    seen = {"listRule": "", "viewRule": ""}
    made = admin.collections.create(
        {"name": "authors", "type": "base", "fields": [name, *AUTODATES], **seen}
    )
    fields: list[Record] = [
        {"name": "title", "type": "text"},
        {"name": "n", "type": "number"},
        {"name": "status", "type": "text"},
        {"name": "public", "type": "bool"},
        {"name": "author", "type": "relation", "collectionId": made["id"], "maxSelect": 1},
    ]
    public = {"listRule": "public = true", "viewRule": "public = true"}
    admin.collections.create(
        {"name": "posts", "type": "base", "fields": [*fields, *AUTODATES], **public}
    )
    for id in AUTHORS:
        admin.collection("authors").create({"id": id, "name": id})


class Writer(ABC):
    """A thread that writes while `go` is set, with pauses of at most `PAUSE` seconds."""

    PAUSE = 0.04

    def __init__(self, chance: random.Random, go: threading.Event) -> None:
        self._chance = chance
        self._go = go
        self._idle = threading.Event()
        self._over = False
        self.done = 0
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._thread.start()

    def wait_idle(self) -> None:
        """Wait for the response to its last write, after `go` is cleared."""
        assert self._idle.wait(10.0), "a writer does not come to rest"

    def close(self) -> None:
        """End it."""
        self._over = True
        self._go.set()
        self._thread.join(10.0)

    def _run(self) -> None:
        while not self._over:
            if not self._go.is_set():
                self._idle.set()
                self._go.wait()
                self._idle.clear()
                continue
            self.done += self._write()
            time.sleep(self._chance.uniform(0.0, self.PAUSE))

    @abstractmethod
    def _write(self) -> bool:
        """Write once; return False if the server refused it."""

    def _content(self) -> Record:
        chance = self._chance
        return {
            "title": chance.choice(["", "ä", "Z", "a b", "z", "10", "9"]),
            "n": chance.randrange(50),
            "status": chance.choice(STATUSES),
        }


class ServerWriter(Writer):
    """Writes to the server directly, not through the proxy."""

    def __init__(
        self, server: EmbeddedServer, login: AuthState, chance: random.Random, go: threading.Event
    ) -> None:
        store = AuthStore()
        store.save(login.token, login.record)
        self._client = BosBase(server.url, auth_store=store, timeout=5.0)
        super().__init__(chance, go)

    def close(self) -> None:
        super().close()
        self._client.close()

    def _write(self) -> bool:
        try:
            self._write_any()
        except BosBaseError:
            return False  # it exists already, or is deleted, or the server is down: others write
        return True

    def _write_any(self) -> None:
        chance, posts = self._chance, self._client.collection("posts")
        # A few of them often, so that changes of one record follow closely; the others rarely.
        id = chance.choice(POSTS[:8] if chance.random() < 0.3 else POSTS)
        what = chance.random()
        if what < 0.05:
            name = f"{chance.choice('xyz')} {chance.randrange(1000)}"
            self._client.collection("authors").update(chance.choice(AUTHORS), {"name": name})
        elif what < 0.35:
            posts.create({"id": id, **self._content()})
        elif what < 0.85:
            content = self._content()
            posts.update(id, {name: content[name] for name in chance.sample(list(content), 2)})
        else:
            posts.delete(id)
            if chance.random() < 0.5:
                posts.create({"id": id, **self._content()})

    def _content(self) -> Record:
        chance = self._chance
        more = {"public": chance.random() < 0.6, "author": chance.choice([*AUTHORS, ""])}
        return super()._content() | more


@dataclass
class Watcher:
    """A live view, the query that it must equal, and a copy that only its changes update."""

    name: str
    client: BosBase
    options: dict[str, Any]
    problems: ErrorLog
    truth: Callable[[], list[Record]]
    copy: list[Record] = field(default_factory=list)
    snapshots: int = 0
    checks: int = 0
    diverged: int = 0
    slowest: float = 0.0

    def __post_init__(self) -> None:
        self.view = self.client.collection("posts").live(**self.options)
        self._earlier: list[Snapshot[Record]] = []
        self._subscription = self.view.subscribe(self._check, self._failed)

    def _check(self, snapshot: Snapshot[Record]) -> None:
        self.snapshots += 1
        shown = list(snapshot.records)
        self.copy = apply_changes(self.copy, snapshot.changes)
        if self.copy != shown:
            self.problems.add(f"{self.name}: the changes of {snapshot} do not lead to it")
            self.copy = shown
        for older in self._earlier:
            if apply_changes(older.records, snapshot.since(older)) != shown:
                self.problems.add(f"{self.name}: since({older}) is wrong for {snapshot}")
        if self.snapshots % 20 == 0:
            self._earlier = [*self._earlier[-2:], snapshot]

    def _failed(self, error: Exception) -> None:
        self.problems.add(f"{self.name} ended: {error!r}")

    def is_true(self) -> bool:
        """Return True if the view equals a new query."""
        return list(self.view.current.records) == self.truth()

    def difference(self) -> str:
        """Describe how the view differs from the query."""
        shown = {row["id"]: row for row in self.view.current.records}
        truth = {row["id"]: row for row in self.truth()}
        parts = [f"missing {sorted(truth.keys() - shown.keys())}"]
        parts.append(f"too many {sorted(shown.keys() - truth.keys())}")
        parts += [
            f"{id}: {shown[id]} is {row}"
            for id, row in truth.items()
            if id in shown and shown[id] != row
        ][:3]
        return f"{self.name} ({self.view.current}): {'; '.join(parts)}"

    def close(self) -> None:
        """End the view."""
        self._subscription.dispose()


@dataclass
class Report:
    """The result of one seed."""

    seed: int
    watchers: list[Watcher]
    problems: list[str]
    writes: int
    losses: int
    kills: int

    @property
    def is_good(self) -> bool:
        """True if every view was right at every quiet point and there was no problem."""
        return not self.problems and all(not w.diverged and w.checks for w in self.watchers)

    def table(self) -> str:
        """Return a table with a line for each view."""
        lines = [
            f"seed {self.seed}: {self.writes} writes, {self.losses} losses, {self.kills} kills",
            "  view       snapshots quiet points diverged true within",
        ]
        lines += [
            f"  {w.name:10} {w.snapshots:9} {w.checks:12} {w.diverged:8} {w.slowest:9.2f} s"
            for w in self.watchers
        ]
        return "\n".join([*lines, *(f"  ! {text}" for text in self.problems)])


def query_of(client: BosBase, options: dict[str, Any]) -> Callable[[], list[Record]]:
    """Return the query that a view with these options must equal."""
    asked = {name: options[name] for name in ("filter", "expand", "fields") if name in options}
    keys = [options["sort"], "id"] if "sort" in options else ["id"]

    def query() -> list[Record]:
        page = client.collection("posts").get_list(
            1, options.get("limit", 1000), sort=",".join(keys), **asked
        )
        return list(page["items"])

    return query


def rest(writers: Iterable[Writer], go: threading.Event) -> None:
    """Stop the writers, and wait for the responses to their last writes."""
    go.clear()
    for writer in writers:
        writer.wait_idle()


def check_all(watchers: list[Watcher]) -> None:
    """Check that each view becomes equal to its query in time, and stays so."""
    began = time.monotonic()
    waiting = list(watchers)
    while waiting and time.monotonic() < began + TRUE_WITHIN:
        for watcher in list(waiting):
            if watcher.is_true():
                waiting.remove(watcher)
                watcher.slowest = max(watcher.slowest, time.monotonic() - began)
        time.sleep(0.05)
    time.sleep(STAYS_TRUE)
    for watcher in watchers:
        watcher.checks += 1
        if not watcher.is_true():
            watcher.diverged += 1
            watcher.problems.add(watcher.difference())


def run_seeds(what: str, run: Callable[[float, int], Report]) -> int:
    """Run the seeds that the command line asks for, and print their tables; return the exit code.

    Args:
        what: the description for ``--help``.
        run: runs one seed, given the seconds of writing.
    """
    parser = argparse.ArgumentParser(description=what)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--seconds", type=float, default=60.0, help="of writing, for each seed")
    options = parser.parse_args()
    bad = 0
    for seed in range(options.first, options.first + options.seeds):
        report = run(options.seconds, seed)
        print(report.table(), flush=True)
        bad += not report.is_good
    print(f"{options.seeds - bad} of {options.seeds} seeds converged everywhere")
    return 1 if bad else 0
