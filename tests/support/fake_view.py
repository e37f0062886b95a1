"""A live view of a `FakeRealtime`, with methods for the changes of its server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from rxbosbase.live.engine.snapshot import Snapshot
from rxbosbase.live.view import LiveView
from rxbosbase.testing import FakeRealtime

__all__ = ["View"]

Record = dict[str, Any]
Action = Literal["create", "delete"]


class View:
    """The collection `orders` of a fake server, and a live view of it.

    Attributes:
        stream: the live view itself.
    """

    def __init__(self, fake: FakeRealtime, sort: str = "id") -> None:
        self._fake = fake
        self._rows = fake.records.setdefault("orders", {})
        self.stream: LiveView[Record] = fake.client.collection("orders").live(sort=sort)

    @property
    def snapshot(self) -> Snapshot[Record]:
        """The current snapshot; an error without a subscriber."""
        return self.stream.current

    def hold(self, *records: Record) -> None:
        """Put records on the server without an event, before the view starts."""
        self._rows.update({record["id"]: record for record in records})

    def write(self, *records: Record) -> None:
        """Create records together, which gives one snapshot."""
        self._push("create", records)

    def delete(self, *ids: str) -> None:
        """Delete the records that exist together, which gives one snapshot."""
        self._push("delete", [{"id": id} for id in dict.fromkeys(ids) if id in self._rows])

    def _push(self, action: Action, records: Sequence[Record]) -> None:
        """Push all in one action of the client's scheduler, so that observers get one snapshot."""

        def push() -> None:
            for record in records:
                self._fake.push("orders", action, record)

        self._fake.advance(0)
        self._fake.scheduler.post(push)
        self._fake.advance(0)

    def refuse(self, status: int, message: str) -> None:
        """Refuse the query; the view's next reconcile passes find out."""
        self._fake.refuse("orders", status, message)
        self._fake.advance(120)

    def lose(self) -> None:
        """Break the connection."""
        self._fake.advance(0)
        self._fake.drop()

    def recover(self) -> None:
        """Let the client reconnect."""
        self._fake.advance(1)
