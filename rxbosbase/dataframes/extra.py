"""The optional parts, imported when they are needed and not before."""

from __future__ import annotations

from typing import Any

from rxbosbase.errors import MissingExtraError

__all__ = ["numpy", "pandas"]

EXTRA = "notebook"


def pandas() -> Any:
    """The module; `MissingExtraError` says how to install it."""
    try:
        import pandas
    except ModuleNotFoundError as missing:
        raise MissingExtraError("A DataFrame", EXTRA) from missing
    return pandas


def numpy() -> Any:
    """The module that pandas brings along."""
    pandas()
    import numpy

    return numpy
