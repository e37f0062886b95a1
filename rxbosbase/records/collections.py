"""``client.collections``: the server's own collections, for superusers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Unpack
from urllib.parse import quote

from rxbosbase.realtime.protocol.topics import check_collection

from .options import ListOptions, read_options

__all__ = ("Collections",)

PATH = "/api/collections"


class Collections:
    """The requests that create, read, change and delete collections; for superusers.

    Example:
        ``client.collections.create({"name": "posts", "type": "base", "listRule": "",
        "fields": [{"name": "title", "type": "text"}]})``
    """

    def __init__(self, send: Callable[..., dict[str, Any]]) -> None:
        self._send = send

    def get_list(
        self, page: int = 1, per_page: int = 30, **options: Unpack[ListOptions]
    ) -> dict[str, Any]:
        """Return one page of collections."""
        checked = read_options(options)
        query = {**dict(checked.query), "page": page, "perPage": per_page}
        return self._send(
            "GET", PATH,
            query=query, headers=dict(checked.headers), timeout=options.get("timeout"),
        )  # fmt: skip

    def get(self, name: str) -> dict[str, Any]:
        """Return the collection of this name or id."""
        return self._send("GET", _path(name))

    def create(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Create a collection: at least ``name``, ``type`` and ``fields``."""
        return self._send("POST", PATH, body=dict(body))

    def update(self, name: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Change the properties in `body`."""
        return self._send("PATCH", _path(name), body=dict(body))

    def import_(
        self, collections: Sequence[Mapping[str, Any]], *, delete_missing: bool = False
    ) -> None:
        """Create or change all of `collections` in one step; with `delete_missing` all others are
        deleted, with their records."""
        body = {
            "collections": [dict(each) for each in collections],
            "deleteMissing": delete_missing,
        }
        self._send("PUT", f"{PATH}/import", body=body)

    def delete(self, name: str) -> None:
        """Delete the collection and all its records."""
        self._send("DELETE", _path(name))


def _path(name: str) -> str:
    return f"{PATH}/{quote(check_collection(name), safe='')}"
