"""What a collection needs of its client, so that the two need not know one another whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from .auth import AuthStore
from .dialect import FilterDialect
from .realtime.service import RealtimeService
from .refresh import SingleFlight
from .runtime.loop import Loop
from .runtime.network import Transport
from .topic_headers import TopicHeaders

if TYPE_CHECKING:
    from .live.hub import LiveHub

__all__ = ["ClientParts"]


class ClientParts(Protocol):
    """The client, as its collections see it."""

    auth_store: AuthStore
    topic_headers: TopicHeaders
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
    def service(self) -> RealtimeService:
        """The realtime rooms."""
        ...

    @property
    def live_hub(self) -> LiveHub:
        """The live views."""
        ...

    @property
    def scheduler(self) -> Loop:
        """The delivery thread's."""
        ...

    @property
    def send(self) -> Callable[..., Any]:
        """Any request."""
        ...
