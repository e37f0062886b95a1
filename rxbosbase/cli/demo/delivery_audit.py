"""The audit of the demo: which writes were confirmed, which events arrived, and which are missing.

A write counts as made *while connected* if the status was "active" from before the request was
sent until after its response; its event must arrive. A write sent or confirmed within the last
100 ms before the kill is counted separately, whatever the status was: the server may have ended
before it sent the event. Every other write was made *while down*, when there was no stream.
"""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from rxbosbase.cli.sample_writes import WriteKey

__all__ = ("BEFORE_KILL_SECONDS", "Count", "DeliveryAudit", "Summary", "ViewCheck", "percentile")

BEFORE_KILL_SECONDS = 0.1
RECONNECT_LIMIT = 2.5
"""Seconds until the stream must be active again, from when the server is healthy again."""


@dataclass(slots=True)
class Count:
    """The number of writes, and of their events that arrived."""

    written: int = 0
    received: int = 0

    @property
    def missed(self) -> int:
        """The number of writes whose event did not arrive."""
        return self.written - self.received


@dataclass(frozen=True, slots=True)
class ViewCheck:
    """The comparison of the live view with a new query, after the writing has ended.

    Attributes:
        records: the number of records in the view.
        equal: they are the records that the query returns, in its order.
        seconds: from the end of the writing until this comparison.
    """

    records: int
    equal: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class Summary:
    """The result of the demo.

    Attributes:
        total: all writes that the server confirmed.
        connected, before_kill, down: the same, by the time at which they were made.
        actions: the number of confirmed creates, updates and deletes.
        unconfirmed: writes without a response; they may be done or not. Not in `total`.
        duplicates: events that arrived again for the same write.
        server_down: seconds from the kill until the server was healthy again.
        reconnect: seconds from then until the stream was active; 0.0 if it was active earlier.
        latencies: seconds from sending each write to receiving its event, sorted.
        view: the check of the live view; None if there was none.
    """

    total: Count
    connected: Count
    before_kill: Count
    down: Count
    actions: dict[str, int]
    unconfirmed: int
    duplicates: int
    server_down: float | None
    reconnect: float | None
    latencies: Sequence[float] = field(repr=False)
    view: ViewCheck | None = None

    @property
    def problems(self) -> list[str]:
        """The reasons why the demo failed; empty if it succeeded."""
        found: list[str] = []
        if not self.connected.written:
            found.append("nothing was written while connected")
        if self.connected.missed:
            found.append(f"{self.connected.missed} events of the connected phases did not arrive")
        if self.reconnect is None:
            found.append("the stream did not come back after the server's restart")
        elif self.reconnect > RECONNECT_LIMIT:
            took = f"the stream took {self.reconnect:.1f} s to come back"
            found.append(f"{took}, more than {RECONNECT_LIMIT:g} s")
        if self.view is not None and not self.view.equal:
            found.append("the live view is not what its query returns")
        return found

    def as_json(self) -> dict[str, Any]:
        """Return the summary for scripts. The name of a time ends with its unit."""
        return {
            "ok": not self.problems,
            "problems": self.problems,
            "written": self.total.written,
            "received": self.total.received,
            "while_connected": _count_json(self.connected),
            "last_100ms_before_kill": _count_json(self.before_kill),
            "while_down": _count_json(self.down),
            "written_by_action": self.actions,
            "unconfirmed": self.unconfirmed,
            "duplicates": self.duplicates,
            "server_down_s": _rounded(self.server_down),
            "reconnect_s": _rounded(self.reconnect),
            "live_view": None if self.view is None else _view_json(self.view),
            "write_to_event_ms": {
                name: _rounded(percentile(self.latencies, share), 1000.0)
                for name, share in (("p50", 0.5), ("p99", 0.99), ("max", 1.0))
            },
        }


@dataclass(slots=True)
class _Entry:
    began: float
    confirmed: float | None = None
    broken: bool = False
    received: float | None = None


class DeliveryAudit:
    """Records writes, events and the connection's state, in any order. Safe for several threads.

    The threads of the writers, the delivery thread and the main thread call it.

    Args:
        clock: returns the time in seconds; it never goes back.
    """

    def __init__(self, clock: Callable[[], float] = perf_counter) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: dict[WriteKey, _Entry] = {}
        self._active: list[tuple[float, float]] = []  # from, until
        self._active_since: float | None = None
        self._killed: float | None = None
        self._healthy: float | None = None
        self._duplicates = 0

    def began(self, key: WriteKey) -> None:
        """Record that a write is about to be sent, for the first time or again."""
        with self._lock:
            at = self._clock()
            entry = self._entries.setdefault(key, _Entry(at))
            entry.began = at

    def confirmed(self, key: WriteKey) -> None:
        """Record that the server has confirmed a write."""
        at = self._clock()
        with self._lock:
            self._entries[key].confirmed = at

    def unconfirmed(self, key: WriteKey) -> None:
        """Record that the connection broke before the response to a write."""
        with self._lock:
            self._entries[key].broken = True

    def received(self, key: WriteKey) -> float | None:
        """Record an event; return the seconds since its write was sent.

        None for an event of an unknown write, and for one that arrived before.
        """
        at = self._clock()
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            if entry.received is not None:
                self._duplicates += 1
                return None
            entry.received = at
            return at - entry.began

    def status(self, state: str) -> None:
        """Record that the connection's state has changed."""
        at = self._clock()
        with self._lock:
            if state == "active":
                self._active_since = at if self._active_since is None else self._active_since
            elif self._active_since is not None:
                self._active.append((self._active_since, at))
                self._active_since = None

    def killed(self) -> None:
        """Record that the server is about to be killed."""
        with self._lock:
            self._killed = self._clock()

    def healthy(self) -> None:
        """Record that the server is healthy again."""
        with self._lock:
            self._healthy = self._clock()

    @property
    def is_settled(self) -> bool:
        """True once every event that must arrive has arrived."""
        with self._lock:
            active = self._active_times()
            return not any(
                entry.received is None and self._phase(entry, active) == "connected"
                for entry in self._entries.values()
            )

    @property
    def is_back(self) -> bool:
        """True once the stream is active again after the kill."""
        with self._lock:
            return self._killed is not None and any(
                since > self._killed for since, _ in self._active_times()
            )

    def summary(self) -> Summary:
        """Return the counts and times recorded so far."""
        with self._lock:
            return self._summary()

    def _summary(self) -> Summary:
        phases = {name: Count() for name in ("total", "connected", "before_kill", "down")}
        active = self._active_times()
        actions: Counter[str] = Counter()
        latencies: list[float] = []
        for key, entry in self._entries.items():
            if entry.received is not None and not entry.broken:
                latencies.append(entry.received - entry.began)
            if entry.confirmed is None:
                continue
            actions[key.action] += 1
            for count in (phases["total"], phases[self._phase(entry, active)]):
                count.written += 1
                count.received += entry.received is not None
        return Summary(
            total=phases["total"],
            connected=phases["connected"],
            before_kill=phases["before_kill"],
            down=phases["down"],
            actions=dict(sorted(actions.items())),
            unconfirmed=sum(entry.confirmed is None for entry in self._entries.values()),
            duplicates=self._duplicates,
            server_down=_between(self._killed, self._healthy),
            reconnect=self._reconnect(active),
            latencies=sorted(latencies),
        )

    def _phase(self, entry: _Entry, active: list[tuple[float, float]]) -> str:
        if entry.confirmed is None:
            return "unconfirmed"
        killed = self._killed
        if killed is not None and entry.began <= killed < entry.confirmed + BEFORE_KILL_SECONDS:
            return "before_kill"
        covered = any(s <= entry.began and entry.confirmed <= until for s, until in active)
        return "connected" if covered else "down"

    def _active_times(self) -> list[tuple[float, float]]:
        if self._active_since is None:
            return self._active
        return [*self._active, (self._active_since, math.inf)]

    def _reconnect(self, active: list[tuple[float, float]]) -> float | None:
        if self._killed is None or self._healthy is None:
            return None
        back = [since for since, _ in active if since > self._killed]
        return max(0.0, back[0] - self._healthy) if back else None


def percentile(ordered: Sequence[float], share: float) -> float | None:
    """Return the smallest value that `share` of the sorted values do not exceed; None of none.

    >>> percentile([1.0, 2.0, 3.0, 4.0], 0.5)
    2.0
    """
    if not ordered:
        return None
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def _between(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None else end - start


def _count_json(count: Count) -> dict[str, int]:
    return {"written": count.written, "received": count.received, "missed": count.missed}


def _view_json(view: ViewCheck) -> dict[str, Any]:
    seconds = _rounded(view.seconds)
    return {"records": view.records, "equals_query": view.equal, "within_s": seconds}


def _rounded(value: float | None, scale: float = 1.0) -> float | None:
    return None if value is None else round(value * scale, 3)
