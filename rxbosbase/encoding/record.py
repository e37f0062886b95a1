"""The type of a record: a JSON object of the server, one value for each field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from .narrowing import is_object

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    T = TypeVar("T", default=dict[str, Any])
else:
    from typing import TypeVar

    T = TypeVar("T")
"""What a record becomes. Its default, for a plain `RecordEvent` or `Snapshot` in an annotation, is
for type checkers alone."""

__all__ = ("NAME_FIELDS", "ReadOnlyRecord", "Record", "T", "id_of")

Record: TypeAlias = dict[str, Any]
"""A record as it was decoded."""

ReadOnlyRecord: TypeAlias = Mapping[str, Any]
"""A record that is read and never changed."""

NAME_FIELDS = ("name", "title", "username", "email", "id")
"""The fields that identify a record to a person, the best one first."""


def id_of(record: object) -> object:
    """Return the id of a record or a model, for a repr; None without one.

    >>> id_of({"id": "a"})
    'a'
    """
    return record.get("id") if is_object(record) else getattr(record, "id", None)
