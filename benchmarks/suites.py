"""The suites: each runs its contenders and returns the rows of a table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from .bench import Options
from .figures import Row, spread, stream_row
from .imports import import_times
from .lanes import Lane, Outcome, StreamServer, take_turns

__all__ = ["CHECK", "SUITES", "Settings", "Table"]

Table = dict[str, Row]
SIZES = {"300 B": 300, "2 KB": 2000, "20 KB": 20_000}
PEERS = ("bosbase", "pocketbase", "pocketbase-async", "sseclient-py")
LATENCY_RATE = 1000.0  # events a second
VIEW = 10_000  # records
CHECK_ROUNDS = 7  # many and short: other tests may run at the same time, but not during all of them


@dataclass(frozen=True)
class Settings:
    """The length of a measurement: rounds, seconds of a run, and whether to omit slow parts."""

    rounds: int = 9
    seconds: float = 0.3
    quick: bool = False


def _run(lanes: list[Lane], server: StreamServer, how: Settings) -> dict[str, Outcome]:
    return take_turns(lanes, server, how.rounds, how.seconds)


def _rows(outcomes: dict[str, Outcome], row: Callable[[Outcome], Row]) -> Table:
    return {
        key: row(outcome) if outcome.rounds else {"note": outcome.note}
        for key, outcome in outcomes.items()
    }


def _throughput(size: int) -> Callable[[StreamServer, Settings], Table]:
    def suite(server: StreamServer, how: Settings) -> Table:
        ours = ("observe", "filter+map", "of_action drops", "aio.events")
        options = Options(size=size)
        names = ("sink", "limit", "best cut", *ours, *PEERS)
        outcomes = _run([Lane(name, name, options) for name in names], server, how)
        limit = outcomes["limit"].rounds
        return _rows(outcomes, lambda outcome: stream_row(outcome.rounds, limit))

    return suite


def _fan_out(server: StreamServer, how: Settings, counts: tuple[int, ...] = (100,)) -> Table:
    table: Table = {}
    for count in counts:
        options = Options(subscribers=count)
        names = ("callbacks", "observers", *(("bosbase",) if count == 100 else ()))
        lanes = [Lane(f"{count} {name}", name, options) for name in names]
        outcomes = _run(lanes, server, how)
        table |= _rows(outcomes, lambda outcome, n=count: stream_row(outcome.rounds, [], n))  # type: ignore[misc]
    return table


def _topics(server: StreamServer, how: Settings, counts: tuple[int, ...] = (1, 1000)) -> Table:
    lanes = [Lane(f"{count} topics", "topics", Options(topics=count)) for count in counts]
    outcomes = _run(lanes, server, how)
    one = outcomes[f"{counts[0]} topics"].rounds

    def row(outcome: Outcome) -> Row:
        found = stream_row(outcome.rounds, one)
        found["CPU × one topic"] = _inverse(found.pop("CPU × limit"))
        del found["× limit"]
        return found

    return _rows(outcomes, row)


def _inverse(ratio: dict[str, float]) -> dict[str, float]:
    return {"median": 1 / ratio["median"], "low": 1 / ratio["high"], "high": 1 / ratio["low"]}


def _view(server: StreamServer, how: Settings, counts: tuple[int, ...] = (VIEW,)) -> Table:
    table: Table = {}
    for count in counts:
        key = f"live view of {count}"
        lanes = [Lane(key, "live view", Options(records=count), min(count, 10_000))]
        table |= _rows(_run(lanes, server, how), lambda outcome: stream_row(outcome.rounds))
    return table


def _check(server: StreamServer, how: Settings) -> Table:
    how = replace(how, rounds=CHECK_ROUNDS)
    table: Table = {}
    for text, size in (("300 B", 300), ("2 KB", 2000)):
        names = ("limit", "observe")
        lanes = [Lane(f"{text} {name}", name, Options(size=size)) for name in names]
        outcomes = _run(lanes, server, how)
        limit = outcomes[f"{text} limit"].rounds
        table |= _rows(outcomes, lambda outcome, base=limit: stream_row(outcome.rounds, base))  # type: ignore[misc]
    submitted = _subscribe(server, how)
    return table | _topics(server, how) | {f"subscribe {key}": submitted[key] for key in submitted}


def _slow(server: StreamServer, how: Settings) -> Table:
    def row(outcome: Outcome) -> Row:
        found = stream_row(outcome.rounds)
        found["× bare sleeps"] = spread(
            one["bare_seconds"] / one["seconds"] for one in outcome.rounds
        )
        return found

    return _rows(_run([Lane("1 ms subscriber", "1 ms subscriber", events=200)], server, how), row)


def _latency(server: StreamServer, how: Settings) -> Table:
    options = Options(rate=LATENCY_RATE)
    events = 500 if how.quick else 1500
    outcomes = _run(
        [Lane("bare socket", "bare latency", options, events),
         Lane("observe", "latency", options, events)],
        server, how,
    )  # fmt: skip
    bare = outcomes["bare socket"].rounds

    def row(outcome: Outcome) -> Row:
        found: Row = {}
        for name in ("p50", "p99", "p99.9"):
            found[f"{name} µs"] = spread(one[name] for one in outcome.rounds)
            if outcome.rounds is not bare:
                pairs = zip(outcome.rounds, bare, strict=False)
                found[f"{name} over bare µs"] = spread(a[name] - b[name] for a, b in pairs)
        return found

    return _rows(outcomes, row)


def _subscribe(server: StreamServer, how: Settings) -> Table:
    topics = (1, 1000) if how.quick else (1, 1000, 5000)
    lanes = [Lane(f"{count} topics", "subscribe", events=count) for count in topics]
    outcomes = _run(lanes, server, how)
    if not how.quick:  # it takes seconds, and does not vary much
        official = Lane("1000 topics, bosbase", "subscribe bosbase", events=1000)
        outcomes |= take_turns([official], server, 1, 0.0)
    outcomes |= _run([Lane("close in a burst", "close busy", events=1)], server, how)

    def row(outcome: Outcome) -> Row:
        names = {"posts": 1.0, "bytes": 1e-6, "seconds": 1.0, "cpu": 1.0, "connections": 1.0,
                 "close": 1000.0}  # fmt: skip
        units = {"bytes": "MB", "cpu": "CPU s", "close": "close ms"}
        return {
            units.get(name, name): spread(one[name] * factor for one in outcome.rounds)
            for name, factor in names.items() if name in outcome.rounds[0]
        }  # fmt: skip

    return _rows(outcomes, row)


def _memory(server: StreamServer, how: Settings) -> Table:
    outcomes = take_turns(
        [Lane("memory", "memory", Options(records=VIEW), events=VIEW)], server, 0, 0.0
    )
    del how
    outcome = outcomes["memory"]
    if not outcome.warm_up:
        return {"memory": {"note": outcome.note}}
    figures = outcome.warm_up
    names = {"idle": "one topic", "topics": "+ 999 topics", "records": "+ 10 000 live records"}
    return {
        text: {"MB": spread([figures[name] / 1e6])} if name in figures else {"note": "not measured"}
        for name, text in names.items()
    }


def _import(server: StreamServer, how: Settings) -> Table:
    del server
    return import_times(rounds=how.rounds * 2)


def _sizes(server: StreamServer, how: Settings) -> Table:
    table: Table = {}
    for size in (300, 2000, 20_000, 100_000) + (() if how.quick else (1_000_000,)):
        lanes = [Lane(name, name, Options(size=size)) for name in ("limit", "observe")]
        outcomes = _run(lanes, server, how)
        row = stream_row(outcomes["observe"].rounds, outcomes["limit"].rounds)
        table[f"{size / 1000:g} KB"] = row or {"note": outcomes["observe"].note}
    return table


def _growth(server: StreamServer, how: Settings) -> Table:
    few = Settings(rounds=min(3, how.rounds), seconds=how.seconds * 0.7, quick=how.quick)
    views = (100, 1000, 10_000) if how.quick else (100, 1000, 10_000, 100_000)
    return {
        **_topics(server, few, (1, 1000) if how.quick else (1, 1000, 5000)),
        **_fan_out(server, few, (1, 10, 1000)),
        **_view(server, few, views),
        **_sizes(server, few),
    }


SUITES: dict[str, Callable[[StreamServer, Settings], Table]] = {
    **{name: _throughput(size) for name, size in SIZES.items()},
    "fan-out": _fan_out,
    "topics": _topics,
    "live": _view,
    "slow": _slow,
    "latency": _latency,
    "subscribe": _subscribe,
    "memory": _memory,
    "import": _import,
    "growth": _growth,
}

CHECK = {"check": _check}
"""The suite for the tests: a few ratios and counts, in seconds. `SUITES` do not include it."""
