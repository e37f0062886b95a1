"""Files in the body of a request, and the addresses of files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias, cast

from rxbosbase.encoding.json import encode
from rxbosbase.encoding.narrowing import is_array, is_mapping
from rxbosbase.encoding.utf8 import encodable
from rxbosbase.encoding.values import plain

__all__ = ("form_fields", "split_files")

Upload: TypeAlias = tuple[str, tuple[Any, ...]]

_UNSAFE = r"[\\\x00-\x1f\x7f\ud800-\udfff]"

PAYLOAD_FIELD = "@jsonPayload"
"""The form field in which the server reads all that is no file, with types."""


def split_files(body: Mapping[str, Any]) -> tuple[dict[str, Any], list[Upload]]:
    """Return the fields to send, and the files beside them, for a multipart body.

    Without files the fields are `body` itself, to be sent as JSON.

    Raises:
        OSError: a path that cannot be read.
        TypeError: a value that has no JSON form, or a list of files and other values.
        ValueError: a content type that would break its header.

    >>> split_files({"title": "Hi", "n": 1})
    ({'title': 'Hi', 'n': 1}, [])
    >>> fields, files = split_files({"n": 1, "photo": ("a.png", b"...")})
    >>> fields, files
    ({'@jsonPayload': b'{"n":1}'}, [('photo', ('a.png', b'...'))])
    """
    fields: dict[str, Any] = {}
    files: list[Upload] = []
    for name, value in body.items():
        values = value if is_array(value) else [value]
        found = [upload for each in values if (upload := _upload(each)) is not None]
        if found and len(found) != len(values):
            raise TypeError(f"field {name!r} mixes files with other values: send them apart")
        if found:
            files += [(encodable(f"the name of field {name!r}", name), upload) for upload in found]
        else:
            fields[name] = value
    if not files:
        return fields, []
    try:
        payload = encode(fields)
    except TypeError as error:
        raise TypeError(
            f"the body has a value that is neither JSON nor a file ({error}): give a file as an "
            "open file, a pathlib.Path or (name, content)"
        ) from None
    return {PAYLOAD_FIELD: payload}, files


def form_fields(body: Any) -> Any:
    """Return the fields of a form for `requests`: text, bytes, numbers, and lists of these, each of
    which is a field of its own. Other values are JSON in it.

    >>> form_fields({"on": True, "tags": ["a", 1], "data": {"n": 1}, "none": None})
    {'on': 'true', 'tags': ['a', 1], 'data': '{"n":1}', 'none': None}
    """
    if not is_mapping(body):
        return body
    return {
        name: value if isinstance(value, bytes) else _form_value(plain(value))
        for name, value in body.items()
    }


def _form_value(value: Any) -> Any:
    if is_array(value):
        return [_form_text(each) for each in value]
    return _form_text(value)


def _form_text(value: Any) -> Any:
    return encode(value).decode() if isinstance(value, (bool, dict, list)) else value


def _upload(value: Any) -> tuple[Any, ...] | None:
    if isinstance(value, Path):
        return (_safe_name(value.name), value.read_bytes())
    if hasattr(value, "read"):
        name = getattr(value, "name", None)
        return (_safe_name(Path(name).name if isinstance(name, str) else ""), value)
    parts = cast(tuple[Any, ...], value)
    if isinstance(value, tuple) and len(parts) in (2, 3) and isinstance(parts[0], str):
        content = parts[1]
        if isinstance(content, (bytes, bytearray)) or hasattr(content, "read"):
            if not all(isinstance(kind, str) and kind.isprintable() for kind in parts[2:]):
                raise ValueError(f"the type of file {parts[0]!r} must be text such as 'image/png'")
            return (_safe_name(parts[0]), *parts[1:])
    return None


def _safe_name(name: str) -> str:
    """Return `name` without what the server cannot take: it silently drops a file whose name ends
    in a backslash, and a byte of a file name that is no text is half a surrogate pair here. The
    server makes a name of its own of any name."""
    return re.sub(_UNSAFE, "_", name) or "file"
