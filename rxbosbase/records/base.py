"""What the requests of one collection have in common: its name, its paths, the keywords."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from rxbosbase.realtime.protocol.topics import check_collection, check_id

from .context import RecordsContext
from .options import read_options

__all__ = ("NOT_BOSBASE", "CollectionRequests")

NOT_BOSBASE = "is base_url a BosBase server?"


class CollectionRequests:
    """Sends the requests of one collection."""

    def __init__(self, context: RecordsContext, name: str) -> None:
        name = check_collection(name)
        self._context = context
        self.name = name
        # Quoted, since `requests` reads "%2e%2e" as "..", which leads to other endpoints.
        self._base = f"/api/collections/{quote(name, safe='')}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}>"

    def _path(self, id: str | None = None) -> str:
        path = f"{self._base}/records"
        if id is None:
            return path
        return f"{path}/{quote(check_id(id), safe='')}"

    def _request(
        self,
        method: str,
        path: str,
        options: Mapping[str, Any],
        extra: Mapping[str, Any] | None = None,
        **rest: Any,
    ) -> Any:
        checked = read_options(options)
        query = {**dict(checked.query), **(extra or {})}
        return self._context.send(
            method, path, query=query, headers=dict(checked.headers),
            timeout=options.get("timeout"), **rest,
        )  # fmt: skip
