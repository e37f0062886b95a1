"""The URLs of the files of records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import quote, urlencode

from rxbosbase.encoding.utf8 import check_encodable

__all__ = ("file_url",)


def file_url(
    base_url: str,
    record: Mapping[str, Any],
    name: str,
    *,
    thumb: str | None,
    token: str | None,
    download: bool,
) -> str:
    """Return the URL of a record's file, as `BosBase.file_url` describes it.

    Raises:
        ValueError: the record has no id or no collection, or the name is none of a file.
    """
    collection = record.get("collectionId") or record.get("collectionName")
    parts = (collection, record.get("id"), name)
    if not all(isinstance(part, str) and part not in ("", ".", "..") for part in parts):
        raise ValueError("file_url needs a record with id and collectionId, and a file's name")
    given = {"collection": collection, "id": parts[1], "name": name, "thumb": thumb}
    check_encodable("file_url", {**given, "token": token})
    path = "/".join(quote(cast(str, part), safe="") for part in parts)
    query = {"thumb": thumb, "token": token, "download": "1" if download else None}
    asked = urlencode({key: value for key, value in query.items() if value})
    return f"{base_url}/api/files/{path}" + (f"?{asked}" if asked else "")
