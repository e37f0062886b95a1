"""A function for another process: it has to be importable there."""

from __future__ import annotations

from typing import NoReturn

__all__ = ["raise_it"]


def raise_it(error: Exception) -> NoReturn:
    """Raise the error."""
    raise error
