"""The books of the demo: what was written, what was received, and what that proves. Pure.

Moments are seconds on any clock that only goes forward; the caller brings them.

A write counts as made *while connected* if the status was "active" from before the request was
sent until after it was answered; its event must arrive. What was sent or answered within the last
100 ms before the kill counts apart, whatever the status said: the server may have died with the
event unsent. Everything else was written *while down*, and nobody could send it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rxbosbase.cli.sample_writes import Key

__all__ = ["BEFORE_KILL_SECONDS", "Count", "DeliveryAudit", "Summary", "ViewCheck", "percentile"]

BEFORE_KILL_SECONDS = 0.1
RECONNECT_LIMIT = 2.5
"""Seconds the stream may take to be back once the server is healthy again."""


@dataclass(slots=True)
class Count:
    """How many writes, and how many of their events came."""

    written: int = 0
    received: int = 0

    @property
    def missed(self) -> int:
        """Writes whose event never came."""
        return self.written - self.received


@dataclass(frozen=True, slots=True)
class ViewCheck:
    """The live view against a fresh query, once writing has stopped.

    Attributes:
        records: how many the view shows.
        equal: they are what the query returns, in its order.
        seconds: how long after the end of the writing that was so.
    """

    records: int
    equal: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class Summary:
    """How the demo went.

    Attributes:
        total: all writes the server confirmed.
        connected, before_kill, down: the same, by when they were made.
        actions: how many of the confirmed writes were creates, updates and deletes.
        unconfirmed: writes whose connection broke; they may be done, or not. Not in `total`.
        duplicates: events that came more than once for one write.
        server_down: seconds from the kill until the server was healthy again.
        reconnect: seconds from then until the stream was active; 0.0 if it was faster.
        latencies: seconds from sending each write to receiving its event, sorted.
        view: how the live view ended up; None if it was not looked at.
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
        """Why the demo failed; empty if all is well."""
        found = []
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
        """The summary for scripts. Times are in the unit their names end with."""
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
    answered: float | None = None
    broken: bool = False
    received: float | None = None


class DeliveryAudit:
    """Takes in what happens, in any order of writing and receiving. Not for several threads."""

    def __init__(self) -> None:
        self._entries: dict[Key, _Entry] = {}
        self._active: list[tuple[float, float]] = []  # from, until
        self._active_since: float | None = None
        self._killed: float | None = None
        self._healthy: float | None = None
        self._duplicates = 0

    def began(self, key: Key, at: float) -> None:
        """A write is about to be sent, for the first time or again."""
        entry = self._entries.setdefault(key, _Entry(at))
        entry.began = at

    def answered(self, key: Key, at: float) -> None:
        """The server has confirmed a write."""
        self._entries[key].answered = at

    def unanswered(self, key: Key) -> None:
        """The connection broke before the answer to a write."""
        self._entries[key].broken = True

    def received(self, key: Key, at: float) -> float | None:
        """An event came; the seconds since its write was sent, None if nobody here wrote it."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry.received is not None:
            self._duplicates += 1
            return None
        entry.received = at
        return at - entry.began

    def status(self, state: str, at: float) -> None:
        """The connection's status has changed."""
        if state == "active":
            self._active_since = at if self._active_since is None else self._active_since
        elif self._active_since is not None:
            self._active.append((self._active_since, at))
            self._active_since = None

    def killed(self, at: float) -> None:
        """The server is about to be killed."""
        self._killed = at

    def healthy(self, at: float) -> None:
        """The server is up again."""
        self._healthy = at

    @property
    def is_settled(self) -> bool:
        """True once every event that must come has come."""
        active = self._active_times()
        return not any(
            entry.received is None and self._phase(entry, active) == "connected"
            for entry in self._entries.values()
        )

    @property
    def is_back(self) -> bool:
        """True once the stream is active again after the kill."""
        return self._killed is not None and any(
            since > self._killed for since, _ in self._active_times()
        )

    def summary(self) -> Summary:
        """What it all comes to."""
        phases = {name: Count() for name in ("total", "connected", "before_kill", "down")}
        active = self._active_times()
        actions: Counter[str] = Counter()
        latencies = []
        for key, entry in self._entries.items():
            if entry.received is not None and not entry.broken:
                latencies.append(entry.received - entry.began)
            if entry.answered is None:
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
            unconfirmed=sum(entry.answered is None for entry in self._entries.values()),
            duplicates=self._duplicates,
            server_down=_between(self._killed, self._healthy),
            reconnect=self._reconnect(active),
            latencies=sorted(latencies),
        )

    def _phase(self, entry: _Entry, active: list[tuple[float, float]]) -> str:
        if entry.answered is None:
            return "unconfirmed"
        killed = self._killed
        if killed is not None and entry.began <= killed < entry.answered + BEFORE_KILL_SECONDS:
            return "before_kill"
        covered = any(s <= entry.began and entry.answered <= until for s, until in active)
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
    """The smallest value that `share` of the sorted values do not exceed; None of nothing.

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
