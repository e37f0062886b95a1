"""The ledger, kept by several threads at once and with the time of day's own clock."""

from __future__ import annotations

import threading
from time import perf_counter
from typing import Any

from rxbosbase.cli.demo.delivery_audit import DeliveryAudit, Summary
from rxbosbase.cli.sample_writes import Key, key_of
from rxbosbase.events import RecordEvent
from rxbosbase.realtime.session.status import Status

__all__ = ["Books"]


class Books:
    """Stamps what happens and enters it. The writers' threads and the delivery thread use it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ledger = DeliveryAudit()

    def began(self, key: Key) -> None:
        with self._lock:
            self._ledger.began(key, perf_counter())

    def answered(self, key: Key) -> None:
        at = perf_counter()
        with self._lock:
            self._ledger.answered(key, at)

    def unanswered(self, key: Key) -> None:
        with self._lock:
            self._ledger.unanswered(key)

    def received(self, event: RecordEvent[dict[str, Any]]) -> float | None:
        """The seconds since the event's write was sent; None if it is nobody's here."""
        at = perf_counter()
        with self._lock:
            return self._ledger.received(key_of(event), at)

    def status(self, status: Status) -> None:
        at = perf_counter()
        with self._lock:
            self._ledger.status(status.state, at)

    def killed(self) -> None:
        with self._lock:
            self._ledger.killed(perf_counter())

    def healthy(self) -> None:
        with self._lock:
            self._ledger.healthy(perf_counter())

    @property
    def is_settled(self) -> bool:
        with self._lock:
            return self._ledger.is_settled

    @property
    def is_back(self) -> bool:
        with self._lock:
            return self._ledger.is_back

    def summary(self) -> Summary:
        with self._lock:
            return self._ledger.summary()
