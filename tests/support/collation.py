"""The two orders of text of a scripted database."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeAlias

from rxbosbase.testing.collation import collation_key

__all__ = ["Collation", "by_bytes", "en_us"]

Collation: TypeAlias = Callable[[str], Any]
"""A function that returns the sort key of a text."""


def by_bytes(text: str) -> bytes:
    """Return the sort key of the collation ``C``, and of SQLite.

    >>> by_bytes("Z") < by_bytes("a")
    True
    """
    return text.encode()


en_us: Collation = lru_cache(maxsize=100_000)(collation_key)
"""The order of PostgreSQL's ``en_US.utf8``; cached: ids are sorted often."""
