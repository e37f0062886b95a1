"""The public names and signatures, pinned: a change to them is on purpose, and shows in review.

``python -m tests.project.test_public_names`` writes the table at the end anew; read its diff.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest

import rxbosbase
from rxbosbase import Collection, Unsubscribe, operators
from rxbosbase.realtime.api import Realtime
from rxbosbase.realtime.event_iterator import EventIterator
from rxbosbase.records.collections import Collections
from rxbosbase.server import EmbeddedServer

OURS = "rxbosbase"
UNEXPORTED = (Collections, EmbeddedServer, EventIterator, Realtime)
"""Classes that users meet as what a public name gives them."""

GIVEN = frozenset({Collection, Collections, EventIterator, Realtime, Unsubscribe})
"""Classes that the library makes and users do not: how they are made is no promise."""

DUNDERS = frozenset({"__init__", "__call__", "__enter__", "__getitem__", "__iter__", "__next__"})

_UNNAMED = re.compile(r"<(?:built-in |bound )?(?:function|method) ([\w.]+)[^<>]*>")


class _Bare(str):
    """An annotation without quotes, however the module it comes from spelt it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def members(cls: type) -> Iterator[str]:
    """The signatures of a class's public members, those of its own bases included."""
    if isinstance(cls, msgspec.StructMeta):  # its constructor is no function of the class
        yield signature("__init__", cls)
    for name in sorted(dir(cls)):
        owner = next((base for base in cls.__mro__ if name in vars(base)), object)
        if not owner.__module__.startswith(OURS) or (name == "__init__" and cls in GIVEN):
            continue
        if (not name.startswith("_") or name in DUNDERS) and (text := member(cls, name)):
            yield text


def member(cls: type, name: str) -> str:
    """One member as text; "" for what is no interface."""
    found = inspect.getattr_static(cls, name)
    if isinstance(found, (staticmethod, classmethod)):
        return f"{type(found).__name__} {signature(name, found.__func__)}"
    if isinstance(found, property):
        assert found.fget is not None
        settable = " (settable)" if found.fset else ""
        return f"{name}: {inspect.signature(found.fget).return_annotation}{settable}"
    if callable(found):
        return signature(name, found)
    return name if inspect.ismemberdescriptor(found) else ""


def signature(name: str, function: Any) -> str:
    """The function's signature, the same on every run and every Python."""
    plain = inspect.signature(function)
    parameters = [p.replace(annotation=_bare(p.annotation)) for p in plain.parameters.values()]
    bare = plain.replace(parameters=parameters, return_annotation=_bare(plain.return_annotation))
    return name + _UNNAMED.sub(r"\1", str(bare))


def _bare(annotation: Any) -> Any:
    return _Bare(annotation) if isinstance(annotation, str) else annotation


def functions(module: ModuleType) -> Iterator[str]:
    """The signatures of a module's public functions and classes, and its other names."""
    for name in sorted(module.__all__):
        item = getattr(module, name)
        known = inspect.isfunction(item) or inspect.isclass(item)
        yield signature(name, item) if known else name


def wrapped(lines: Iterator[str]) -> str:
    """Lines that are short enough to be read, and always broken at the same places."""
    return "\n".join(
        textwrap.fill(
            line, 96, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False
        )
        for line in lines
    )


def actual() -> dict[str, str]:
    """The table as the code has it."""
    exported = [getattr(rxbosbase, name) for name in rxbosbase.__all__]
    classes = [item for item in exported if isinstance(item, type)]
    table = {cls.__name__: wrapped(members(cls)) for cls in (*classes, *UNEXPORTED)}
    return {**dict(sorted(table.items())), "operators": wrapped(functions(operators))}


@pytest.mark.parametrize("name", sorted(actual()))
def test_signatures_are_those_of_the_table(name: str) -> None:
    """Each public class and operator has exactly the members and signatures of the table."""
    assert actual()[name].splitlines() == SIGNATURES.get(name, "").strip().splitlines()


def test_the_table_names_nothing_that_is_gone() -> None:
    """The table of signatures has an entry for each public class and no other."""
    assert sorted(SIGNATURES) == sorted(actual())


def test_the_packages_names_are_those_of_the_table_sorted_and_really_there() -> None:
    """`rxbosbase.__all__` is the sorted list `NAMES`, and each name exists."""
    assert rxbosbase.__all__ == NAMES
    assert sorted(set(NAMES)) == NAMES
    assert all(hasattr(rxbosbase, name) for name in NAMES)


def test_keywords_are_named_but_for_the_values_of_a_filter() -> None:
    """No public signature takes any keyword: `filter` alone has names that callers choose."""
    lines = [line for text in actual().values() for line in text.replace("\n    ", " ").split("\n")]
    loose = [line for line in lines if re.search(r"\*\*\w+: Any\b", line)]
    assert [line.partition("(")[0] for line in loose] == ["filter"]


def rewrite() -> None:
    """Replaces the table at the end of this file."""
    path = Path(__file__)
    kept, marker, _ = path.read_text(encoding="utf-8").partition(MARKER)
    names = "\n".join(f'    "{name}",' for name in rxbosbase.__all__)
    rows = "\n".join(f'    "{name}": """\n{text}\n""",' for name, text in actual().items())
    table = f"\n\nNAMES = [\n{names}\n]\n\nSIGNATURES = {{\n{rows}\n}}\n"
    path.write_text(kept + marker + table, encoding="utf-8")


MARKER = "# What stands below" + " is promised to users."

if __name__ == "__main__":
    rewrite()

# What stands below is promised to users.

NAMES = [
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

SIGNATURES = {
    "AnswerTooLargeError": """
__init__(self, url: str, bound: str, *, was_written: bool = False) -> None
retryable: bool
""",
    "AuthLostError": """
retryable: bool
""",
    "AuthState": """
__init__(self, token: str = '', record: Mapping[str, Any] | None = None) -> None
expires: float | None
identity: str
is_valid: bool
record
token
""",
    "AuthStore": """
__init__(self) -> None
changes: Observable[AuthState]
clear(self) -> None
is_valid: bool
record: Mapping[str, Any] | None
save(self, token: str, record: Mapping[str, Any] | None = None) -> None
state: AuthState
token: str
""",
    "BackoffPolicy": """
__init__(self, initial: float = 0.2, factor: float = 2.0, maximum: float = 2.0, jitter: bool =
    True, max_attempts: int | None = None) -> None
delay(self, attempt: int, random: Callable[[], float] = random) -> float
exhausted(self, attempt: int) -> bool
factor
initial
jitter
max_attempts
maximum
""",
    "BosBase": """
__enter__(self) -> BosBase
__init__(self, base_url: str, *, auth_store: AuthStore | None = None, timeout: float = 30.0,
    headers: Mapping[str, str] | None = None, backoff: BackoffPolicy | None = None,
    idle_timeout: float = 330.0, verify: bool | str | os.PathLike[str] = True, max_event_bytes:
    int = 16777216, max_answer_bytes: int = 33554432, on_auth_lost: Literal['error', 'guest'] =
    'error', topic_headers: Mapping[str, str | None] | None = None, filter_dialect: Dialect |
    None = None) -> None
auto_refresh(self, threshold: timedelta = datetime.timedelta(seconds=1800), *, check_every:
    float = 60.0) -> abc.DisposableBase
base_url: str
close(self) -> None
collection(self, name: str, *, model: Any = None, on_decode_error: Any = 'raise') -> Any
collections: Collections
dialect: FilterDialect
file_url(self, record: Mapping[str, Any], name: str, *, thumb: str | None = None, token: str |
    None = None, download: bool = False) -> str
filter(self, expression: str, /, **values: Any) -> str
filter_dialect: Dialect | None
health(self) -> dict[str, Any]
is_closed: bool
live_manager: LiveViewManager
realtime: Realtime
scheduler: SerialScheduler
send(self, method: str, path: str, *, query: Mapping[str, Any] | None = None, body: Any = None,
    files: Any = None, headers: Mapping[str, str] | None = None, timeout: float | None = None,
    token: str | None = None) -> Any
service: RealtimeService
""",
    "BosBaseError": """
retryable: bool
""",
    "ClientClosedError": """
retryable: bool
""",
    "ClientResponseError": """
__init__(self, status: int, url: str = '', data: Mapping[str, Any] | None = None, message: str =
    '', original: BaseException | None = None, *, retry_after: float | None = None) -> None
retryable: bool
""",
    "Collection": """
auth_refresh(self, *, body: Mapping[str, Any] | None = None, **options: Unpack[RecordOptions])
    -> dict[str, Any]
auth_with_password(self, identity: str, password: str, *, body: Mapping[str, Any] | None = None,
    **options: Unpack[RecordOptions]) -> dict[str, Any]
changes(self, **options: Unpack[ViewOptions]) -> Stream[Change[T]]
create(self, body: Mapping[str, Any], **options: Unpack[RecordOptions]) -> T
delete(self, id: str, **options: Unpack[RecordOptions]) -> None
events(self, target: str = '*', *, size: int = 1000, filter: str | None = None, expand: str |
    None = None, fields: str | None = None, query: Mapping[str, Any] | None = None, headers:
    Mapping[str, Any] | None = None, check: bool = True, timeout: float = 10.0) ->
    EventIterator[RecordEvent[T]]
get_first_list_item(self, filter: str, *, sort: str | None = None, **options:
    Unpack[RecordOptions]) -> T
get_full_list(self, batch: int = 500, *, on_unreadable: OnUnreadable = 'raise', **options:
    Unpack[ListOptions]) -> list[T]
get_list(self, page: int = 1, per_page: int = 30, *, skip_total: bool = False, **options:
    Unpack[ListOptions]) -> Page[T]
get_one(self, id: str, **options: Unpack[RecordOptions]) -> T
iter_records(self, batch: int = 500, *, on_unreadable: OnUnreadable = 'raise', **options:
    Unpack[ListOptions]) -> Iterator[T]
learn_filter_dialect(self, *, headers: Mapping[str, Any] | None = None) -> Dialect
live(self, *, filter: str | None = None, sort: str | None = None, expand: str | None = None,
    fields: str | None = None, limit: int | None = None, query: Mapping[str, Any] | None = None,
    headers: Mapping[str, Any] | None = None, reconcile: float = 60.0, interval: float = 0.25)
    -> LiveView[T]
live_record(self, id: str, *, expand: str | None = None, fields: str | None = None, query:
    Mapping[str, Any] | None = None, headers: Mapping[str, Any] | None = None, reconcile: float
    = 60.0) -> Stream[T | None]
observe(self, target: str = '*', *, filter: str | None = None, expand: str | None = None,
    fields: str | None = None, query: Mapping[str, Any] | None = None, headers: Mapping[str,
    Any] | None = None, check: bool = True) -> Stream[RecordEvent[T]]
subscribe(self, target: str, callback: Callable[[RecordEvent[T]], object], *, filter: str | None
    = None, expand: str | None = None, fields: str | None = None, query: Mapping[str, Any] |
    None = None, headers: Mapping[str, Any] | None = None, check: bool = True, timeout: float =
    10.0) -> Unsubscribe
unsubscribe(self, target: str | None = None) -> None
update(self, id: str, body: Mapping[str, Any], **options: Unpack[RecordOptions]) -> T
""",
    "Collections": """
create(self, body: Mapping[str, Any]) -> dict[str, Any]
delete(self, name: str) -> None
get(self, name: str) -> dict[str, Any]
get_list(self, page: int = 1, per_page: int = 30, **options: Unpack[ListOptions]) -> dict[str,
    Any]
import_(self, collections: Sequence[Mapping[str, Any]], *, delete_missing: bool = False) -> None
update(self, name: str, body: Mapping[str, Any]) -> dict[str, Any]
""",
    "ConnectionFailedError": """
retryable: bool
""",
    "EmbeddedServer": """
__enter__(self) -> Self
__init__(self, data_dir: str | os.PathLike[str] | None = None, port: int = 0, *,
    superuser_email: str = 'superuser@example.com', superuser_password: str | None = None,
    hooks_dir: str | os.PathLike[str] | None = None, migrations_dir: str | os.PathLike[str] |
    None = None, origins: Sequence[str] = (), env: Mapping[str, str] | None = None, binary: str
    | os.PathLike[str] | None = None, version: str | None = None, start_timeout: float = 30.0,
    prepare: Callable[[BosBase], object] | None = None) -> None
client(self, *, superuser: bool = False, **options: Unpack[ClientOptions]) -> BosBase
is_running: bool
kill(self) -> None
output: list[str]
pause(self) -> None
pid: int | None
restart(self) -> Self
resume(self) -> None
start(self) -> Self
stop(self) -> None
url: str
wait_ended(self, timeout: float) -> bool
""",
    "EventIterator": """
__enter__(self) -> EventIterator[T]
__iter__(self) -> Iterator[T]
__next__(self) -> T
close(self) -> None
""",
    "FileAuthStore": """
__init__(self, path: str | os.PathLike[str]) -> None
changes: Observable[AuthState]
clear(self) -> None
is_valid: bool
record: Mapping[str, Any] | None
save(self, token: str, record: Mapping[str, Any] | None = None) -> None
state: AuthState
token: str
""",
    "Message": """
__getitem__(self, key: str) -> Any
__init__(self, topic: str, data: Any) -> None
data
topic
""",
    "MissingExtraError": """
__init__(self, what: str, extra: str) -> None
retryable: bool
""",
    "ProtocolError": """
retryable: bool
""",
    "Realtime": """
client_id: str
events: Stream[Message]
is_connected: bool
observe(self, topic: str, *, query: Mapping[str, Any] | None = None, headers: Mapping[str, Any]
    | None = None) -> Stream[Message]
on_disconnect: Callable[[list[str]], object] | None (settable)
reconnect_now(self) -> None
stats: Stats
status: Latest[Status]
subscribe(self, topic: str, callback: Callable[[Message], object], *, query: Mapping[str, Any] |
    None = None, headers: Mapping[str, Any] | None = None, timeout: float = 10.0) -> Unsubscribe
unsubscribe(self, topic: str | None = None) -> None
wait_active(self, timeout: float = 10.0) -> None
""",
    "RecordDecodeError": """
__init__(self, field: str, collection: str, expected: str, *, found: str = '', record_id: str =
    '', original: BaseException | None = None) -> None
retryable: bool
""",
    "RecordEvent": """
__init__(topic: str, action: str, record: ~T)
__getitem__(self, key: str) -> Any
action
record
topic
""",
    "RequestTimeoutError": """
retryable: bool
""",
    "Stats": """
__init__(self, frames: int = 0, bytes: int = 0, events: int = 0, skipped: int = 0, connects: int
    = 0, reconnects: int = 0, posts: int = 0, queue_events: int = 0, queue_bytes: int = 0,
    last_event_age: float | None = None, topics: int = 0) -> None
bytes
connects
events
frames
last_event_age
posts
queue_bytes
queue_events
reconnects
skipped
topics
""",
    "Status": """
__init__(self, state: StateName = 'idle', client_id: str = '', attempt: int = 0, retry_in: float
    | None = None, error: BaseException | None = None, topics: tuple[str, ...] = (), since:
    float = 0.0, unreadable: tuple[UnreadableRecord, ...] = ()) -> None
attempt
client_id
error
retry_in
since
state
topics
unreadable
""",
    "StreamLostError": """
__init__(self, message: str, *, healthy: bool = False) -> None
retryable: bool
""",
    "UnreadableError": """
__init__(self, url: str, records: Sequence[UnreadableRecord], *, rest: Any = None, was_written:
    bool = False) -> None
retryable: bool
""",
    "UnreadableRecord": """
__init__(self, collection: str, id: str, field: str, depth: int) -> None
collection
depth
field
id
""",
    "Unsubscribe": """
__call__(self) -> None
__enter__(self) -> Unsubscribe
dispose(self) -> None
""",
    "operators": """
BufferOverflowError(size: int, why: str) -> None
FieldChange(event: RecordEvent[R], before: dict[str, Any], after: dict[str, Any]) -> None
Overflow
bounded_observe_on(scheduler: abc.SchedulerBase, size: int, overflow: Overflow = 'block', *,
    on_drop: Callable[[int], None] | None = None) -> Callable[[Observable[T]], Observable[T]]
changed(*fields: str) -> Callable[[Observable[RecordEvent[R]]], Observable[FieldChange[R]]]
conflate_by_id(interval: float | timedelta, *, scheduler: abc.SchedulerBase | None = None) ->
    Callable[[Observable[RecordEvent[R]]], Observable[RecordEvent[R]]]
debounce_by_id(interval: float | timedelta, *, scheduler: abc.SchedulerBase | None = None) ->
    Callable[[Observable[RecordEvent[R]]], Observable[RecordEvent[R]]]
distinct_record() -> Callable[[Observable[RecordEvent[R]]], Observable[RecordEvent[R]]]
of_action(*actions: str) -> Callable[[Observable[RecordEvent[R]]], Observable[RecordEvent[R]]]
rate(window: float | timedelta, *, scheduler: abc.SchedulerBase | None = None, every: float |
    timedelta | None = None) -> Callable[[Observable[Any]], Observable[float]]
records() -> Callable[[Observable[RecordEvent[R]]], Observable[R]]
retry_with_backoff(policy: BackoffPolicy, *, scheduler: abc.SchedulerBase | None = None, random:
    Callable[[], float] = random, resets: Callable[[Exception], bool] | None = None, until:
    Callable[[Exception], bool] | None = None, on_wait: Callable[[int, float, Exception], None]
    | None = None, wake: Observable[Any] | None = None) -> Callable[[Observable[T]],
    Observable[T]]
to_state() -> Callable[[Observable[RecordEvent[R]]], Observable[Mapping[str, R]]]
""",
}
