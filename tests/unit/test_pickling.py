"""Every error, and every value that may hold one, is complete after pickling.

The errors are found by a search of the package, so that a new one is tested at once. One with an
``__init__`` of its own needs an example here.
"""

from __future__ import annotations

import copy
import importlib
import multiprocessing
import pickle
import pkgutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from support.raising import raise_it

import rxbosbase
from rxbosbase import AuthState, BackoffPolicy, RecordEvent
from rxbosbase.access.questions import BelievedRefusal
from rxbosbase.auth.login import as_login
from rxbosbase.encoding.unreadable import UnreadableRecord, UnreadableRow
from rxbosbase.errors import (
    AnswerTooLargeError,
    BosBaseError,
    ClientResponseError,
    ConnectionFailedError,
    MissingExtraError,
    RecordDecodeError,
    RedirectError,
    RequestTimeoutError,
    SameNodeError,
    StreamLostError,
    UnreadableError,
)
from rxbosbase.events import MalformedEvent, Message, decode_record_event
from rxbosbase.live import Change, Snapshot
from rxbosbase.live.engine.messages import Edit
from rxbosbase.live.engine.ordering import Order
from rxbosbase.operators.bounded_observe_on import BufferOverflowError
from rxbosbase.realtime.session.status import Status
from rxbosbase.records.filters import build_filter
from rxbosbase.records.model_values import ValueMismatch

Kind = type[BaseException]
Again = Callable[[Any], Any]

DEEP = UnreadableRow({"id": "a", "n": 1}, "data", 1500)

EXAMPLES: dict[Kind, list[BaseException]] = {
    ClientResponseError: [
        ClientResponseError(404),
        ClientResponseError(
            429, "http://h/p", {"a": {"code": "c"}}, "No.", KeyError("x"), retry_after=2.5
        ),
    ],
    BelievedRefusal: [BelievedRefusal(ClientResponseError(404, "http://h/p"))],
    RequestTimeoutError: [RequestTimeoutError("late"), RequestTimeoutError(110, "timed out")],
    StreamLostError: [StreamLostError("gone", healthy=True), StreamLostError("gone")],
    UnreadableError: [
        UnreadableError(
            "http://h", [DEEP.summary("posts")], rest={"items": [DEEP]}, was_written=True
        )
    ],
    SameNodeError: [SameNodeError("http://a", "http://b")],
    RedirectError: [RedirectError("http://h/p", "https://h/p"), RedirectError("http://h/p")],
    AnswerTooLargeError: [AnswerTooLargeError("http://h", "3 bytes", was_written=True)],
    RecordDecodeError: [
        RecordDecodeError("n", "posts", "int", found="str", record_id="a", original=KeyError("x"))
    ],
    MissingExtraError: [MissingExtraError("A DataFrame", "notebook")],
    BufferOverflowError: [BufferOverflowError(3, "full")],
    MalformedEvent: [MalformedEvent("posts/*", "deep", RecordEvent("posts/*", "update", DEEP))],
    ValueMismatch: [ValueMismatch("int", "str", ValueError("x")).within("n")],
}
"""Of the errors that take other arguments than a message."""


def errors_of_the_package() -> Iterator[Kind]:
    """Yield every exception class that a module of the package defines."""
    for module in pkgutil.walk_packages(rxbosbase.__path__, "rxbosbase."):
        if module.name.endswith("__main__"):
            continue
        try:
            found = importlib.import_module(module.name)
        except ImportError:  # an extra that is not installed, and defines no error
            continue
        for value in vars(found).values():
            is_error = isinstance(value, type) and issubclass(value, BaseException)
            if is_error and value.__module__ == found.__name__:
                yield value


def examples_of(kind: Kind) -> list[BaseException]:
    known = EXAMPLES.get(kind)
    if known is None and "__init__" in vars(kind):
        pytest.fail(f"{kind.__name__} takes arguments of its own: give an example of it")
    return known or [kind("why"), kind()]


def parts(value: Any) -> Any:
    """Return all attributes of an error, those of the built-in errors included."""
    if not isinstance(value, BaseException):
        return value
    names = {name for name in dir(value) if not name.startswith("__")} - {"characters_written"}
    attributes = {name: parts(getattr(value, name)) for name in names if not is_method(value, name)}
    notes = getattr(value, "__notes__", [])
    return type(value), value.args, str(value), notes, attributes


def is_method(value: Any, name: str) -> bool:
    return callable(getattr(type(value), name, None))


def pickled(protocol: int, value: Any) -> Any:
    return pickle.loads(pickle.dumps(value, protocol))


WAYS: dict[str, Again] = {
    **{f"protocol-{n}": partial(pickled, n) for n in range(2, pickle.HIGHEST_PROTOCOL + 1)},
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}

KINDS = sorted(set(errors_of_the_package()), key=lambda kind: kind.__qualname__)


def test_the_search_finds_every_error_class() -> None:
    """The search for error classes finds every public error and every class of `EXAMPLES`."""
    assert {getattr(rxbosbase.errors, name) for name in rxbosbase.errors.__all__} <= {*KINDS}
    assert len(KINDS) > 15
    assert set(EXAMPLES) <= {*KINDS}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_error_is_complete_after_pickling_and_copying(kind: Kind, way: str) -> None:
    """Each error keeps type, `args`, text, notes and attributes after pickling or copying."""
    for error in examples_of(kind):
        error.add_note("in the third row")
        again = WAYS[way](error)
        assert parts(again) == parts(error)
        assert parts(WAYS[way](again)) == parts(error)


@pytest.mark.parametrize("way", WAYS)
def test_a_users_own_error_is_complete_after_pickling_and_copying(way: str) -> None:
    """A user's subclass with its own arguments keeps its attributes when pickled or copied."""
    class_of_the_users = OrderRefused("a1", amount=3)
    again = WAYS[way](class_of_the_users)
    assert parts(again) == parts(class_of_the_users)
    assert (again.order, again.amount) == ("a1", 3)


class OrderRefused(BosBaseError):
    """An error of a user: its arguments are not those of its base class."""

    def __init__(self, order: str, *, amount: int) -> None:
        super().__init__(f"{order} is refused")
        self.order, self.amount = order, amount


def test_the_message_of_a_dialect_error_is_the_same_after_pickling() -> None:
    """The message of `UnknownDialectError` is the same after pickling."""
    with pytest.raises(ValueError, match="holds a backslash") as caught:
        build_filter("a = {:v}", v="\\")
    assert str(pickled(2, caught.value)) == str(caught.value)


class Unfit(Exception):
    """An error like those of some libraries: it can be pickled, and not be unpickled."""

    def __init__(self, one: str, two: str) -> None:
        super().__init__(one + two)


class Sealed(Exception):
    def __reduce__(self) -> Any:
        raise TypeError("cannot be pickled")


@pytest.mark.parametrize(
    "original",
    [Unfit("a", "b"), Sealed("x"), KeyError(lambda: 0)],
    ids=lambda error: type(error).__name__,
)
def test_an_original_that_cannot_be_pickled_becomes_none(original: Exception) -> None:
    """An `original` that cannot be pickled or restored becomes None; the text is the same."""
    for error in (
        ClientResponseError(400, "u", {}, "No.", original),
        RecordDecodeError("n", "posts", "int", original=original),
    ):
        again = pickled(pickle.HIGHEST_PROTOCOL, error)
        assert again.original is None
        assert (str(again), again.args) == (str(error), error.args)


# -- through a process -----------------------------------------------------------------------------


def test_a_pool_returns_every_error() -> None:
    """A `multiprocessing` pool returns each error complete to the parent process."""
    errors = [error for kind in KINDS for error in examples_of(kind)]
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        for error in errors:
            if isinstance(error, Exception):
                with pytest.raises(type(error)) as caught:
                    pool.apply_async(raise_it, (error,)).get(timeout=60)
                assert parts(caught.value) == parts(error)


# -- values ----------------------------------------------------------------------------------------


VALUES: list[Any] = [
    Status(state="waiting", retry_in=0.5, topics=("posts/*",), unreadable=(DEEP.summary("posts"),)),
    RecordEvent("posts/*", "create", {"id": "a"}),
    decode_record_event("posts/*", b'{"action":"delete","record":{"id":"abc"}}'),
    Message("PB_CONNECT", {"clientId": "x"}),
    Change("modified", {"id": "a", "n": 1}, {"id": "a"}, 0, 1, caught_up=True),
    UnreadableRecord("posts", "a", "data", 1500),
    DEEP,
    BackoffPolicy(initial=1.0, max_attempts=3),
    AuthState("head.body.signature", {"id": "u1"}),
    as_login("/api/collections/users/auth-refresh", {"token": "a.b.c", "record": {"id": "u1"}}),
]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_every_value_is_equal_after_pickling_with_the_same_repr(value: Any, way: str) -> None:
    """Events, statuses and other values are equal after pickling, with the same `repr`."""
    again = WAYS[way](value)
    assert again == value
    assert type(again) is type(value)
    assert repr(again) == repr(value)


def test_a_status_keeps_its_error() -> None:
    """A pickled status keeps its error with all attributes."""
    status = Status(state="waiting", error=ConnectionFailedError("no route"))
    assert parts(pickled(2, status).error) == parts(status.error)


def views() -> tuple[Snapshot[Any], Snapshot[Any]]:
    empty = Snapshot.empty(Order.parse("-title"), dict, "posts")
    rows = [{"id": f"r{n}", "title": f"t{n}"} for n in range(50)]
    edits = [Edit(row["id"], None, row) for row in rows] + [Edit("a", None, DEEP)]
    first = empty.advance(edits, fresh=True)
    return first, first.advance([Edit("r7", rows[7], {"id": "r7", "title": "zz"})], fresh=False)


@pytest.mark.parametrize("way", WAYS)
def test_a_pickled_snapshot_keeps_records_and_changes(way: str) -> None:
    """A pickled snapshot keeps records, changes and flags; `since` works between two."""
    older, newer = views()
    past, now = WAYS[way]((older, newer))
    for again, snapshot in ((past, older), (now, newer)):
        assert again.records == snapshot.records
        assert dict(again.by_id) == dict(snapshot.by_id)
        assert again.changes == snapshot.changes
        assert again.unreadable == snapshot.unreadable
        assert (again.fresh, again.version) == (snapshot.fresh, snapshot.version)
    assert now.since(past) == newer.since(older)
    with pytest.raises(TypeError):
        now.unreadable["b"] = now.unreadable["a"]


def test_a_snapshot_finds_its_records_in_another_process_too() -> None:
    """An unpickled snapshot finds each record by id in a process with another hash seed."""
    code = (
        "import pickle, sys; snapshot = pickle.load(sys.stdin.buffer);"
        "print([snapshot.by_id[each['id']] is each for each in snapshot.records].count(True))"
    )
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            input=pickle.dumps(views()[1]), env={"PYTHONHASHSEED": seed},
            capture_output=True, timeout=60, check=True,
        )  # fmt: skip
        assert done.stdout.strip() == b"50"
