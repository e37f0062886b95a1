"""A local server that behaves as BosBase on PostgreSQL with the collation ``en_US.utf8``.

The wire server with collections: writes send frames, and lists filter and sort as the database
does. It has all faults of the wire server::

    with BosBaseServer(hidden={"posts": {"secret"}}) as server:
        server.fill("posts", ({"id": id, "n": 0} for id in mixed_ids(2500)))   # no events
        first = server.create("posts", {"title": "a", "secret": 1})   # its event lacks "secret"
        server.update("posts", first["id"], {"title": "b"})
        server.delete("posts", first["id"])

        server.sql_update("posts", id, {"title": "c"}, microseconds=7)   # without the hooks
        server.sql_insert("posts", {"title": "d"}); server.sql_delete("posts", id)
        server.add_field("posts", "k", 0); server.rename_field("posts", "k", "count")
        server.hide_field("posts", "count"); server.remove_field("posts", "count")

        server.set_rule("posts", "login")     # with the faults of `BosBaseAccess`:
        with server.database_away(): …

        server.filters["n is odd"] = lambda row: row["n"] % 2 == 1   # a text that it does not parse
        with server.held_frames() as held:    # sent at the end, in the order of the list
            server.update(…); server.update(…); held.reverse()      # or held.clear(): lost
        server.stream.cut()

        server.reads_of("rows")               # the list reads of that kind, each with its query
        server.bytes_sent                     # in the bodies of reads and in frames of events

A second node on the same database tells its own streams of the writes made at itself alone::

        with BosBaseServer(database=server.database) as other:
            other.update("posts", first["id"], {"title": "c"})

``BosBaseServer(order="bytes")`` behaves as PostgreSQL with the collation ``C``; with
``nulls="first"`` too, it sorts as SQLite. The times come from a clock of its own that advances by
``tick`` with each write; they are shown in milliseconds and stored in microseconds. A collection
exists once a record was put into it, or `table` was called; a field, once a record had it.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias
from urllib.parse import parse_qs

from support.bosbase_access import BosBaseAccess, not_found
from support.bosbase_data import WRITER, Database, Order, mixed_ids
from support.bosbase_filter import Refused
from support.bosbase_table import Nulls, Record, Table
from support.wire_http import Answer, Request, problem, reply_json, status
from support.wire_log import WAIT_LIMIT
from support.wire_stream import Stream

__all__ = ["WRITER", "BosBaseServer", "Frame", "Read", "ReadKind", "mixed_ids"]

MAX_PER_PAGE = 1000
PER_PAGE = 30
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

ReadKind: TypeAlias = Literal["refused", "record", "probe", "named", "versions", "rows"]
"""The kinds of reads: those that the rows do not decide; one record; with a filter that names no
field; records by their ids; ids and ``updated`` in the order of ids; all others, so also ids in
another order."""


@dataclass(frozen=True, slots=True)
class Read:
    """One GET of records, with its response.

    Attributes:
        query: its parameters.
        code: the status of the answer.
        ids: of the records in it, in order.
        size: bytes of its body.
    """

    kind: ReadKind
    collection: str
    query: Mapping[str, str]
    code: int
    ids: tuple[str, ...]
    size: int


@dataclass(frozen=True, slots=True)
class Frame:
    """An event that is not sent yet."""

    stream: Stream
    topic: str
    record: Record
    action: str


class BosBaseServer(BosBaseAccess):
    """See the module, and the bases for their data, rules, log and faults.

    Attributes:
        id_pattern: the pattern of the ids that clients may give to new records.
        reads: the reads of records, in the order of their responses.
        bytes_sent: bytes of the bodies of these responses, and of frames of events.
    """

    def __init__(
        self,
        *,
        order: Order = "postgres",
        nulls: Nulls = "last",
        hidden: Mapping[str, Iterable[str]] | None = None,
        database: Database | None = None,
        **options: Any,
    ) -> None:
        """``hidden``: by collection, the fields its events lack; ``database``: that of another
        node; ``options``: the wire server's."""
        super().__init__(order, nulls, hidden or {}, database, **options)
        self.id_pattern = UUID
        self.reads: list[Read] = []
        self.bytes_sent = 0
        self._held: list[Frame] | None = None
        # Held until the frames are sent, so that they come in the order of the writes. Not the lock
        # of the data: a client that does not drain its stream may still read.
        self._write_lock = threading.RLock()

    def reads_of(self, *kinds: ReadKind, collection: str = "") -> list[Read]:
        """Return the reads of these kinds, or all; of this collection, or any."""
        with self.changed:
            return [
                read
                for read in self.reads
                if (not kinds or read.kind in kinds) and collection in ("", read.collection)
            ]

    def wait_reads(self, count: int, *kinds: ReadKind, timeout: float = WAIT_LIMIT) -> list[Read]:
        """Wait for so many reads of these kinds; return them."""
        what = f"{count} reads of {kinds or 'any kind'}"
        self.wait_for(lambda: len(self.reads_of(*kinds)) >= count, timeout, what)
        return self.reads_of(*kinds)

    # -- writes, and their events ----------------------------------------------------------------

    def create(self, name: str, record: Mapping[str, Any]) -> Record:
        """Create a record, with id and times unless given; return it as a read shows it."""
        return self._write(name, "create", lambda table: table.put(self.completed(record)))

    def update(self, name: str, id: str, values: Mapping[str, Any]) -> Record:
        """Change a record. Raises `KeyError`."""

        def change(table: Table) -> Record:
            known = {"id": table.rows[id]["id"], "updated": self.next_time(), "updatedBy": WRITER}
            return table.put({**known, **values})

        return self._write(name, "update", change)

    def delete(self, name: str, id: str) -> Record:
        """Delete a record; return its last state. Raises `KeyError`."""
        return self._write(name, "delete", lambda table: table.rows.pop(id))

    @contextmanager
    def held_frames(self) -> Generator[list[Frame]]:
        """Collect the frames of writes in a list, and send the list at the end, as it is then.

        Frames of a stream that has ended, or of a topic that it no longer has, are not sent.
        """
        held: list[Frame] = []
        self._held = held
        try:
            yield held
        finally:
            self._held = None
            with self._write_lock:
                self._send(held)

    def _write(self, name: str, action: str, change: Callable[[Table], Record]) -> Record:
        with self._write_lock:
            # No POST of topics comes between the change and the selection of its streams. In this
            # order: a thread in `wait_for` holds the first lock, and may read the data.
            with self.changed, self.data_lock:
                if not self.has_database:
                    raise RuntimeError("the database is away: only another node can write")
                table = self.table(name)
                row = change(table)
                frames = list(self._frames(table, row, action))
                shown = table.shown(row)
            if self._held is not None:
                self._held += frames
            else:
                self._send(frames)
            return shown

    def _frames(self, table: Table, row: Record, action: str) -> Iterator[Frame]:
        for stream in self.streams:
            for topic in stream.topics:
                name, _, rest = topic.partition("?")
                collection, _, target = name.rpartition("/")
                if (
                    target in ("*", row["id"])
                    and self.find_table(collection) is table
                    and self.may_see(table, stream.auth, None if target == "*" else target)
                ):
                    query = _options(rest)
                    if _passes(table, row, query.get("filter", "")):
                        record = table.shown(row, query.get("fields", ""), table.hidden)
                        yield Frame(stream, topic, record, action)

    def _send(self, frames: Iterable[Frame]) -> None:
        for each in frames:
            if each.topic in each.stream.topics:
                data = each.stream.frame(each.topic, {"record": each.record, "action": each.action})
                if each.stream.send_raw(data):
                    with self.changed:
                        self.bytes_sent += len(data)

    # -- requests --------------------------------------------------------------------------------

    def _records(self, request: Request, name: str, record_id: str | None) -> Answer:
        if name in self.collections:  # a scripted response takes precedence
            return super()._records(request, name, record_id)
        with self.data_lock:
            table = self.find_table(name)
        if table is None:
            return problem(404, "Missing collection context.")
        identity = self.identify(request)
        refusal = self.refusal(table, request.method, identity, record_id)
        if request.method != "GET":
            return refusal or self._written(table, request, record_id)
        answer, kind, ids = (
            self._read(table, request.query, record_id, self.may_see(table, identity, record_id))
            if refusal is None
            else (refusal, "refused", ())
        )
        read = Read(kind, table.name, request.query, answer.code, ids, len(answer.body))
        with self.changed:
            self.reads.append(read)
            self.bytes_sent += read.size
            self.changed.notify_all()
        return answer

    def _read(
        self, table: Table, query: Mapping[str, str], id: str | None, may_see: bool
    ) -> tuple[Answer, ReadKind, tuple[str, ...]]:
        fields = query.get("fields", "")
        with self.data_lock:
            if id is not None:
                row = table.rows.get(id)
                if row is None or not may_see:
                    return not_found(), "record", ()
                return reply_json(table.shown(row, fields)), "record", (id,)
            try:
                kind = _kind(table, query)
                rows = table.select(query.get("filter", ""), query.get("sort", ""))
            except Refused as refused:
                return problem(400, str(refused)), "probe", ()
            rows = rows if may_see else []
            page = int(query.get("page") or 1)
            size = min(int(query.get("perPage") or PER_PAGE), MAX_PER_PAGE)
            some = rows[(page - 1) * size : page * size]
            items = [table.shown(row, fields) for row in some]
        skips = query.get("skipTotal", "") in ("1", "true")
        total, pages = (-1, -1) if skips else (len(rows), -(-len(rows) // size))
        head = {"page": page, "perPage": size, "totalItems": total, "totalPages": pages}
        return reply_json({**head, "items": items}), kind, tuple(row["id"] for row in some)

    def _written(self, table: Table, request: Request, id: str | None) -> Answer:
        values = request.json() if request.body else {}
        try:
            if request.method == "DELETE" and id is not None:
                self.delete(table.name, id)
                return status(204)
            if request.method == "PATCH" and id is not None:
                return reply_json(self.update(table.name, id, values))
        except KeyError:
            return not_found()
        given = values.get("id")
        if given is not None and not self.id_pattern.fullmatch(given):
            fault = {"code": "validation_match_invalid", "message": "Invalid value format."}
            return problem(400, "Failed to create record.", {"id": fault})
        return reply_json(self.create(table.name, values))


def _options(rest: str) -> dict[str, str]:
    """Return the query in the options of a topic."""
    given = parse_qs(rest).get("options", ["{}"])[0]
    query: dict[str, str] = json.loads(given).get("query", {})
    return query


def _passes(table: Table, row: Record, filter: str) -> bool:
    """Return True if a topic with this filter gets events of the row; invalid ones get none."""
    try:
        return table.condition(filter).matches(row)
    except Refused:
        return False


def _kind(table: Table, query: Mapping[str, str]) -> ReadKind:
    filter = query.get("filter", "")
    if filter and not table.condition(filter).names:
        return "probe"
    if re.search(r"\bid = ['\"]", filter):
        return "named"
    if query.get("fields") == "id,updated" and query.get("sort") == "id":
        return "versions"
    return "rows"
