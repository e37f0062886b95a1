"""Measure the cost of a live view on the real server: ``python -m benchmarks.live_cost [--quick]``.

The number of reads for 1000 events, of records that change rarely and often; the number of reads
and bytes of a start, a reconcile pass and a reconnection; the time from the response to a write
(200) to the snapshot; and whether a view of 10 000 records follows 500 changes a second. Writers
are a process of their own. It exits with 1 if a mark is missed.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from multiprocessing.queues import Queue
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from rxbosbase import AuthStore, BosBase
from rxbosbase.live import Snapshot
from rxbosbase.server import EmbeddedServer

__all__ = ["main"]

TimedWrite = tuple[int, float, float]
"""A write: its number, and the times of the request and the response."""

AFTER_A_GAP = 5.5
"""Seconds: for 5 after the acknowledgement every event is rechecked; the measurement follows."""

QUIET = 3.0  # seconds after the last write until the last recheck is done
KEEPS_UP_WITHIN = 1.0  # seconds after the last write until the large view is up to date
FULL_RATE = 0.9  # of the intended rate: with less the writers were too slow for a result
LIMIT = 60.0  # seconds that a wait may take

PAGE = 1000  # largest number of rows in one response
OLD = 10.5  # seconds after which a record is not rechecked because of its age
RECONCILE = 3.0  # seconds between the reconcile passes that are counted
APART = 1.0  # least seconds without a read between two passes


@dataclass(frozen=True, slots=True)
class Plan:
    """The task of the writers: `count` updates of `ids` in turn, `rate` a second, by `threads`."""

    url: str
    token: str
    record: dict[str, Any]
    collection: str
    ids: tuple[str, ...]
    count: int
    rate: float
    threads: int


@dataclass(frozen=True, slots=True)
class Read:
    """A read of a view: the time of the response, its path, and its bytes of JSON.

    The bytes are those of compact JSON. On the wire it is gzip, whose size means nothing for
    records that are all alike, as here.
    """

    at: float
    path: str
    size: int


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement, and the mark it has to reach."""

    name: str
    value: str
    mark: str = ""
    good: bool = True


def write(plan: Plan, writes: Queue[TimedWrite | None]) -> None:
    """Run the writers' process: put each write into the queue, and None at the end."""
    begin = time.monotonic() + 0.3

    def work(first: int) -> None:
        store = AuthStore()
        store.save(plan.token, plan.record)
        with BosBase(plan.url, auth_store=store) as client:
            records = client.collection(plan.collection)
            for number in range(first, plan.count, plan.threads):
                time.sleep(max(0.0, begin + number / plan.rate - time.monotonic()))
                sent = time.monotonic()
                records.update(plan.ids[number % len(plan.ids)], {"n": number})
                writes.put((number, sent, time.monotonic()))

    threads = [threading.Thread(target=work, args=(first,)) for first in range(plan.threads)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writes.put(None)


class Bench:
    """A server, a client whose reads are counted, and collections."""

    def __init__(self, server: EmbeddedServer, client: BosBase) -> None:
        self._server = server
        self._client = client
        self.log: list[Read] = []
        manager = client.live_manager
        read = manager.read

        def counted(*arguments: Any) -> Any:
            answer = read(*arguments)
            size = len(msgspec.json.encode(answer))
            self.log.append(Read(time.monotonic(), arguments[0], size))
            return answer

        manager.read = counted
        client.send(
            "PATCH", "/api/settings", body={"batch": {"enabled": True, "maxRequests": 1000}}
        )

    @property
    def reads(self) -> int:
        """The number of reads with a response."""
        return len(self.log)

    def reads_of(self, name: str, since: float) -> list[list[Read]]:
        """Return the reads of a collection since then, in groups with pauses between them, without
        a last group that may not be complete."""
        reads = [each for each in self.log if f"/{name}/" in each.path and each.at > since]
        ends = [at for at, (a, b) in enumerate(pairwise(reads), 1) if b.at - a.at > APART]
        if reads and time.monotonic() - reads[-1].at > APART:
            ends.append(len(reads))
        return [reads[first:end] for first, end in pairwise([0, *ends])]

    def wait_for_reads(self, name: str, since: float, groups: int = 1) -> list[list[Read]]:
        """Wait for groups of reads of a collection since then; return the first ones."""
        end = time.monotonic() + LIMIT
        while len(found := self.reads_of(name, since)) < groups:
            if time.monotonic() > end:
                raise TimeoutError(f"{name}: no comparison within {LIMIT:g} s")
            time.sleep(0.05)
        return found[:groups]

    def fill(self, name: str, count: int) -> tuple[str, ...]:
        """Create a collection of `count` records; return their ids."""
        updated = {"name": "updated", "type": "autodate", "onCreate": True, "onUpdate": True}
        fields = [{"name": "n", "type": "number"}, {"name": "text", "type": "text"}, updated]
        self._client.collections.create({"name": name, "type": "base", "fields": fields})
        ids = tuple(f"record{number:09d}" for number in range(count))
        path = f"/api/collections/{name}/records"
        for at in range(0, count, 1000):
            bodies = [{"id": id, "n": -1, "text": "x" * 200} for id in ids[at : at + 1000]]
            requests = [{"method": "POST", "url": path, "body": body} for body in bodies]
            self._client.send("POST", "/api/batch", body={"requests": requests}, timeout=LIMIT)
        return ids

    def run(
        self, name: str, ids: Sequence[str], count: int, rate: float, threads: int = 1
    ) -> tuple[list[TimedWrite], Callable[[], None]]:
        """Start the writers; return a list that they fill, and a function that waits for them."""
        state = self._client.auth_store.state
        plan = Plan(
            self._server.url, state.token, dict(state.record or {}), name, tuple(ids), count, rate,
            threads,
        )  # fmt: skip
        context = multiprocessing.get_context("spawn")
        queue: Queue[TimedWrite | None] = context.Queue()
        process = context.Process(target=write, args=(plan, queue))
        process.start()
        writes: list[TimedWrite] = []

        def wait() -> None:
            while (item := queue.get(timeout=LIMIT)) is not None:
                writes.append(item)
            process.join(LIMIT)

        return writes, wait


def reads_per_thousand(bench: Bench, client: BosBase, events: int) -> list[Row]:
    """Measure the reads for events: each of another record, and many of a few records."""
    rows = []
    for kind, records, rate in (("calm", events, 200.0), ("hot", 10, 200.0)):
        name = f"reads_{kind}"
        ids = bench.fill(name, records)
        with client.collection(name).live(sort="-n", filter="n > -5", reconcile=3600.0) as view:
            view.wait_fresh()
            time.sleep(AFTER_A_GAP)
            before = bench.reads
            _, wait = bench.run(name, ids, events, rate)
            wait()
            time.sleep(QUIET)
            cost = (bench.reads - before) * 1000 / events
        mark = "≤ 5" if kind == "calm" else ""
        rows.append(
            Row(f"reads per 1000 events, {kind}", f"{cost:.1f}", mark, cost <= 5 or not mark)
        )
    return rows


def bytes_and_reads(bench: Bench, client: BosBase, rounds: int) -> list[Row]:
    """Measure the reads of calm views: at the start, in each pass, and after a reconnection."""
    rows = []
    sizes = (
        PAGE - 1,
        10 * PAGE,
    )  # one page, known to be the last; and ten, with an empty one
    filled = [bench.fill(f"calm_{size}", size) for size in sizes]
    time.sleep(OLD)
    for size, ids in zip(sizes, filled, strict=True):
        pages = size // PAGE + 1
        name = f"calm_{size}"
        begun = time.monotonic()
        records = client.collection(name)
        with records.live(sort="-n,text", reconcile=RECONCILE) as view:
            view.wait_fresh(LIMIT)
            rows.append(_cost(f"{size} records: the start", bench.wait_for_reads(name, begun)))
            time.sleep(AFTER_A_GAP)
            bench.wait_for_reads(name, time.monotonic())
            changed = time.monotonic()
            records.update(ids[size // 2], {"n": 1})
            time.sleep(APART)
            reads = sum(f"/{name}/" in each.path and each.at > changed for each in bench.log)
            rows.append(Row("… a lone change", f"{reads} reads", "0", reads == 0))
            compared = bench.wait_for_reads(name, time.monotonic(), rounds)
            rows.append(_cost("… a comparison", compared, pages + (pages > 1)))
            lost = time.monotonic()
            client.realtime.reconnect_now()
            rows.append(_cost("… a reconnection", bench.wait_for_reads(name, lost)))
    return rows


def _cost(what: str, groups: Sequence[Sequence[Read]], mark: int | None = None) -> Row:
    """Return the row of the group with the most reads."""
    most = max(groups, key=lambda group: (len(group), sum(read.size for read in group)))
    value = f"{len(most)} reads, {sum(read.size for read in most) / 1000:.0f} kB"
    return Row(what, value, "" if mark is None else f"≤ {mark}", mark is None or len(most) <= mark)


def latencies(bench: Bench, client: BosBase, events: int) -> list[Row]:
    """Measure the time from the response to a write to the snapshot, for calm records."""
    ids = bench.fill("latency", events)
    seen: dict[int, float] = {}

    def note(snapshot: Snapshot[dict[str, Any]]) -> None:
        at = time.monotonic()
        if snapshot.version > 1:
            seen.update((int(c.record["n"]), at) for c in snapshot.changes)

    view = client.collection("latency").live(sort="-n", reconcile=3600.0)
    with view.subscribe(note):
        view.wait_fresh()
        time.sleep(AFTER_A_GAP)
        writes, wait = bench.run("latency", ids, events, 50.0)
        wait()
        time.sleep(QUIET)
    # The event is often earlier than the response: then the time counts as 0.
    after = sorted(max(0.0, seen[number] - answered) for number, _, answered in writes)
    whole = sorted(seen[number] - sent for number, sent, _ in writes)
    rows = []
    for name, share, mark in (("p50", 0.5, 0.010), ("p99", 0.99, 0.050)):
        value = after[min(len(after) - 1, int(share * len(after)))]
        good = value <= mark
        label = f"≤ {mark * 1000:g} ms"
        rows.append(Row(f"answer to snapshot, {name}", f"{value * 1000:.2f} ms", label, good))
        value = whole[min(len(whole) - 1, int(share * len(whole)))]
        rows.append(Row(f"request to snapshot, {name}", f"{value * 1000:.2f} ms"))
    return rows


def large_view(bench: Bench, client: BosBase, seconds: float) -> list[Row]:
    """Measure 500 changes a second of 10 000 records: the delay, and the load of a core."""
    size, rate = 10_000, 500.0
    ids = bench.fill("large", size)
    seen: dict[int, float] = {}
    snapshots = 0

    def note(snapshot: Snapshot[dict[str, Any]]) -> None:
        nonlocal snapshots
        snapshots += 1
        if snapshot.version > 1:
            at = time.monotonic()
            seen.update((int(c.record["n"]), at) for c in snapshot.changes)

    view = client.collection("large").live(sort="-n,text", reconcile=3600.0)
    with view.subscribe(note):
        view.wait_fresh(LIMIT)
        time.sleep(AFTER_A_GAP)
        count = int(rate * seconds)
        begun, used, reads = time.monotonic(), time.process_time(), bench.reads
        writes, wait = bench.run("large", ids[:: max(1, size // count)], count, rate, threads=4)
        wait()
        took = writes[-1][2] - min(sent for _, sent, _ in writes)
        last = max(answered for _, _, answered in writes)
        while count - 1 not in seen and time.monotonic() < last + LIMIT:
            time.sleep(0.005)
        behind = max(0.0, max(seen.values()) - last)
        core = (time.process_time() - used) / (time.monotonic() - begun)
        reads = bench.reads - reads
    real = count / took
    good = real >= FULL_RATE * rate
    return [
        Row("10 000 records: changes a second", f"{real:.0f}", f"≥ {FULL_RATE * rate:.0f}", good),
        Row("… behind at the end", f"{behind * 1000:.0f} ms", "≤ 1 s", behind <= KEEPS_UP_WITHIN),
        Row("… of one core", f"{core:.0%}", "< 100 %", core < 1.0),
        Row("… snapshots, reads", f"{snapshots}, {reads}"),
    ]


def main() -> int:
    """Measure and print a table; return the exit code."""
    parser = argparse.ArgumentParser("python -m benchmarks.live_cost")
    parser.add_argument("--quick", action="store_true", help="fewer events")
    events = 300 if parser.parse_args().quick else 1000
    with EmbeddedServer() as server, server.client(superuser=True) as client:
        bench = Bench(server, client)
        rows = [
            *reads_per_thousand(bench, client, events),
            *bytes_and_reads(bench, client, 2 if events < 1000 else 4),
            *latencies(bench, client, events),
            *large_view(bench, client, 3.0 if events < 1000 else 10.0),
        ]
    table = Table("what", "measured", "mark", "", title=f"live views, {os.cpu_count()} cores")
    for row in rows:
        table.add_row(row.name, row.value, row.mark, "" if row.good else "missed")
    Console().print(table)
    return 0 if all(row.good for row in rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())
