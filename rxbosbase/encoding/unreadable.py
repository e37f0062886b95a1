"""Records that cannot be decoded, and how to decode what is beside them. Pure.

JSON may be nested deeper than the interpreter can decode (about 1000 levels in Python 3.11), and
the server stores it nevertheless. One such value must not hide the other records of its response,
nor the other fields of its own. So each array and object that is a field of a record is cut out of
the text, without recursion, and decoded by itself. The rest is decoded as usual, and refused as
usual where it is no JSON. This is slow, and done only after decoding the whole has failed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import msgspec

from .json import TooDeepError, decode
from .narrowing import is_array, is_object

__all__ = ("UnreadableRecord", "UnreadableRow", "find_unreadable", "read_record", "read_response")


MAX_CUTS = 100_000
"""Arrays and objects that are cut out of one text. A page has some for each of 1000 records; each
costs some hundred bytes, and a text of nothing else has millions."""


class UnreadableRecord(msgspec.Struct, frozen=True):
    """A record that is left out, and why.

    Attributes:
        collection: the collection's name, "" where the response has none.
        id: the record's id, "" where the response has none.
        field: the field that cannot be decoded; ``"expand"`` if it is one of an expanded record;
            "" for the whole record.
        depth: how many levels the field's value is nested; 0 for a record that is larger than a
            response may be.

    >>> print(UnreadableRecord("posts", "abc", "data", 1500))
    record 'abc' of 'posts': its field 'data' is nested 1500 levels deep
    """

    collection: str
    id: str
    field: str
    depth: int

    def __str__(self) -> str:
        record = f"record {self.id!r}" if self.id else "a record"
        place = f" of {self.collection!r}" if self.collection else ""
        if not self.depth:
            return f"{record}{place}: it is larger than an answer may be (max_answer_bytes)"
        value = f"its field {self.field!r}" if self.field else "it"
        return f"{record}{place}: {value} is nested {self.depth} levels deep"


class UnreadableRow(dict[str, Any]):
    """The fields of a record that could be decoded; `field` could not. With a `depth` of 0 the
    record is too large to be read.

    It equals no row that was decoded whole, so that a live view detects the difference.
    """

    __slots__ = ("depth", "field")

    def __init__(self, fields: dict[str, Any], field: str, depth: int) -> None:
        super().__init__(fields)
        self.field = field
        self.depth = depth

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, UnreadableRow):
            return False
        same_cause = (self.field, self.depth) == (other.field, other.depth)
        return same_cause and super().__eq__(other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None

    def summary(self, collection: str = "") -> UnreadableRecord:
        """Return the public value that describes it in errors, snapshots and the status."""
        name, id = self.get("collectionName"), self.get("id")
        return UnreadableRecord(
            collection or (name if isinstance(name, str) else ""),
            id if isinstance(id, str) else "",
            self.field,
            self.depth,
        )


def read_record(text: bytes) -> dict[str, Any]:
    """Return the record of a JSON object; an `UnreadableRow` where a field cannot be decoded.

    Raises:
        ValueError: it is no JSON object.

    >>> read_record(b'{"id": "a", "data": ' + b"[" * 20000 + b"]" * 20000 + b"}").depth
    20000
    """
    try:
        record = decode(text)
    except TooDeepError:
        record = _row(_Cut(text, 1).fields())
    if not is_object(record):
        raise ValueError("it is no object")
    return record


def read_response(text: bytes) -> Any:
    """Return the value of a JSON text. If a page of records, or an object with one ``record``,
    cannot be decoded whole, an `UnreadableRow` takes the place of each record that cannot.

    Raises:
        TooDeepError: an array that is nested too deeply, or a text with too many parts.
        ValueError: it is no JSON.
    """
    try:
        return decode(text)
    except TooDeepError:
        cut = _Cut(text, 1)
    if cut.is_array:
        raise TooDeepError("it is nested too deeply")
    # A record may have fields of these names, too.
    fields = cut.fields()
    if "id" not in fields:
        if "page" in fields and isinstance(items := fields.get("items"), _Deep):
            fields["items"] = _Cut(items.text, 2).rows()
        elif fields.keys() & {"action", "token"} and isinstance(
            record := fields.get("record"), _Deep
        ):
            fields["record"] = read_record(record.text)
    return _row(fields)


def find_unreadable(response: Any) -> tuple[UnreadableRow, ...]:
    """Return the records of a response that `read_response` could not decode whole."""
    if isinstance(response, UnreadableRow):
        return (response,)
    if not is_object(response):
        return ()
    items = response.get("items")
    rows = [*(items if is_array(items) else ()), response.get("record")]
    return tuple(row for row in rows if isinstance(row, UnreadableRow))


class _Deep(msgspec.Struct):
    """An array or object that cannot be decoded."""

    text: bytes
    depth: int


class _Cut:
    """An object or array in whose JSON a mark replaces each array and object that is inside `level`
    others. What it replaces is decoded by itself.

    Raises:
        TooDeepError: there are more than `MAX_CUTS` of them.
        ValueError: it is no JSON.
    """

    def __init__(self, text: bytes, level: int) -> None:
        # No text can hold the digest of itself.
        self._mark = hashlib.sha256(text).hexdigest()
        self._inner: list[Any] = []
        shallow: list[bytes] = []
        end = 0
        for start, behind, depth in _containers(text, level):
            shallow += text[end:start], f'"{self._mark}{len(self._inner)}"'.encode()
            end = behind
            self._inner.append(_decoded(text[start:end], depth))
            if len(self._inner) > MAX_CUTS:
                raise TooDeepError(
                    "it is nested too deeply, and has too many parts to look for where"
                )
        self._whole = decode(b"".join([*shallow, text[end:]]))

    @property
    def is_array(self) -> bool:
        return is_array(self._whole)

    def fields(self) -> dict[str, Any]:
        """Return the members of an object."""
        return self._members(self._whole)

    def rows(self) -> list[dict[str, Any]]:
        """Return the records of an array."""
        if not is_array(self._whole):
            raise ValueError("it is no array")
        return [_row(self._members(record)) for record in self._whole]

    def _members(self, record: Any) -> dict[str, Any]:
        if not is_object(record):
            raise ValueError("it is no object")
        if any(name.startswith(self._mark) for name in record):
            raise ValueError("it is malformed: a name is no text")
        return {name: self._value(value) for name, value in record.items()}

    def _value(self, value: Any) -> Any:
        if isinstance(value, str) and value.startswith(self._mark):
            return self._inner[int(value.removeprefix(self._mark))]
        return value


def _decoded(text: bytes, depth: int) -> Any:
    try:
        return decode(text)
    except TooDeepError:
        return _Deep(text, depth)


def _row(fields: dict[str, Any]) -> dict[str, Any]:
    deep = {name: value.depth for name, value in fields.items() if isinstance(value, _Deep)}
    if not deep:  # none of them is too deep alone
        return fields
    worst = max(deep, key=lambda name: deep[name])
    return UnreadableRow(
        {name: value for name, value in fields.items() if name not in deep}, worst, deep[worst]
    )


@cache
def _brackets() -> re.Pattern[bytes]:
    """Return the pattern of what comes before the next brackets of one kind, strings included,
    and of these brackets."""
    return re.compile(rb'(?:[^"\[\]{}]++|"(?:[^"\\]++|\\.)*+")*+([\[{]++|[\]}]++)', re.DOTALL)


def _containers(text: bytes, level: int) -> Iterator[tuple[int, int, int]]:
    """Yield start, end and depth of each array and object inside `level` others, up to where the
    text is no JSON.

    Raises:
        ValueError: one has no end.
    """
    at = around = 0
    brackets = _brackets()
    while token := brackets.match(text, at):
        start = token.start(1)
        if text[start] in b"]}":
            around, at = around - 1, start + 1
        elif around < level:
            around, at = around + 1, start + 1
        else:
            at, depth = _end_and_depth(text, start)
            yield start, at, depth
        if around <= 0:
            return


def _end_and_depth(text: bytes, start: int) -> tuple[int, int]:
    """Return where the object or array that starts at `start` ends, and its number of levels."""
    at, depth, deepest = start, 0, 0
    brackets = _brackets()
    while token := brackets.match(text, at):
        count, at = len(token[1]), token.end()
        if text[token.start(1)] in b"[{":
            depth += count
            deepest = max(deepest, depth)
        else:
            depth -= count
            if depth <= 0:  # the last brackets may end enclosing ones, too
                return at + depth, deepest
    raise ValueError("it has no end")
