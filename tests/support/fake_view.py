"""A live view that a test drives by hand: the fake's, as people who test their own code have it."""

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
        self._push("create", records)

    def delete(self, *ids: str) -> None:
        """These go together; who is not there needs not go."""
        self._push("delete", [{"id": id} for id in dict.fromkeys(ids) if id in self._rows])

    def _push(self, action: Action, records: Sequence[Record]) -> None:
        """In one piece of the work that calls observers: these see what comes of all of it."""

        def push() -> None:
            for record in records:
                self._fake.push("orders", action, record)

        self._fake.advance(0)
        self._fake.scheduler.post(push)
        self._fake.advance(0)

    def refuse(self, status: int, message: str) -> None:
        """The server takes the query no more, which the view's next comparisons find."""
        self._fake.refuse("orders", status, message)
        self._fake.advance(120)

    def lose(self) -> None:
        """The connection breaks."""
        self._fake.advance(0)
        self._fake.drop()

    def recover(self) -> None:
        """The connection is back."""
        self._fake.advance(1)
