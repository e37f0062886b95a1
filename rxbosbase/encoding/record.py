"""The type of a record: a JSON object of the server, one value for each field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

__all__ = ["NAME_FIELDS", "ReadOnlyRecord", "Record"]

Record: TypeAlias = dict[str, Any]
"""A record as it was decoded."""

ReadOnlyRecord: TypeAlias = Mapping[str, Any]
"""A record that is read and never changed."""

NAME_FIELDS = ("name", "title", "username", "email", "id")
"""The fields that identify a record to a person, the best one first."""
