"""The server of the live view's model: one table, how its rows are written, sorted and framed.

A row is in the view's query if ``match`` is true, and visible at all if ``hidden`` is false (the
list rule). Whatever else a scenario's server has, its `Traits` have: in which order it puts text,
nulls, dates and the kinds of a JSON value, and what frames lack that reads have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from rxbosbase.encoding.record import Record
from rxbosbase.testing.collation import collation_key
from rxbosbase.testing.literals import read_filter
from support.live_sequences import AUTHORS, TIE, Step, Traits

__all__ = ["Server", "Write"]

PLAIN = Traits()

VALUES: dict[str, tuple[Any, ...]] = {
    "title": ("B", "a", "Zz", "zy", "", "á", "a b"),
    "rank": (None, 2, 10, 0, 1, None, -3),
    "due": tuple(range(7)),  # microseconds, of which a row shows the milliseconds: see `_date`
    "data": (None, "B", "a", 2, 0, True, False),
}
"""What a step makes of each field: it stays as it is for the first pick, and gets one of these for
the others."""


@dataclass
class Write:
    """One write, with what decides about its frames."""

    action: str
    record: Record
    matched: bool
    visible: bool
    step: Step


@dataclass
class Server:
    """The table, and what is known of it that its rows do not show."""

    clock: str
    traits: Traits = PLAIN
    has_fields: bool = False
    table: dict[str, Record] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)
    counter: int = 0
    written_at: dict[str, float] = field(default_factory=dict)
    authors: dict[str, Record] = field(default_factory=dict)  # empty: nothing is expanded
    picked: dict[str, dict[str, int]] = field(default_factory=dict)  # by id, then by field
    extra: str = ""  # the name of a field that comes and goes; "" while there is none
    conceals: bool = False  # frames lack what reads have
    blurred: set[str] = field(default_factory=set)  # got another place that no row shows

    def __post_init__(self) -> None:
        self.conceals = self.traits.has_secret

    # -- writes

    def timestamp(self, now: float, step: Step) -> str:
        """Return the ``updated`` of a row written now."""
        early = step.stamp_early if self.clock == "skewed" else 0.0
        milliseconds = int((now - early + 1000) * 1000)
        if self.clock == "coarse":
            milliseconds -= milliseconds % 1000
        return _date(milliseconds)

    def write(self, step: Step, now: float) -> Write | None:
        """Does the step's write; None if there is nothing to do."""
        id, before = step.id, self.table.get(step.id)
        may_tie = now - self.written_at.get(id, -TIE) < TIE
        if step.action == "hide":
            self.hidden ^= set() if may_tie else {id}
            return None
        if id in self.hidden and may_tie:
            return None
        self.written_at[id] = now
        if before is None:
            if step.action in ("create", "enter", "update"):
                return self._store("create", {"id": id, "match": True}, step, now, None)
            return None
        if step.action in ("delete", "recreate"):
            matched, visible = before["match"], id not in self.hidden
            del self.table[id]
            self.hidden.discard(id)
            return Write("delete", before, matched, visible, step)
        match = {"leave": False, "leave again": False, "enter": True}.get(
            step.action, before["match"]
        )
        return self._store("update", {"id": id, "match": match}, step, now, before)

    def _store(
        self, action: str, body: Record, step: Step, now: float, before: Record | None
    ) -> Write:
        if before is None:
            self.picked.pop(step.id, None)
        body = {**body, **self._fields(step, is_new=before is None)}
        record = self.table[step.id] = self._stamped(body, step, now, before)
        if self.traits.has_secret:
            record["secret"] = -self.counter
        return Write(action, record, True, True, step)

    def _fields(self, step: Step, *, is_new: bool = False) -> Record:
        if not self.has_fields:
            return {}
        picked = self.picked.setdefault(step.id, dict.fromkeys(VALUES, 0))
        due = picked["due"]
        for name, pick in zip(VALUES, step.picks, strict=False):
            picked[name] = pick - 1 if pick else picked[name]
        found = {name: VALUES[name][picked[name]] for name in VALUES}
        if not is_new and picked["due"] != due and picked["due"] // 3 == due // 3:
            self.blurred.add(step.id)
        found["due"] = _date(found["due"] // 3)
        return found | ({self.extra: self.counter} if self.extra else {})

    def _stamped(self, body: Record, step: Step, now: float, before: Record | None) -> Record:
        self.counter += 1
        record = {**body, "n": self.counter}
        timestamp = self.timestamp(now, step)
        record["created"] = before["created"] if before else timestamp
        if self.clock == "frozen":
            record["updated"] = record["created"]
        elif self.clock != "absent":
            record["updated"] = timestamp
        return record

    def rename(self, step: Step, now: float) -> Record:
        """Changes the author of the step's row."""
        id = AUTHORS[step.id]
        self.authors[id] = self._stamped({"id": id}, step, now, self.authors.get(id))
        return self.authors[id]

    def sneak(self, step: Step) -> None:
        """Write the step's row past the hooks: no frame is sent, and no ``updated`` moves."""
        before = self.table.get(step.id)
        if before is not None:
            self.counter += 1
            written = {**before, **self._fields(step), "n": self.counter}
            if self.traits.has_secret:
                written["secret"] = -self.counter
            self.table[step.id] = written

    def alter(self, step: Step) -> None:
        """Changes the schema: a field comes, goes or gets another name, or is hidden or shown."""
        if self.traits.has_secret and step.picks[0] % 3 == 0:
            self.conceals = not self.conceals
            return
        before = self.extra
        self.extra = {"": "extra", "extra": ("", "other")[step.picks[0] % 2], "other": ""}[before]
        for id, row in self.table.items():
            kept = {name: value for name, value in row.items() if name != before}
            self.table[id] = kept | ({self.extra: row.get(before, "")} if self.extra else {})

    # -- reads

    def query(self, filtered: bool) -> dict[str, Record]:
        """The rows of the view's query, by id."""
        return {
            id: self._expanded(record)
            for id, record in self.table.items()
            if id not in self.hidden and (record["match"] or not filtered)
        }

    def _expanded(self, record: Record) -> Record:
        """The record with its author, as it is now."""
        author = self.authors.get(AUTHORS[record["id"]])
        return record if author is None else {**record, "expand": {"author": author}}

    def by_id(self, rows: Iterable[Record], after: str = "") -> list[Record]:
        """Those behind this id, in the order of ids."""
        key = self._text
        found = (row for row in rows if not after or key(row["id"]) > key(after))
        return sorted(found, key=lambda row: key(row["id"]))

    def arranged(self, rows: Iterable[Record]) -> list[Record]:
        """The rows in the order of the view's sort."""
        found = self.by_id(rows)
        for key in reversed(self._keys):
            found.sort(key=self._places(key.lstrip("-")), reverse=key.startswith("-"))
        return found

    @property
    def sorted_by(self) -> list[str]:
        """The fields of the view's sort."""
        return [key.lstrip("-") for key in self._keys]

    @property
    def _keys(self) -> list[str]:
        return [key for key in (self.traits.sort or "").split(",") if key]

    def compares(self, condition: str) -> bool:
        """Whether a row is found where this is true of literals."""
        key = str.encode if self.traits.lies else self._text
        return bool(self.table.keys() - self.hidden) and read_filter(condition, {}, key)({})

    def _text(self, text: str) -> Any:
        return collation_key(text) if self.traits.collates else text.encode()

    def _places(self, name: str) -> Callable[[Record], tuple[int, Any]]:
        """The place of a row by one field."""
        is_jsonb = name == "data" and self.traits.collates
        nulls = (9, 0) if self.traits.nulls_last and not is_jsonb else (0, 0)

        def place(row: Record) -> tuple[int, Any]:
            value = row[name]
            if name == "due" and self.traits.collates:
                return (1, (value, self.picked[row["id"]][name]))
            if value is None:
                return nulls
            if isinstance(value, str):
                return (1 if self.traits.collates else 3, self._text(value))
            return (3 if isinstance(value, bool) and self.traits.collates else 2, value)

        return place

    # -- frames

    def framed(self, record: Record) -> Record:
        """What a frame has of the record."""
        record = self._expanded(record)
        if not self.conceals:
            return record
        return {name: value for name, value in record.items() if name != "secret"}

    def sends(self, write: Write, *, filtered: bool) -> bool:
        """Whether the topic gets the frame: decided on the table as it is now, deletes excepted."""
        if write.action == "delete":
            return write.visible and (write.matched or not filtered)
        return write.record["id"] in self.query(filtered)


def _date(milliseconds: int) -> str:
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    seconds, rest = divmod(rest, 1000)
    return f"2026-01-{days + 1:02d} {hours:02d}:{minutes:02d}:{seconds:02d}.{rest:03d}Z"
