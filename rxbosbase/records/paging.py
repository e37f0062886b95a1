"""Lists that are read page by page: the size of a page, and the end of the list. Pure.

A page whose response is too large is requested again with fewer records. A server, or a cache in
front of it, that repeats the same pages must not become a list without end.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial

from rxbosbase.encoding.record import Record
from rxbosbase.encoding.unreadable import UnreadableRow
from rxbosbase.errors import AnswerTooLargeError, ProtocolError

__all__ = ("MAX_PER_PAGE", "PageSize", "Passed", "read_by_offset", "read_fitting")

log = logging.getLogger("rxbosbase.records")

MAX_PER_PAGE = 1000
"""Records of a page; the server gives no more."""

SHRINK = 4
"""A page that is too large is requested again with this part of its records: each attempt costs
the download of a whole response, a page that is too small only one more request."""

MAX_REPEATS = 3
"""Pages in a row that may hold no new record …"""

MAX_REPEATED = 100
"""… and records in them: small pages may be more. A correct server repeats a page, too: if other
clients insert records while the pages are read by offset."""

LONGEST_WAIT = 16
"""Responses that fit, at most, before a page gets larger again."""


class PageSize:
    """How many records to request: fewer after a response was too large, then slowly more.

    Each response that is too large makes the growth slower, since it costs a whole download.

    >>> size = PageSize(1000)
    >>> size.too_large(AnswerTooLargeError("http://localhost", "9 bytes"))
    >>> size.now
    250
    >>> size.fits()
    >>> size.now
    375
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._has_warned = False
        self._wait = self._left = 0  # responses that have to fit before a page gets larger
        self.now = most

    def too_large(self, error: AnswerTooLargeError) -> None:
        """Reduce the size: a response was too large. The first one is logged as a warning."""
        self.now = max(1, self.now // SHRINK)
        self._wait = min(2 * self._wait or 1, LONGEST_WAIT)
        self._left = self._wait
        level = logging.INFO if self._has_warned else logging.WARNING
        log.log(level, "%s; now reading %d records a page", error, self.now)
        self._has_warned = True

    def fits(self) -> None:
        """Count a response that was not too large."""
        self._left -= 1
        if self._left <= 0 and self.now < self._most:
            self._left = self._wait
            self.now = min(self._most, self.now + max(1, self.now // 2))

    def at(self, offset: int) -> int:
        """Return `now`, or less, so that a page of this size begins at `offset`.

        >>> PageSize(400).at(1000)
        250
        """
        return next(size for size in range(self.now, 0, -1) if offset % size == 0)


def read_fitting(
    size: PageSize,
    read: Callable[[int], Sequence[Record]],
    versions: Callable[[], Sequence[Record]] | None = None,
    *,
    offset: int = 0,
    by_id: bool = False,
) -> tuple[list[Record], int]:
    """Return the records of ``read(n)``, and n: as many as a response can hold.

    Args:
        versions: reads only id and ``updated`` of the next record. If that record alone is too
            large, an `UnreadableRow` takes its place; without `versions` it is an error.
        offset: where a page of n records has to begin.
        by_id: the records are requested by id, so that no other can take the place of one.

    Raises:
        AnswerTooLargeError: a single record is too large, and there is no `versions`.
    """
    suspect = None
    while True:
        requested = size.at(offset)
        try:
            rows = list(read(requested))
        except AnswerTooLargeError as error:
            if requested > 1:
                size.too_large(error)
                continue
            if versions is None:
                raise
            found = list(versions())
            ids = [row["id"] for row in found]
            # Other clients write: a small record may have taken its place meanwhile.
            if by_id or not ids or ids == suspect:
                return [UnreadableRow(row, "", 0) for row in found], 1
            suspect = ids
        else:
            size.fits()
            return rows, requested


def read_by_offset(
    size: PageSize,
    read: Callable[[int, int], Sequence[Record]],
    versions: Callable[[int, int], Sequence[Record]] | None = None,
    *,
    limit: int | None = None,
) -> list[Record]:
    """Return the records of a list in the server's own order, each once.

    Args:
        read: returns a page, by its number from 1 on and its size.
        versions: the same, only id and ``updated``; see `read_fitting`.
        limit: the largest number of records.

    Raises:
        ProtocolError: the pages come again.
    """
    rows: dict[str, Record] = {}
    offset = repeats = repeated = 0
    while True:
        items, requested = read_fitting(
            size,
            partial(_numbered, read, offset),
            None if versions is None else partial(_numbered, versions, offset, 1),
            offset=offset,
        )
        known = len(rows)
        # While others write, a page can repeat or miss a record: its last place counts.
        for item in items:
            rows.pop(item["id"], None)
            rows[item["id"]] = item
        if len(items) < requested or (limit is not None and len(rows) >= limit):
            return list(rows.values())[:limit]
        if len(rows) > known:
            repeats = repeated = 0
        else:
            repeats, repeated = repeats + 1, repeated + requested
            if repeats >= MAX_REPEATS and repeated >= MAX_REPEATED:
                raise ProtocolError(_AGAIN)
        offset += requested


def _numbered(
    read: Callable[[int, int], Sequence[Record]], offset: int, size: int
) -> Sequence[Record]:
    return read(offset // size + 1, size)


class Passed:
    """The last ids of the pages of a list in the order of ids.

    Each page begins after the last id of the one before, so that no last id repeats. Whether ids
    grow is not compared here: some databases sort them by the rules of a language, in which
    ``"aa"`` may follow ``"z"``.
    """

    def __init__(self) -> None:
        self._ids: set[str] = set()

    def add(self, last_id: str) -> None:
        """Record that the page that ended with `last_id` was read.

        Raises:
            ProtocolError: an earlier page ended there.
        """
        if last_id in self._ids:
            raise ProtocolError(_AGAIN)
        self._ids.add(last_id)


_AGAIN = (
    "the list has no end: it gives the same page again; is base_url a BosBase server, or does a "
    "cache stand in between?"
)
