"""rxbosbase: BosBase's realtime API as reactive streams.

Where things are, from the bottom up. A module imports from the lines above its own only, and the
packages marked "pure" reach no I/O, no threads, no clock and no randomness::

    encoding/             JSON, UTF-8 and values (pure)
    errors, events        the tree of errors; what subscribers get (pure)
    runtime/              schedulers, threads, the fork guard; backoff.py (`BackoffPolicy`),
                          retry.py (what waits and subscribes again)
    http/ auth/           requests, and the bytes of event streams; who is logged in
    access/               which refusals of the server are answers: refusals.py has the table
    operators/            one operator a file
    realtime/protocol/    topics, frames: bytes to values and back (pure)
    realtime/session/     the state of a connection; topic_submission.py says what a failed POST
                          means, a 404 for one (pure)
    realtime/             driver.py runs a session, shard_streams.py one for each node;
                          delivery.py calls the observers
    records/              records by request
    live/engine/          what a live view knows and shows; record_state.py has the theory (pure)
    live/                 driver.py runs an engine; publisher.py calls the observers
    collection, client    what users call; _runtime.py makes all of it, and closes it
    aio/ dataframes/ dashboard/ server/ testing/ cli/    optional

An operator is added as a file in operators/, exported in its ``__init__``, with a marble diagram in
its docstring, which the tests run: `operators.of_action` is a short example.
"""

from typing import TYPE_CHECKING, Any

from . import _renamed
from ._runtime import ClientOptions
from .auth.file_store import FileAuthStore
from .auth.store import AuthState, AuthStore
from .client import BosBase
from .collection import Collection, ViewOptions
from .encoding.record import Record
from .encoding.unreadable import UnreadableRecord
from .errors import (
    AnswerTooLargeError,
    AuthLostError,
    BosBaseError,
    BufferOverflowError,
    ClientClosedError,
    ClientResponseError,
    ConnectionFailedError,
    MalformedEvent,
    MissingExtraError,
    ProtocolError,
    RecordDecodeError,
    RedirectError,
    RequestTimeoutError,
    SameNodeError,
    StreamLostError,
    UnknownDialectError,
    UnreadableError,
)
from .events import Action, Event, Message, ReceivedAt, RecordEvent
from .realtime.api import Realtime, Unsubscribe
from .realtime.event_iterator import EventIterator
from .realtime.session.stats import Stats
from .realtime.session.status import StateName, Status
from .records.collections import Collections
from .records.filters import Dialect
from .records.models import Model
from .records.options import ListOptions, RecordOptions
from .records.reader import OnDecodeError
from .records.requests import OnUnreadable, Page
from .runtime.backoff import BackoffPolicy
from .runtime.scheduler import SerialScheduler
from .runtime.streams import Latest, Stream

if TYPE_CHECKING:
    from .live.engine.snapshot import Change, Snapshot
    from .live.view import LiveView

__all__ = (
    "Action",
    "AnswerTooLargeError",
    "AuthLostError",
    "AuthState",
    "AuthStore",
    "BackoffPolicy",
    "BosBase",
    "BosBaseError",
    "BufferOverflowError",
    "Change",
    "ClientClosedError",
    "ClientOptions",
    "ClientResponseError",
    "Collection",
    "Collections",
    "ConnectionFailedError",
    "Dialect",
    "Event",
    "EventIterator",
    "FileAuthStore",
    "Latest",
    "ListOptions",
    "LiveView",
    "MalformedEvent",
    "Message",
    "MissingExtraError",
    "Model",
    "OnDecodeError",
    "OnUnreadable",
    "Page",
    "ProtocolError",
    "Realtime",
    "ReceivedAt",
    "Record",
    "RecordDecodeError",
    "RecordEvent",
    "RecordOptions",
    "RedirectError",
    "RequestTimeoutError",
    "SameNodeError",
    "SerialScheduler",
    "Snapshot",
    "StateName",
    "Stats",
    "Status",
    "Stream",
    "StreamLostError",
    "UnknownDialectError",
    "UnreadableError",
    "UnreadableRecord",
    "Unsubscribe",
    "ViewOptions",
)

_renamed.install()
if not TYPE_CHECKING:  # type checkers refuse the old names at once
    _old_name = _renamed.forward(__name__)

    def __getattr__(name: str) -> Any:
        if name not in ("Change", "LiveView", "Snapshot"):
            return _old_name(name)
        # Live views are a third of the library, and loaded with the first use of one.
        from .live.engine.snapshot import Change, Snapshot
        from .live.view import LiveView

        globals().update(Change=Change, LiveView=LiveView, Snapshot=Snapshot)
        return globals()[name]

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
