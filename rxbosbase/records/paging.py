"""Lists that are read page by page: how many records a page has, and that there is an end. Pure.

A page whose answer is too large is asked for again with fewer records. A server, or a cache in
front of it, that gives the same pages again and again must not become a list without end.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeAlias

from rxbosbase.encoding.unreadable import UnreadableRow
from rxbosbase.errors import AnswerTooLargeError, ProtocolError

__all__ = ["PageSize", "Passed", "read_by_offset", "read_fitting"]

log = logging.getLogger("rxbosbase.records")

Record: TypeAlias = dict[str, Any]

SHRINK = 4
"""A page that is too large is asked for again with this part of its records: each attempt costs
the download of a whole answer, a page that is smaller than need be only a request more."""

MAX_REPEATS = 3
"""Pages in a row that may hold nothing new …"""

MAX_REPEATED = 100
"""… and records in them: small pages may be more. That is honest: where others insert records while
the pages are read by offset, a page can repeat the one before."""

LONGEST_WAIT = 16
"""Answers that fit, at most, before a page gets larger again."""


class PageSize:
    """How many records to ask for: fewer once an answer was too large, then slowly more again.

    Each answer that is too large makes the way back slower, since it costs a whole download.

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
        self._is_told = False
        self._wait = self._left = 0  # answers that have to fit before a page gets larger
        self.now = most

    def too_large(self, error: AnswerTooLargeError) -> None:
        """An answer with so many records was too large. A warning in the log says it once."""
        self.now = max(1, self.now // SHRINK)
        self._wait = min(2 * self._wait or 1, LONGEST_WAIT)
        self._left = self._wait
        level = logging.INFO if self._is_told else logging.WARNING
        log.log(level, "%s; now reading %d records a page", error, self.now)
        self._is_told = True

    def fits(self) -> None:
        """An answer was not too large."""
        self._left -= 1
        if self._left <= 0 and self.now < self._most:
            self._left = self._wait
            self.now = min(self._most, self.now + max(1, self.now // 2))

    def at(self, offset: int) -> int:
        """As many, or fewer, so that a page of this size begins at `offset`.

        >>> PageSize(400).at(1000)
        250
        """
        return next(size for size in range(self.now, 0, -1) if offset % size == 0)


def read_fitting(
    size: PageSize,
    read: Callable[[int], Sequence[Record]],
    stamps: Callable[[], Sequence[Record]] | None = None,
    *,
    offset: int = 0,
    by_id: bool = False,
) -> tuple[list[Record], int]:
    """The records of ``read(n)``, and n: as many as an answer can hold.

    Args:
        stamps: reads no more than id and age of the next record. Where that record alone is too
            large, an `UnreadableRow` stands for it; without `stamps` it is an error.
        offset: where a page of n records has to begin.
        by_id: the records are named, so that no other can come in the place of one.

    Raises:
        AnswerTooLargeError: a single record is too large, and there is no `stamps`.
    """
    suspect = None
    while True:
        asked = size.at(offset)
        try:
            rows = list(read(asked))
        except AnswerTooLargeError as error:
            if asked > 1:
                size.too_large(error)
                continue
            if stamps is None:
                raise
            found = list(stamps())
            ids = [row["id"] for row in found]
            # Others write: it may have gone meanwhile, and a small one have taken its place.
            if by_id or not ids or ids == suspect:
                return [UnreadableRow(row, "", 0) for row in found], 1
            suspect = ids
        else:
            size.fits()
            return rows, asked


def read_by_offset(
    size: PageSize,
    read: Callable[[int, int], Sequence[Record]],
    stamps: Callable[[int, int], Sequence[Record]] | None = None,
    *,
    limit: int | None = None,
) -> list[Record]:
    """The records of a list in the server's own order, each once.

    Args:
        read: gives a page, by its number from 1 on and its size.
        stamps: the same, id and age alone; see `read_fitting`.
        limit: no more than so many.

    Raises:
        ProtocolError: the pages come again.
    """
    rows: dict[str, Record] = {}
    offset = repeats = repeated = 0
    while True:
        items, asked = read_fitting(
            size,
            partial(_numbered, read, offset),
            None if stamps is None else partial(_numbered, stamps, offset, 1),
            offset=offset,
        )
        known = len(rows)
        # While others write, a page can repeat or miss a record: it stands where it was seen last.
        for item in items:
            rows.pop(item["id"], None)
            rows[item["id"]] = item
        if len(items) < asked or (limit is not None and len(rows) >= limit):
            return list(rows.values())[:limit]
        if len(rows) > known:
            repeats = repeated = 0
        else:
            repeats, repeated = repeats + 1, repeated + asked
            if repeats >= MAX_REPEATS and repeated >= MAX_REPEATED:
                raise ProtocolError(_AGAIN)
        offset += asked


def _numbered(
    read: Callable[[int, int], Sequence[Record]], offset: int, size: int
) -> Sequence[Record]:
    return read(offset // size + 1, size)


class Passed:
    """The places that a list in the order of ids has come past.

    Each page begins behind the last id of the one before, so that no place comes twice. That ids
    grow is not compared here: some databases sort them by the rules of a language, in which
    ``"aa"`` may follow ``"z"``.
    """

    def __init__(self) -> None:
        self._ids: set[str] = set()

    def add(self, last_id: str) -> None:
        """The page that ended with `last_id` was read.

        Raises:
            ProtocolError: one before had ended there.
        """
        if last_id in self._ids:
            raise ProtocolError(_AGAIN)
        self._ids.add(last_id)


_AGAIN = (
    "the list has no end: it gives the same page again; is base_url a BosBase server, or does a "
    "cache stand in between?"
)
