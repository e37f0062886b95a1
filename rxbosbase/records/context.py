"""What the requests of a collection need of its client."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from rxbosbase.auth.refresh import SingleFlight
from rxbosbase.auth.store import AuthStore
from rxbosbase.runtime.network import Transport

from .filter_dialect import FilterDialect

__all__ = ("RecordsContext",)


class RecordsContext(Protocol):
    """The client, as the requests of its collections see it."""

    auth_store: AuthStore
    transport: Transport

    @property
    def single_flight(self) -> SingleFlight:
        """Shares equal requests that are under way."""
        ...

    @property
    def dialect(self) -> FilterDialect:
        """How the server's filters read text."""
        ...

    @property
    def send(self) -> Callable[..., Any]:
        """Send any request."""
        ...
