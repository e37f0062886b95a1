"""rxbosbase: BosBase's realtime API as reactive streams."""

from .auth.file_store import FileAuthStore
from .auth.store import AuthState, AuthStore
from .backoff import BackoffPolicy
from .client import BosBase
from .collection import Collection
from .encoding.unreadable import UnreadableRecord
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
from .events import Message, RecordEvent
from .realtime.api import Unsubscribe
from .realtime.session.stats import Stats
from .realtime.session.status import Status

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
