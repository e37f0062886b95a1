"""The optional dependencies, imported on first use."""

from __future__ import annotations

from typing import Any

from rxbosbase._extras import missing_extra

__all__ = ("numpy", "pandas")

EXTRA = "notebook"


def pandas() -> Any:
    """Return the module pandas, or raise `MissingExtraError`."""
    try:
        import pandas
    except ModuleNotFoundError as missing:
        raise missing_extra("A DataFrame", EXTRA) from missing
    return pandas


def numpy() -> Any:
    """Return the module numpy, which pandas requires."""
    pandas()
    import numpy

    return numpy
