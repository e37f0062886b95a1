"""rxbosbase: BosBase's realtime API as reactive streams.

Where things are, from the bottom up. A module imports from the lines above its own only, and the
packages marked "pure" reach no I/O, no threads, no clock and no randomness::

    encoding/             JSON, UTF-8 and values (pure)
    errors, events        the tree of errors; what subscribers get (pure)
    runtime/              schedulers, threads, the fork guard; backoff.py (`BackoffPolicy`),
                          retry.py (what waits and subscribes again)
    http/ auth/           requests, and the bytes of event streams; who is logged in
    operators/            one operator a file
    realtime/protocol/    topics, frames: bytes to values and back (pure)
    realtime/session/     the state of a connection; topic_submission.py says what a failed POST
                          means, a 404 for one (pure)
    realtime/             driver.py runs a session; delivery.py calls the observers
    records/              records by request
    live/engine/          what a live view knows and shows; record_state.py has the theory (pure)
    live/                 driver.py runs an engine; publisher.py calls the observers
    collection, client    what users call; _runtime.py makes all of it, and closes it
    aio/ dataframes/ dashboard/ server/ testing/ cli/    optional

An operator is added as a file in operators/, exported in its ``__init__``, with a marble diagram in
its docstring, which the tests run: `operators.of_action` is a short example.
"""

from typing import TYPE_CHECKING

from . import _renamed
from .auth.file_store import FileAuthStore
from .auth.store import AuthState, AuthStore
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
from .runtime.backoff import BackoffPolicy

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

_renamed.install()
if not TYPE_CHECKING:  # type checkers refuse the old names at once
    __getattr__ = _renamed.forward(__name__)
