"""Files in the body of a request, and the addresses of files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import orjson

__all__ = ["split_files"]

Upload: TypeAlias = tuple[str, tuple[Any, ...]]

PAYLOAD_FIELD = "@jsonPayload"
"""The form field in which the server takes all that is no file, with its types kept."""


def split_files(body: Mapping[str, Any]) -> tuple[dict[str, Any], list[Upload]]:
    """The fields to send, and the files beside them, for a multipart body.

    Without files the fields are `body` itself, to be sent as JSON.

    Raises:
        OSError: a path that cannot be read.

    >>> split_files({"title": "Hi", "n": 1})
    ({'title': 'Hi', 'n': 1}, [])
    >>> fields, files = split_files({"n": 1, "photo": ("a.png", b"...")})
    >>> fields, files
    ({'@jsonPayload': b'{"n":1}'}, [('photo', ('a.png', b'...'))])
    """
    plain: dict[str, Any] = {}
    files: list[Upload] = []
    for name, value in body.items():
        values = value if isinstance(value, list) else [value]
        found = [upload for each in values if (upload := _upload(each)) is not None]
        if found and len(found) != len(values):
            raise TypeError(f"field {name!r} mixes files with other values: send them apart")
        if found:
            files += [(name, upload) for upload in found]
        else:
            plain[name] = value
    if not files:
        return plain, []
    return {PAYLOAD_FIELD: orjson.dumps(plain)}, files


def _upload(value: Any) -> tuple[Any, ...] | None:
    if isinstance(value, Path):
        return (value.name, value.read_bytes())
    if hasattr(value, "read"):
        name = getattr(value, "name", None)
        return (Path(name).name if isinstance(name, str) else "file", value)
    if isinstance(value, tuple) and len(value) in (2, 3) and isinstance(value[0], str):
        content = value[1]
        if isinstance(content, (bytes, bytearray)) or hasattr(content, "read"):
            return value
    return None
