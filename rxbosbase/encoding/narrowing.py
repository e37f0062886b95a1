"""Checks of decoded JSON that type checkers follow. Pure.

After ``isinstance(value, dict)`` they do not know the types of its keys and values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

__all__ = ("is_array", "is_mapping", "is_object", "is_sequence")


def is_object(value: object) -> TypeGuard[dict[str, Any]]:
    """Return True for a decoded JSON object."""
    return isinstance(value, dict)


def is_array(value: object) -> TypeGuard[list[Any]]:
    """Return True for a decoded JSON array."""
    return isinstance(value, list)


def is_mapping(value: object) -> TypeGuard[Mapping[str, Any]]:
    """Return True for a mapping, whose keys are taken to be names."""
    return isinstance(value, Mapping)


def is_sequence(value: object) -> TypeGuard[Sequence[Any]]:
    """Return True for a sequence of values; a text is none."""
    return isinstance(value, Sequence) and not isinstance(value, str)
