"""The requests of a collection: filters, options, pages, models."""

from typing import TYPE_CHECKING

from rxbosbase._renamed import forward

__all__ = ()

if not TYPE_CHECKING:  # type checkers refuse the old names at once
    __getattr__ = forward(__name__, "rxbosbase.records.requests")
