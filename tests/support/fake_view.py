"""A live view that a test drives by hand: the fake's, as people who test their own code have it."""

from __future__ import annotations

from typing import Any

from rxbosbase.live.snapshot import Snapshot
from rxbosbase.live.view import LiveView
from rxbosbase.testing import FakeRealtime

__all__ = ["View"]

Record = dict[str, Any]


class View:
    """The orders of a fake server.

    Attributes:
        stream: the live view itself.
    """

    def __init__(self, fake: FakeRealtime, sort: str = "id") -> None:
        self._fake = fake
        self._rows = fake.records.setdefault("orders", {})
        self.stream: LiveView[Record] = fake.client.collection("orders").live(sort=sort)

    @property
    def snapshot(self) -> Snapshot[Record]:
        """The newest one; an error if nobody is subscribed."""
        return self.stream.current

    def hold(self, *records: Record) -> None:
        """What is there from the start."""
        self._rows.update({record["id"]: record for record in records})

    def write(self, *records: Record) -> None:
        """These change together: one snapshot for all of them."""
        self._fake.advance(0)
        self.hold(*records[:-1])
        self._fake.push("orders", "create", records[-1])

    def delete(self, *ids: str) -> None:
        """These go together; who is not there needs not go."""
        self._fake.advance(0)
        there = [id for id in dict.fromkeys(ids) if id in self._rows]
        for id in there[:-1]:
            del self._rows[id]
        for id in there[-1:]:
            self._fake.push("orders", "delete", {"id": id})

    def refuse(self, status: int, message: str) -> None:
        """The server takes the query no more."""
        self._fake.refuse("orders", status, message)

    def lose(self) -> None:
        """The connection breaks."""
        self._fake.advance(0)
        self._fake.drop()

    def recover(self) -> None:
        """The connection is back."""
        self._fake.advance(1)
