"""What a live view costs, on the real server: ``python -m benchmarks.live_cost [--quick]``.

How many reads 1000 events cost, for records that are written once in a while and for hot ones;
how many reads, of how many bytes, a view takes to start, to compare itself with the server and to
come back; how long it takes from the writer's answer (200) to the snapshot; and whether a view of
10 000 records keeps up with 500 changes a second. Writers are a process of their own. It exits
with 1 if a mark is missed.
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

Told = tuple[int, float, float]
"""A write: its number, and when it was sent and answered."""

AFTER_A_GAP = 5.5
"""Seconds: for 5 after the acknowledgement every event is settled; measured is what follows."""

QUIET = 3.0  # seconds after the last write until the last doubt is settled
KEEPS_UP_WITHIN = 1.0  # seconds after the last write until the big view is true
FULL_RATE = 0.9  # of the wanted rate: with less the writers were too slow to tell
LIMIT = 60.0  # seconds any wait may take

PAGE = 1000  # rows the server gives in one answer at most
OLD = 10.5  # seconds after which a record is no longer asked about for the sake of its age
RECONCILE = 3.0  # seconds between the comparisons that are counted
APART = 1.0  # seconds without a read between two comparisons at least


@dataclass(frozen=True, slots=True)
class Plan:
    """What the writers do: `count` updates of `ids` in turn, `rate` a second, by `threads`."""

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
    """A read of a view: when it was answered, of which path, with how many bytes of JSON.

    The bytes are those of the answer as compact JSON. On the wire it is gzip, of which records
    that are all alike, as they are here, would tell nothing.
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


def write(plan: Plan, told: Queue[Told | None]) -> None:
    """The writers' process: tells of each write, and None at the end."""
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
                told.put((number, sent, time.monotonic()))

    threads = [threading.Thread(target=work, args=(first,)) for first in range(plan.threads)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    told.put(None)


class Bench:
    """A server, a client whose reads are counted, and collections as they are needed."""

    def __init__(self, server: EmbeddedServer, client: BosBase) -> None:
        self._server = server
        self._client = client
        self.log: list[Read] = []
        hub = client.live_hub
        read = hub.read

        def counted(*arguments: Any) -> Any:
            answer = read(*arguments)
            size = len(msgspec.json.encode(answer))
            self.log.append(Read(time.monotonic(), arguments[0], size))
            return answer

        hub.read = counted
        client.send(
            "PATCH", "/api/settings", body={"batch": {"enabled": True, "maxRequests": 1000}}
        )

    @property
    def reads(self) -> int:
        """How many reads were answered."""
        return len(self.log)

    def reads_of(self, name: str, since: float) -> list[list[Read]]:
        """The reads of a collection since then, in groups with silence between them; the last
        group is left out as long as it may go on."""
        reads = [each for each in self.log if f"/{name}/" in each.path and each.at > since]
        ends = [at for at, (a, b) in enumerate(pairwise(reads), 1) if b.at - a.at > APART]
        if reads and time.monotonic() - reads[-1].at > APART:
            ends.append(len(reads))
        return [reads[first:end] for first, end in pairwise([0, *ends])]

    def wait_for_reads(self, name: str, since: float, groups: int = 1) -> list[list[Read]]:
        """The first groups of reads of a collection since then."""
        end = time.monotonic() + LIMIT
        while len(found := self.reads_of(name, since)) < groups:
            if time.monotonic() > end:
                raise TimeoutError(f"{name}: no comparison within {LIMIT:g} s")
            time.sleep(0.05)
        return found[:groups]

    def fill(self, name: str, count: int) -> tuple[str, ...]:
        """Makes a collection of `count` records; their ids."""
        stamp = {"name": "updated", "type": "autodate", "onCreate": True, "onUpdate": True}
        fields = [{"name": "n", "type": "number"}, {"name": "text", "type": "text"}, stamp]
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
    ) -> tuple[list[Told], Callable[[], None]]:
        """Starts the writers; the list grows while they write, and the function waits for them."""
        state = self._client.auth_store.state
        plan = Plan(
            self._server.url, state.token, dict(state.record or {}), name, tuple(ids), count, rate,
            threads,
        )  # fmt: skip
        context = multiprocessing.get_context("spawn")
        queue: Queue[Told | None] = context.Queue()
        process = context.Process(target=write, args=(plan, queue))
        process.start()
        told: list[Told] = []

        def wait() -> None:
            while (item := queue.get(timeout=LIMIT)) is not None:
                told.append(item)
            process.join(LIMIT)

        return told, wait


def reads_per_thousand(bench: Bench, client: BosBase, events: int) -> list[Row]:
    """Reads that events cost: each of another record, and many of the same few."""
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
    """What calm views read: at the start, for each comparison, and after a reconnection."""
    rows = []
    sizes = (PAGE - 1, 10 * PAGE)  # one page that shows it is the last; and ten, and an empty one
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
    """The most reads of a group, and its bytes."""
    most = max(groups, key=lambda group: (len(group), sum(read.size for read in group)))
    value = f"{len(most)} reads, {sum(read.size for read in most) / 1000:.0f} kB"
    return Row(what, value, "" if mark is None else f"≤ {mark}", mark is None or len(most) <= mark)


def latencies(bench: Bench, client: BosBase, events: int) -> list[Row]:
    """From the writer's answer to the snapshot, for calm records."""
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
        told, wait = bench.run("latency", ids, events, 50.0)
        wait()
        time.sleep(QUIET)
    # The stream is often faster than the answer: then the snapshot was there in no time.
    after = sorted(max(0.0, seen[number] - answered) for number, _, answered in told)
    whole = sorted(seen[number] - sent for number, sent, _ in told)
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
    """10 000 records, 500 changes a second: how far behind, and how much of a core."""
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
        told, wait = bench.run("large", ids[:: max(1, size // count)], count, rate, threads=4)
        wait()
        took = told[-1][2] - min(sent for _, sent, _ in told)
        last = max(answered for _, _, answered in told)
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
    """Measures, prints a table; the exit code."""
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
