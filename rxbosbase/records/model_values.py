"""The values of a record's fields: how each is converted or refused. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from typing import Any, NamedTuple, TypeAlias, cast

from rxbosbase.encoding.narrowing import is_object
from rxbosbase.errors import RecordDecodeError

__all__ = (
    "SIMPLE",
    "Check",
    "Convert",
    "ValueMismatch",
    "changed",
    "items_of",
    "one_of",
    "values_of",
)

Convert: TypeAlias = Callable[[Any], Any]
"""Converts a value of the server to the type of a model; raises `ValueMismatch`."""


class ValueMismatch(Exception):
    """A value does not fit; while it is raised it collects the names of the fields around it."""

    def __init__(self, expected: str, found: str, original: Exception | None = None) -> None:
        super().__init__(expected, found)
        self.expected, self.found, self.original = expected, found, original
        self.path: tuple[str, ...] = ()

    def within(self, name: str) -> ValueMismatch:
        self.path = (name, *self.path)
        return self

    def decode_error(self, collection: str, record: Any) -> RecordDecodeError:
        id = record.get("id") if is_object(record) else None
        return RecordDecodeError(
            ".".join(self.path),
            collection,
            self.expected,
            found=self.found,
            record_id=id if isinstance(id, str) else "",
            original=self.original,
        )


class Check(NamedTuple):
    """How to convert a value: unchanged if its type is `exact`, else by `convert`."""

    expected: str
    exact: type | None
    convert: Convert


def changed(change: Convert, value: Any, key: str) -> Any:
    try:
        return change(value)
    except ValueMismatch as misfit:
        raise misfit.within(key) from None


def _refused(expected: str) -> Convert:
    def convert(value: Any) -> Any:
        raise ValueMismatch(expected, type(value).__name__)

    return convert


def _int(value: Any) -> int:
    if type(value) is float and value.is_integer():
        return int(value)
    raise ValueMismatch("int", type(value).__name__)


def _float(value: Any) -> float:
    if type(value) is int:
        return float(value)
    raise ValueMismatch("float", type(value).__name__)


def _datetime(value: Any) -> datetime:
    if type(value) is str:
        try:
            found = datetime.fromisoformat(value)
        except ValueError:
            raise ValueMismatch("datetime", "another text" if value else "an empty text") from None
        return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
    raise ValueMismatch("datetime", type(value).__name__)


def _date(value: Any) -> date:
    return _datetime(value).date()


def _none(value: Any) -> None:
    if value is not None:
        raise ValueMismatch("None", type(value).__name__)


SIMPLE: dict[type, Check] = {
    str: Check("str", str, _refused("str")),
    bool: Check("bool", bool, _refused("bool")),
    int: Check("int", int, _int),
    float: Check("float", float, _float),
    datetime: Check("datetime", None, _datetime),
    date: Check("date", None, _date),
    type(None): Check("None", type(None), _none),
}


def one_of(values: Iterable[Any], table: dict[Any, Any]) -> Check:
    expected = "one of " + ", ".join(repr(value) for value in values)
    # True == 1 and 1 == 1.0 would find one another.
    by_type: dict[tuple[type, Any], Any] = {
        (type(value), value): result for value, result in table.items()
    }

    def convert(value: Any) -> Any:
        try:
            return by_type[type(value), value]
        except (KeyError, TypeError):
            raise ValueMismatch(expected, f"another {type(value).__name__}") from None

    return Check(expected, None, convert)


def items_of(make: Callable[[Iterable[Any]], Any], item: Check) -> Convert:
    def convert(value: Any) -> Any:
        if type(value) is not list:
            raise ValueMismatch(f"list of {item.expected}", type(value).__name__)
        items: list[Any] = value  # pyright: ignore[reportUnknownVariableType]
        return make(_converted(item, at, each) for at, each in enumerate(items))

    return convert


def values_of(item: Check) -> Convert:
    def convert(value: Any) -> Any:
        if type(value) is not dict:
            raise ValueMismatch("dict", type(value).__name__)
        fields = cast("dict[str, Any]", value)
        return {key: _converted(item, key, each) for key, each in fields.items()}

    return convert


def _converted(item: Check, at: int | str, value: Any) -> Any:
    if type(value) is item.exact:
        return value
    return changed(item.convert, value, str(at))
