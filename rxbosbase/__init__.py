"""rxbosbase: BosBase's realtime API as reactive streams."""

from .auth import AuthState, AuthStore
from .auth_file import FileAuthStore
from .client import BosBase
from .collection import Collection
from .errors import (
    AnswerTooLargeError,
    AuthLostError,
    BosBaseError,
    ClientClosedError,
    ClientResponseError,
    ConnectionFailedError,
    MissingExtraError,
    ProtocolError,
    RecordDecodeError,
    RequestTimeoutError,
    StreamLostError,
    UnreadableError,
)
from .realtime.events import Message, RecordEvent
from .realtime.facade import Unsubscribe
from .realtime.reconnect import BackoffPolicy
from .realtime.stats import Stats
from .realtime.status import Status
from .unreadable import UnreadableRecord

__all__ = [
    "AnswerTooLargeError",
    "AuthLostError",
    "AuthState",
    "AuthStore",
    "BackoffPolicy",
    "BosBase",
    "BosBaseError",
    "ClientClosedError",
    "ClientResponseError",
    "Collection",
    "ConnectionFailedError",
    "FileAuthStore",
    "Message",
    "MissingExtraError",
    "ProtocolError",
    "RecordDecodeError",
    "RecordEvent",
    "RequestTimeoutError",
    "Stats",
    "Status",
    "StreamLostError",
    "UnreadableError",
    "UnreadableRecord",
    "Unsubscribe",
]
