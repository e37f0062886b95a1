"""A live view in virtual time: its engine, and a table that answers its reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rxbosbase.encoding.record import Record
from rxbosbase.live.engine.engine import RecordEngine
from rxbosbase.live.engine.messages import (
    Effects,
    ReadIds,
    ReadLiterals,
    ReadOrder,
    ReadPage,
    ReadRequest,
    Rules,
)
from rxbosbase.live.engine.order_evidence import TextOrder
from rxbosbase.live.engine.ordering import Order
from rxbosbase.live.engine.snapshot import Snapshot
from rxbosbase.live.engine.sorting import BY_BYTES, Sorting
from rxbosbase.testing.collation import collation_key

__all__ = ["VirtualView", "row", "updated_at"]


def updated_at(second: int) -> str:
    """Return the server's ``updated`` for so many seconds of a day."""
    return f"2026-01-01 {second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}.000Z"


def row(id: str, second: int = 0, **more: Any) -> Record:
    """A record that was written at that second."""
    return {"id": id, "updated": updated_at(second), **more}


class VirtualView:
    """A view of a table, from its acknowledgement at 0 s on.

    Reads take `takes` seconds; `step` answers the one under way, or lets the next wake come.

    Attributes:
        table: the server's rows, by id; a test changes them.
        reads: each read, and when it began.
        snapshot: what the view shows.

    Args:
        rows: the table's, to begin with.
        sort: the view's, with one key at most: nulls are last, and none where it descends.
        collates: the server sorts text by the rules of a language, ids too.
        rules: see `Rules`.
    """

    def __init__(
        self,
        *rows: Record,
        sort: str | None = None,
        collates: bool = False,
        interval: float = 0.25,
        **rules: Any,
    ) -> None:
        order = Order.parse(sort)
        self.table = {each["id"]: each for each in rows}
        self.text = TextOrder()
        self.takes = 0.0
        self.now = 0.0
        self.reads: list[tuple[float, ReadRequest]] = []
        self.read: ReadRequest | None = None
        self._reported = 0
        self._sort = sort or "id"
        self._text_key: Callable[[str], Any] = collation_key if collates else str
        self.rules = Rules(**{"trust_updated": True, "reconcile": 1000.0, **rules})
        self.engine = RecordEngine(self.rules, Sorting(order, self.text, interval, self.rules))
        self.snapshot: Snapshot[Record] = Snapshot.empty(order)
        self.effects = self.feed(self.engine.acknowledged(0.0))

    # -- the driver ------------------------------------------------------------------------------

    def feed(self, effects: Effects) -> Effects:
        """What an input brought about."""
        self.effects = effects
        if effects.read is not None:
            self.read = effects.read
            self.reads.append((self.now, effects.read))
        self.engine.collect(effects)
        make = self.engine.next_snapshot(self.snapshot)
        after = None if make is None else make()
        if after is not None:
            self.snapshot = after
        return effects

    def answer(self) -> Effects:
        """The read under way is answered with the table as it is."""
        read, self.read = self.read, None
        assert read is not None
        rows, last = self.rows(read)
        return self.feed(self.engine.read_done(read, rows, last, self.now))

    def fail(self) -> Effects:
        """The read under way fails."""
        read, self.read = self.read, None
        assert read is not None
        return self.feed(self.engine.failed(read, self.now))

    def step(self, until: float = float("inf")) -> bool:
        """Answers the read under way, or lets the time come at which the view wants to be woken.

        Returns:
            False if there is nothing to do until then.
        """
        if self.read is not None:
            self.now += self.takes
            self.answer()
            return True
        if self.effects.wake is None or self.effects.wake > until:
            return False
        self.now = max(self.now, self.effects.wake)
        self.feed(self.engine.tick(self.now))
        return True

    def run(self, until: float) -> list[ReadRequest]:
        """Lets time pass; the reads that began since the last run."""
        while self.step(until):
            pass
        self.now = max(self.now, until)
        begun, self._reported = self._reported, len(self.reads)
        return [read for _, read in self.reads[begun:]]

    # -- what others do --------------------------------------------------------------------------

    def write(
        self, record: Record, action: str = "update", received: Record | None = None
    ) -> Effects:
        """Write a record; its event has `received`, or the record itself."""
        self.table[record["id"]] = record
        return self.feed(self.engine.event(action, received or record, self.now))

    def remove(self, id: str) -> Effects:
        """Delete a record and feed its event."""
        return self.feed(self.engine.event("delete", self.table.pop(id), self.now))

    def lose(self) -> None:
        """The connection ends, and the next one is there at once."""
        self.feed(self.engine.lost(self.now))
        self.read = None
        self.feed(self.engine.acknowledged(self.now))

    # -- the server ------------------------------------------------------------------------------

    def rows(self, read: ReadRequest) -> tuple[list[Record], bool]:
        """The answer to a read."""
        if isinstance(read, ReadIds):
            return [self.table[id] for id in read.ids if id in self.table], True
        if isinstance(read, ReadLiterals):
            is_true = self._text_key is str or read.condition != BY_BYTES
            return [{"id": id} for id in self.table if is_true][:1], True
        ordered = sorted(self.table.values(), key=self._place)
        if isinstance(read, ReadOrder):
            name = self._sort.lstrip("-")
            return [{"id": each["id"], name: each.get(name)} for each in ordered], True
        assert isinstance(read, ReadPage)
        return self._page(read, ordered)

    def _page(self, read: ReadPage, ordered: list[Record]) -> tuple[list[Record], bool]:
        def by_id(record: Record) -> Any:
            return self._text_key(record["id"])

        found = ordered if read.in_view_order else sorted(self.table.values(), key=by_id)
        found = [
            each if read.whole else {"id": each["id"], "updated": each["updated"]}
            for each in found
            if by_id(each) > self._text_key(read.after) or not read.after
            if each["updated"] >= read.since
        ]
        page = self.rules.page
        return found[:page], len(found) < page

    def _place(self, record: Record) -> Any:
        value = record.get(self._sort)
        if self._sort.startswith("-"):
            return (-record[self._sort[1:]], self._text_key(record["id"]))
        key = self._text_key(value) if isinstance(value, str) else value
        return (value is None, *(() if value is None else (key,)), self._text_key(record["id"]))

    # -- what is seen ----------------------------------------------------------------------------

    @property
    def shown(self) -> list[Record]:
        """The rows, as they are shown."""
        return list(self.snapshot.records)

    @property
    def ids(self) -> list[str]:
        """The ids, as they are shown."""
        return [each["id"] for each in self.snapshot.records]

    @property
    def is_true(self) -> bool:
        """True if it shows what the query gives."""
        return self.shown == sorted(self.table.values(), key=self._place)
