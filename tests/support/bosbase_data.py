"""The data of the BosBase-like server: collections, a clock, and writes without hooks."""

from __future__ import annotations

import itertools
import random
import string
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Literal

from support.bosbase_filter import Filters, Matches
from support.bosbase_table import Nulls, Record, Table
from support.collation import by_bytes, en_us

__all__ = ["WRITER", "BosBaseData", "Database", "Order", "mixed_ids"]

Order = Literal["postgres", "bytes"]
"""The collation of text: that of ``en_US.utf8``, or ``C``."""

WRITER = "019ac0de-0000-7000-8000-000000000000"
"""The id of the user who writes."""


def mixed_ids(count: int, seed: int = 1) -> list[str]:
    """Return ids of 15 letters of both cases and digits, in no order.

    >>> mixed_ids(2)
    ['i0VpEBOWfbZAVaB', 'So63bbH6xnAbnBE']
    """
    chosen = random.Random(seed)
    letters = string.ascii_letters + string.digits
    return ["".join(chosen.choices(letters, k=15)) for _ in range(count)]


@dataclass
class Database:
    """What the nodes on one database share.

    Attributes:
        filters: functions of the row for texts of filters; other texts are parsed.
        clock: the newest time; that of a write is `tick` later.
        lock: held while the rows are read or changed.
        tables: the collections by name.
        serial: numbers for new ids.
    """

    filters: dict[str, Matches] = field(default_factory=dict)
    clock: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    tick: timedelta = timedelta(seconds=1, microseconds=1)
    lock: threading.RLock = field(default_factory=threading.RLock)
    tables: dict[str, Table] = field(default_factory=dict)
    serial: Iterator[int] = field(default_factory=partial(itertools.count, 1))


class BosBaseData:
    """The data of one server. Its methods may be called from any thread.

    Attributes:
        database: what other nodes may share.
        filters: those of the database.
        data_lock: that of the database.
    """

    def __init__(
        self,
        order: Order,
        nulls: Nulls,
        hidden: Mapping[str, Iterable[str]],
        database: Database | None = None,
    ) -> None:
        self.database = database or Database()
        self.filters, self.data_lock = self.database.filters, self.database.lock
        self._collation = en_us if order == "postgres" else by_bytes
        self._nulls: Nulls = nulls
        self._hidden = {name: set(fields) for name, fields in hidden.items()}
        self._tables = self.database.tables

    # -- reading ---------------------------------------------------------------------------------

    def table(self, name: str) -> Table:
        """Return the collection, created if it does not exist; a client does not create one."""
        with self.data_lock:
            if name not in self._tables:
                filters = Filters(self._collation, self.filters)
                table = self._tables[name] = Table(name, self._collation, self._nulls, filters)
                table.hidden = self._hidden.get(name, set())
            return self._tables[name]

    def find_table(self, name: str) -> Table | None:
        """Return the collection of this name or id, if it exists."""
        with self.data_lock:
            by_id = (table for table in self._tables.values() if table.id == name)
            return self._tables.get(name) or next(by_id, None)

    def ids(self, name: str, filter: str = "", sort: str = "") -> list[str]:
        """Return the ids of a list without pages."""
        with self.data_lock:
            return [row["id"] for row in self.table(name).select(filter, sort)]

    def record(self, name: str, id: str) -> Record:
        """Return the record as a read shows it. Raises `KeyError`."""
        with self.data_lock:
            table = self.table(name)
            return table.shown(table.rows[id])

    # -- writing without the hooks and events --------------------------------------------------

    def fill(self, name: str, records: Iterable[Mapping[str, Any]]) -> list[str]:
        """Insert rows, completed as by `create`; return their ids."""
        with self.data_lock:
            table = self.table(name)
            return [table.put(self.completed(record))["id"] for record in records]

    def sql_insert(self, name: str, record: Mapping[str, Any]) -> str:
        """Insert a row; return its id."""
        return self.fill(name, [record])[0]

    def sql_update(
        self, name: str, id: str, values: Mapping[str, Any], *, microseconds: int = 0
    ) -> None:
        """Change a row; its ``updated`` stays, or changes by so much. Raises `KeyError`."""
        with self.data_lock:
            table = self.table(name)
            updated = table.rows[id]["updated"] + timedelta(microseconds=microseconds)
            table.put({"id": id, "updated": updated, **values})

    def sql_delete(self, name: str, id: str) -> None:
        """Delete a row. Raises `KeyError`."""
        with self.data_lock:
            del self.table(name).rows[id]

    # -- the schema ------------------------------------------------------------------------------

    def add_field(self, name: str, field: str, value: Any = None) -> None:
        """Add a field, with this value in each record; their ``updated`` stays."""
        with self.data_lock:
            self.table(name).add_field(field, value)

    def remove_field(self, name: str, field: str) -> None:
        """Remove a field. Raises `ValueError` if it does not exist."""
        with self.data_lock:
            self.table(name).remove_field(field)

    def rename_field(self, name: str, field: str, new: str) -> None:
        """Rename a field. Raises `ValueError` if it does not exist."""
        with self.data_lock:
            self.table(name).rename_field(field, new)

    def hide_field(self, name: str, field: str) -> None:
        """Hide the field in events; lists, as those of a superuser, have it."""
        with self.data_lock:
            self.table(name).hidden.add(field)

    def rename_collection(self, name: str, new: str) -> None:
        """Rename a collection; its id stays. Raises `KeyError`."""
        with self.data_lock:
            table = self._tables[new] = self._tables.pop(name)
            table.name = new

    def delete_collection(self, name: str) -> None:
        """Delete a collection. Raises `KeyError`."""
        with self.data_lock:
            del self._tables[name]

    # -- what a write adds -----------------------------------------------------------------------

    def completed(self, record: Mapping[str, Any]) -> Record:
        """Return a new record with the fields that the server adds, unless they are given."""
        time = self.next_time()
        made = {
            "id": self._new_id(), "createdBy": WRITER, "updatedBy": WRITER,
            "created": time, "updated": time,
        }  # fmt: skip
        return {**made, **record}

    def next_time(self) -> datetime:
        """Advance the clock and return the time of a write."""
        with self.data_lock:
            self.database.clock += self.database.tick
            return self.database.clock

    def _new_id(self) -> str:
        """Return a UUID of version 7: it begins with the milliseconds, so later ones sort later."""
        number = next(self.database.serial)
        moment = f"{int(self.database.clock.timestamp() * 1000):012x}"
        return f"{moment[:8]}-{moment[8:]}-7000-8000-{number:012x}"
