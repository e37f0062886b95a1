"""What a collection needs of its client, so that the two need not know one another whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from .auth.refresh import SingleFlight
from .auth.store import AuthStore
from .realtime.service import RealtimeService
from .realtime.topic_headers import TopicHeaders
from .records.filter_dialect import FilterDialect
from .runtime.network import Transport
from .runtime.scheduler import SerialScheduler

if TYPE_CHECKING:
    from .live.manager import LiveViewManager

__all__ = ["ClientContext"]


class ClientContext(Protocol):
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
    def live_hub(self) -> LiveViewManager:
        """The live views."""
        ...

    @property
    def scheduler(self) -> SerialScheduler:
        """The delivery thread's."""
        ...

    @property
    def send(self) -> Callable[..., Any]:
        """Any request."""
        ...
