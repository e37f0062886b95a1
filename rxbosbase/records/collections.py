"""``client.collections``: the server's own collections, for superusers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from rxbosbase.realtime.protocol.topics import check_collection

__all__ = ["Collections"]

PATH = "/api/collections"


class Collections:
    """Creates, reads, changes and deletes collections. Needs a superuser's login.

    Example:
        ``client.collections.create({"name": "posts", "type": "base", "listRule": "",
        "fields": [{"name": "title", "type": "text"}]})``
    """

    def __init__(self, send: Callable[..., dict[str, Any]]) -> None:
        self._send = send

    def get_list(self, page: int = 1, per_page: int = 30, **query: Any) -> dict[str, Any]:
        """One page of collections; further query parameters by keyword (filter, sort, …)."""
        asked = {"page": page, "perPage": per_page, **query}
        return self._send("GET", PATH, query=asked)

    def get(self, name: str) -> dict[str, Any]:
        """The collection of this name or id."""
        return self._send("GET", _path(name))

    def create(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Creates a collection: at least ``name``, ``type`` and ``fields``."""
        return self._send("POST", PATH, body=dict(body))

    def update(self, name: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Changes what stands in `body`."""
        return self._send("PATCH", _path(name), body=dict(body))

    def import_(
        self, collections: Sequence[Mapping[str, Any]], *, delete_missing: bool = False
    ) -> None:
        """Creates or changes all of `collections` in one step; with `delete_missing` those that
        are not among them are deleted, with their records."""
        body = {
            "collections": [dict(each) for each in collections],
            "deleteMissing": delete_missing,
        }
        self._send("PUT", f"{PATH}/import", body=body)

    def delete(self, name: str) -> None:
        """Deletes the collection and all its records."""
        self._send("DELETE", _path(name))


def _path(name: str) -> str:
    return f"{PATH}/{quote(check_collection(name), safe='')}"
