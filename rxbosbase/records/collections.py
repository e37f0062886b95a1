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

    Get it by ``client.collections``. A collection is a dict, as the server describes it. All of
    them raise `ClientResponseError` where the server refuses: 401 or 403 without a superuser's
    login, 404 for no such collection, 400 for what the server cannot store;
    `RequestTimeoutError` or `ConnectionFailedError` without a response, `ProtocolError` for one
    that is no JSON, and `ClientClosedError` once the client is closed.

    >>> from rxbosbase.server import EmbeddedServer
    >>> fields = [{"name": "title", "type": "text"}]
    >>> with EmbeddedServer() as server, server.client(superuser=True) as client:
    ...     body = {"name": "tasks", "type": "base", "listRule": "", "fields": fields}
    ...     created = client.collections.create(body)
    ...     updated = client.collections.update("tasks", {"viewRule": ""})
    ...     found = client.collections.get("tasks")
    ...     client.collections.import_([{**found, "name": "jobs"}])
    ...     page = client.collections.get_list(filter="name = 'jobs'")
    ...     client.collections.delete("jobs")
    >>> created["listRule"], updated["viewRule"], page["totalItems"]
    ('', '', 1)
    """

    def __init__(self, send: Callable[..., dict[str, Any]]) -> None:
        self._send = send

    def __repr__(self) -> str:
        return "<Collections of the server>"

    def get_list(
        self, page: int = 1, per_page: int = 30, **options: Unpack[ListOptions]
    ) -> dict[str, Any]:
        """Return one page: ``{"page", "perPage", "totalItems", "totalPages", "items"}``.

        Args:
            page: the page's number, from 1 on.
            per_page: how many collections a page has, 1 to 1000.
            options: the keywords of `ListOptions`: ``filter``, ``sort``, ``fields``, ``query``,
                ``headers``, ``timeout``.

        Raises:
            BosBaseError: the request failed, as `Collections` says.
            TypeError, ValueError: an argument is invalid.
        """
        checked = read_options(options)
        query = {**dict(checked.query), "page": page, "perPage": per_page}
        return self._send(
            "GET", PATH,
            query=query, headers=dict(checked.headers), timeout=options.get("timeout"),
        )  # fmt: skip

    def get(self, name: str) -> dict[str, Any]:
        """Return the collection of this name or id.

        Args:
            name: its name or id.

        Raises:
            BosBaseError: the request failed, as `Collections` says.
            TypeError, ValueError: an argument is invalid.
        """
        return self._send("GET", _path(name))

    def create(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Create a collection, and return it with its id.

        Args:
            body: its properties: at least ``name``, ``type`` and ``fields``.

        Raises:
            BosBaseError: the request failed, as `Collections` says.
            TypeError, ValueError: `body` cannot be sent.
        """
        return self._send("POST", PATH, body=dict(body))

    def update(self, name: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Change the properties in `body`, and return the collection.

        Args:
            name: its name or id.
            body: the properties to change; ``fields`` are all of them, those left out are deleted.

        Raises:
            BosBaseError: the request failed, as `Collections` says.
            TypeError, ValueError: an argument is invalid.
        """
        return self._send("PATCH", _path(name), body=dict(body))

    def import_(
        self, collections: Sequence[Mapping[str, Any]], *, delete_missing: bool = False
    ) -> None:
        """Create or change all of `collections` in one step.

        Args:
            collections: the properties of each, as for `create`; one with a known id is changed.
            delete_missing: delete all other collections, with their records.

        Raises:
            BosBaseError: the request failed, as `Collections` says; nothing is changed then.
            TypeError, ValueError: `collections` cannot be sent.
        """
        body = {
            "collections": [dict(each) for each in collections],
            "deleteMissing": delete_missing,
        }
        self._send("PUT", f"{PATH}/import", body=body)

    def delete(self, name: str) -> None:
        """Delete the collection and all its records.

        Args:
            name: its name or id.

        Raises:
            BosBaseError: the request failed, as `Collections` says.
            TypeError, ValueError: an argument is invalid.
        """
        self._send("DELETE", _path(name))


def _path(name: str) -> str:
    return f"{PATH}/{quote(check_collection(name), safe='')}"
