"""The bytes that are streamed: the same for every contender, and the same in every run. Pure."""

from __future__ import annotations

import json
import random
from typing import Any

__all__ = ["COLLECTION", "chunk", "frame", "payloads", "record_id", "stamped"]

COLLECTION = "posts"
SMALL = 1000  # bytes; records below have 8 fields, others 40
STAMP_DIGITS = 19  # of a time in nanoseconds, at the beginning of the title
_TEXT = "The quick brown fox jumps over the lazy dog, twelve times a day. "
_NOT_ASCII = "naïve façade, 12 € a piece"


def record_id(number: int) -> str:
    """Return a record's id of 15 characters, as those of the server, but in a known order."""
    return f"r{number:014d}"


def payloads(size: int, count: int, *, version: int = 0) -> list[bytes]:
    """Return `count` records as JSON, each of `size` bytes (those of 8 fields take at least 230).

    A higher `version` makes the same records with a later ``updated``.
    """
    random_ = random.Random(size)
    return [_record(number, size, version, random_) for number in range(count)]


def _record(number: int, size: int, version: int, random_: random.Random) -> bytes:
    record: dict[str, Any] = {
        "collectionId": "pbc_1125843985",
        "collectionName": COLLECTION,
        "created": "2026-01-01 00:00:00.000Z",
        "id": record_id(number),
        "published": number % 2 == 0,
        "title": "",
        "updated": f"2026-01-02 {version // 60 % 24:02d}:{version % 60:02d}:00.000Z",
        "views": random_.randrange(100_000, 999_999),
    }
    if size >= SMALL:
        for at in range(32):
            record[f"field_{at:02d}"] = _value(at, random_)
    missing = size - len(_dump(record))
    texts = [name for name, value in record.items() if name != "title" and value == ""]
    for name in texts:
        record[name] = _text(missing // (len(texts) + 1))
    record["title"] = "x" * max(STAMP_DIGITS + 1, size - len(_dump(record)))
    return _dump(record)


def _value(at: int, random_: random.Random) -> Any:
    """Return the value of field number `at`; an empty text is filled later."""
    if at % 4 == 0:
        return random_.randrange(10_000)
    if at % 8 == 1:
        return round(random_.random(), 4)
    if at % 8 == 3:
        return random_.random() < 0.5
    if at == 2:
        return _NOT_ASCII
    return [record_id(at), record_id(at + 1)] if at % 16 == 5 else ""


def _text(size: int) -> str:
    return (_TEXT * (size // len(_TEXT) + 1))[:size]


def _dump(record: dict[str, Any]) -> bytes:
    return json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode()


def frame(client_id: str, topic: str, record: bytes, action: str = "update") -> bytes:
    """Return one event in the format of the server."""
    return b'id:%s\nevent:%s\ndata:{"record":%s,"action":"%s"}\n\n' % (
        client_id.encode(), topic.encode(), record, action.encode(),
    )  # fmt: skip


def chunk(data: bytes) -> bytes:
    """Return `data` as one chunk of HTTP/1.1, as the server sends each event."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def stamped(event: bytes, nanoseconds: int) -> bytes:
    """Return the event with its time of sending at the beginning of its title."""
    start = event.index(b'"title":"') + len(b'"title":"')
    return event[:start] + b"%019d" % nanoseconds + event[start + STAMP_DIGITS :]
