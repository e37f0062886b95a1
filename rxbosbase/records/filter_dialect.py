"""The dialect of a server's filters: given, or learned by a request.

Only a request shows it, and only where the caller may list a collection: a server of a dialect
responds to the guard of that dialect with 200, and one of the other dialect with 400.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, TypeVar

from rxbosbase.access.questions import Read, records_path
from rxbosbase.errors import ClientResponseError, ProtocolError

from .filters import GUARDS, Dialect, UnknownDialectError, build_filter

__all__ = ("FilterDialect", "check_dialect")

T = TypeVar("T")


def check_dialect(given: object) -> Dialect | None:
    """Return the argument ``filter_dialect=``; raise ValueError for an unknown dialect."""
    for dialect in (None, *GUARDS):
        if given == dialect:
            return dialect
    raise ValueError(f"filter_dialect must be 'escaped', 'plain' or None, not {given!r}")


class FilterDialect:
    """The dialect of one server.

    Args:
        read: makes a GET: path, query, headers.

    Attributes:
        known: the dialect, or None as long as it is neither given nor learned.
    """

    def __init__(self, read: Read, known: Dialect | None = None) -> None:
        self._read = read
        self.known: Dialect | None = known

    def learn(self, collection: str, headers: Mapping[str, str]) -> Dialect:
        """Learn the dialect from the server, with one or two reads of at most one id.

        Raises:
            ClientResponseError: the collection may not be listed (403, 404); or 400, the server
                refuses both guards, which it does while its database is away.
            RequestTimeoutError, ConnectionFailedError, ProtocolError: no usable response.
        """
        path = records_path(collection)
        query = {"perPage": "1", "skipTotal": "1", "fields": "id"}
        try:
            self._read(path, {**query, "filter": GUARDS["escaped"]}, headers)
        except ClientResponseError as error:
            if error.status != 400:
                raise
        else:
            self.known = "escaped"
            return self.known
        self._read(path, {**query, "filter": GUARDS["plain"]}, headers)
        self.known = "plain"
        return self.known

    def build(
        self, collection: str, headers: Mapping[str, str], expression: str, **values: Any
    ) -> str:
        """Return `build_filter` for a read of this collection that follows: where the dialect
        matters and is not known, it is learned there."""
        try:
            return build_filter(expression, self.known, **values)
        except UnknownDialectError:
            return build_filter(expression, self.learn(collection, headers), **values)

    def can_name(self, collection: str, headers: Mapping[str, str], id: str) -> bool:
        """True if a filter can hold this id: none can hold a NUL, and in the dialect ``"plain"``
        none can hold a text that ends in a backslash."""
        if "\x00" in id:
            return False
        if not id.endswith("\\"):
            return True
        return (self.known or self.learn(collection, headers)) == "escaped"

    def up_to_a_name(
        self, collection: str, headers: Mapping[str, str], ids: list[str]
    ) -> list[str]:
        """Return the ids of a full page, up to the last one that the next page's filter can hold.

        Raises:
            ProtocolError: it can hold none of them.
        """
        for end in range(len(ids), 0, -1):
            if self.can_name(collection, headers, ids[end - 1]):
                return ids[:end]
        raise ProtocolError(
            f"{len(ids)} ids of {collection!r} in a row hold a NUL or end in a backslash, which no "
            "filter of this server can name: what comes behind them cannot be read"
        )

    def retried(self, collection: str, headers: Mapping[str, str], call: Callable[[], T]) -> T:
        """Return ``call()``; run it once more if the server refused it because an update has
        changed its dialect."""
        try:
            return call()
        except ClientResponseError as error:
            if error.status != 400 or not self._has_changed(collection, headers):
                raise
        return call()

    def _has_changed(self, collection: str, headers: Mapping[str, str]) -> bool:
        before = self.known
        if before is None:
            return False
        with suppress(ClientResponseError):  # then the refusal had another reason
            return self.learn(collection, headers) != before
        return False
