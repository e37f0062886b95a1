"""rxbosbase: BosBase's realtime API as reactive streams."""

from .auth import AuthState, AuthStore
from .client import BosBase
from .errors import (
    BosBaseError,
    ClientClosedError,
    ClientResponseError,
    ConnectionFailedError,
    MissingExtraError,
    ProtocolError,
    RequestTimeoutError,
    StreamLostError,
)
from .realtime.events import Message, RecordEvent
from .realtime.facade import Unsubscribe
from .realtime.reconnect import BackoffPolicy
from .realtime.status import Status
from .records import Collection

__all__ = [
    "AuthState",
    "AuthStore",
    "BackoffPolicy",
    "BosBase",
    "BosBaseError",
    "ClientClosedError",
    "ClientResponseError",
    "Collection",
    "ConnectionFailedError",
    "Message",
    "MissingExtraError",
    "ProtocolError",
    "RecordEvent",
    "RequestTimeoutError",
    "Status",
    "StreamLostError",
    "Unsubscribe",
]
