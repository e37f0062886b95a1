"""The tree of errors, and their texts."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import ModuleType
from typing import Any, NamedTuple

import pytest

import rxbosbase
from rxbosbase import errors, events, operators
from rxbosbase.encoding import error_text
from rxbosbase.encoding.unreadable import UnreadableRecord
from rxbosbase.errors import (
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
    StreamLostError,
    UnknownDialectError,
    UnreadableError,
)
from rxbosbase.records import filters


@pytest.mark.parametrize(
    ("error", "also", "retryable", "is_remote"),
    [
        (BosBaseError("x"), Exception, False, False),
        (RequestTimeoutError("x"), TimeoutError, True, True),
        (ConnectionFailedError("x"), ConnectionError, True, True),
        (StreamLostError("x"), ConnectionFailedError, True, True),
        (ProtocolError("x"), BosBaseError, True, True),
        (RedirectError("http://h/p", "https://h/p"), ProtocolError, False, True),
        (UnreadableError("http://h/p", ()), ProtocolError, False, True),
        (AnswerTooLargeError("http://h/p", "9 bytes"), ProtocolError, False, True),
        (MalformedEvent("posts/*", "odd"), ValueError, False, True),
        (RecordDecodeError("n", "posts", "int"), BosBaseError, False, False),
        (UnknownDialectError("x"), ValueError, False, False),
        (BufferOverflowError(9, "full"), BosBaseError, False, False),
        (AuthLostError("x"), BosBaseError, False, False),
        (ClientClosedError("x"), RuntimeError, False, False),
        (MissingExtraError("tail", "demo"), ImportError, False, False),
        (ClientResponseError(404), BosBaseError, False, False),
        (ClientResponseError(503), BosBaseError, True, True),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_error_has_one_root_and_says_whose_fault_it_is(
    error: BosBaseError, also: type[Exception], retryable: bool, is_remote: bool
) -> None:
    """Each error is a `BosBaseError` and the matching builtin, with `retryable` and `is_remote`."""
    assert isinstance(error, BosBaseError)
    assert isinstance(error, also)
    assert (error.retryable, error.is_remote) == (retryable, is_remote)


class Entry(NamedTuple):
    """A line of the tree that the docstring of `errors` draws."""

    base: str
    also: str
    is_remote: bool | None


def drawn_tree() -> dict[str, Entry]:
    """Return the classes of the drawing by name."""
    drawing = re.findall(r"^    ([│├└ ]*(?:── )?)(.*)", errors.__doc__ or "", re.MULTILINE)
    path = [root := drawing[0][1]]
    entries = {root: Entry("Exception", "", None)}
    group: bool | None = None
    for branch, text in drawing[1:]:
        if not branch.endswith("── "):
            group = {"remote": True, "local": False}[text.partition(":")[0]]
            continue
        name = text.split()[0]
        del path[len(branch) // 4 :]
        also = re.search(r"also an? (\w+):", text)
        entries[name] = Entry(path[-1], also[1] if also else "", group)
        path.append(name)
    return entries


def loaded_modules() -> Iterator[ModuleType]:
    """Import each module of the package and yield it."""
    for module in pkgutil.walk_packages(rxbosbase.__path__, "rxbosbase."):
        if not module.name.endswith("__main__"):
            with suppress(ImportError):  # of an extra that is not installed
                yield importlib.import_module(module.name)


def test_the_tree_that_is_drawn_is_the_tree_of_the_classes() -> None:
    """The docstring draws each class of the package below its base, with its builtin base."""
    assert len(list(loaded_modules())) > 150
    exist: dict[str, tuple[str, str]] = {}
    rest: list[type[Exception]] = [BosBaseError]
    for kind in rest:
        rest += [each for each in kind.__subclasses__() if each.__module__.startswith("rxbosbase")]
        base, *builtin = kind.__bases__
        exist[kind.__name__] = (base.__name__, "".join(each.__name__ for each in builtin))
    assert {name: entry[:2] for name, entry in drawn_tree().items()} == exist


def test_the_tree_that_is_drawn_groups_by_whose_fault_it_is() -> None:
    """Each class stands in the drawing's group, remote or local, that its `is_remote` says."""
    for name, entry in drawn_tree().items():
        if name not in ("BosBaseError", "ClientResponseError"):  # the latter by its status
            kind: Any = getattr(errors, name)
            assert kind.__new__(kind).is_remote is entry.is_remote, name


OUTSIDE = {
    "IllegalTransition": "a fault of this library, as each AssertionError",
    "MalformedHead": "becomes a ProtocolError in the transport",
    "BelievedRefusal": "a refusal that is believed; its error is raised or counted",
    "TooDeepError": "of the decoder; becomes a ProtocolError or an unreadable record",
    "UnknownFilterError": "of a test that uses the fake: code under test must not catch it",
    "UnorderableError": "makes a live view read in the server's order",
    "ValueMismatch": "becomes a RecordDecodeError",
    "_TooLargeError": "becomes an AnswerTooLargeError",
}
"""The other exceptions of the package, and why they are not in the tree."""


def test_each_exception_outside_of_the_tree_has_its_reason() -> None:
    """The exceptions of the package that are no `BosBaseError` are those of `OUTSIDE`."""
    found = set()
    for module in loaded_modules():
        for value in vars(module).values():
            is_error = isinstance(value, type) and issubclass(value, BaseException)
            if is_error and value.__module__ == module.__name__:
                found.add(value)
    assert {each.__name__ for each in found if not issubclass(each, BosBaseError)} == {*OUTSIDE}


def test_the_tree_is_public_and_inherits_from_no_library() -> None:
    """Each error of the tree is exported, and has only bases of this module or builtins."""
    assert set(errors.__all__) == set(drawn_tree())
    assert set(errors.__all__) <= set(rxbosbase.__all__)
    for name in errors.__all__:
        kind = getattr(errors, name)
        assert {base.__module__ for base in kind.__mro__} <= {"rxbosbase.errors", "builtins"}


def test_an_error_is_the_same_class_where_it_was_before() -> None:
    """The modules that defined an error before export the class of `errors`."""
    assert events.MalformedEvent is errors.MalformedEvent
    assert operators.BufferOverflowError is errors.BufferOverflowError
    assert filters.UnknownDialectError is errors.UnknownDialectError


@pytest.mark.parametrize(
    ("code", "retryable"),
    [(400, False), (401, False), (403, False), (404, False), (408, True), (429, True)]
    + [(code, True) for code in (500, 502, 503, 504, 599)],
)
def test_a_response_error_is_retryable_by_its_status(code: int, retryable: bool) -> None:
    """A response error is retryable and remote for 408, 429 and 5xx, and for no other 4xx."""
    assert ClientResponseError(code).retryable is retryable
    assert ClientResponseError(code).is_remote is retryable


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ({"status": 404}, "404: the server refused the request"),
        (
            {"status": 404, "url": "http://h/p", "message": "Not here."},
            "404: Not here. [http://h/p]",
        ),
        (
            {"status": 400, "data": {"title": {"code": "c", "message": "Too long."}}},
            "400: the server refused the request (title: Too long.)",
        ),
        (
            {"status": 400, "message": "No.", "data": {"a": {"code": "c"}, "b": "odd", "c": {}}},
            "400: No. (a: c; b: odd; c: {})",
        ),
    ],
)
def test_the_text_of_a_response_error_has_the_servers_message(
    parts: dict[str, Any], text: str
) -> None:
    """The text of a response error contains status, message, URL and the fields' messages."""
    assert str(ClientResponseError(**parts)) == text


def test_the_text_of_a_response_error_has_few_fields_cut_short() -> None:
    """The text contains at most `MAX_FIELDS` fields, each cut to `MAX_FIELD` characters."""
    data = {f"f{n}": {"message": "x" * 1000} for n in range(error_text.MAX_FIELDS + 5)}
    fields = str(ClientResponseError(400, data=data)).partition("(")[2].rstrip(")").split("; ")
    assert fields == [
        f"f{n}: {'x' * 1000}"[: error_text.MAX_FIELD] for n in range(error_text.MAX_FIELDS)
    ]


def test_a_response_error_keeps_its_arguments() -> None:
    """The attributes of a response error equal the arguments; the others keep `url`."""
    cause = ValueError("x")
    error = ClientResponseError(429, "u", {"a": 1}, "m", cause, retry_after=2.5)
    assert (error.status, error.url, error.data, error.message) == (429, "u", {"a": 1}, "m")
    assert (error.original, error.retry_after) == (cause, 2.5)
    assert UnreadableError("u", ()).url == "u"
    assert AnswerTooLargeError("u", "9 bytes").url == "u"


DEEP = UnreadableRecord("posts", "a", "data", 1500)


@pytest.mark.parametrize(
    ("make", "args"),
    [
        (lambda: ClientResponseError(400, "u", {"a": 1}, "m"), (400, "u", {"a": 1}, "m")),
        (lambda: StreamLostError("gone", healthy=True), ("gone",)),
        (lambda: UnreadableError("u", [DEEP]), ("u", (DEEP,))),
        (lambda: AnswerTooLargeError("u", "9 bytes"), ("u", "9 bytes")),
        (lambda: RecordDecodeError("n", "posts", "int", found="str"), ("n", "posts", "int")),
    ],
)
def test_args_and_repr_of_an_error_have_its_arguments(
    make: Callable[[], BosBaseError], args: tuple[object, ...]
) -> None:
    """`args` and `repr` of an error contain its positional arguments, as Python's own do."""
    error = make()
    assert error.args == args
    assert repr(error) == f"{type(error).__name__}({', '.join(map(repr, args))})"


@pytest.mark.parametrize(
    ("levels", "named"),
    [
        ((9,), ["r0"]), ((7, 9, 8), ["r0", "r1", "r2"]),
        ((9, 7, 8, 5), ["r0", "r1", "r2", "and 1 more"]),
        ((5, 6, 7, 8, 9), ["r0", "r1", "r2", "and 2 more"]),
    ],
)  # fmt: skip
def test_an_unreadable_error_names_three_records_and_counts_the_rest(
    levels: tuple[int, ...], named: list[str]
) -> None:
    """`UnreadableError` names at most three records, counts the rest and has their depth."""
    records = [UnreadableRecord("posts", f"r{n}", "data", at) for n, at in enumerate(levels)]
    error = UnreadableError("http://h/p", records)
    places = [
        f"record {each!r} of 'posts': its field 'data' is nested {at} levels deep"
        if each.startswith("r")
        else each
        for each, at in zip(named, levels, strict=False)
    ]
    assert f"cannot be decoded whole: {'; '.join(places)}; mend the value" in str(error)
    assert error.depth == 9


@pytest.mark.parametrize("kind", [UnreadableError, AnswerTooLargeError])
def test_an_error_after_a_write_says_that_it_was_done(kind: Any) -> None:
    """With `was_written`, the text of the error begins with "the write was done, but"."""
    for error in (kind("http://h/p", ()), kind("http://h/p", (), was_written=False)):
        assert not error.was_written
        assert "the write was done" not in str(error)
    assert str(kind("http://h/p", (), was_written=True)).startswith("the write was done, but ")
    assert UnreadableError("http://h/p", ()).depth == 0


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        (("n", "p", "int"), "a record of 'p' {}: its field 'n' must be int; "),
        (("", "p", "Post", "str", "a"), "record 'a' of 'p' {}: it must be Post, not str; "),
        (
            ("n", "p", "int", "missing", "", KeyError("x")),
            "a record of 'p' {}: its field 'n' must be int and is missing (KeyError was raised); ",
        ),
    ],
    ids=["kind", "whole", "missing"],
)
def test_a_decode_error_names_the_field_and_both_types(parts: tuple[Any, ...], text: str) -> None:
    """`RecordDecodeError` names record, collection, field, expected type and found type."""
    names = ("field", "collection", "expected", "found", "record_id", "original")
    error = RecordDecodeError(**dict(zip(names, parts, strict=False)))
    assert str(error).startswith(text.format("does not fit the model"))
    assert (error.found, error.record_id) == (*parts[3:5], "", "")[:2]


def test_a_stream_lost_error_has_healthy() -> None:
    """`StreamLostError.healthy` is the given value, and False by default."""
    assert StreamLostError("x").healthy is False
    assert StreamLostError("x", healthy=True).healthy is True


def test_the_target_of_a_redirect_has_no_secret() -> None:
    """`RedirectError.target` has no credentials, query or fragment, whoever makes the error."""
    error = RedirectError("http://h/p", "https://ann:secret@other/x?token=1#part")
    assert error.target == "https://other/x"
    assert "secret" not in str(error) and "token" not in str(error)


@pytest.mark.parametrize(
    ("target", "shown"), [("https://h:8/p", "https://h:8/p"), ("", "elsewhere"), ("/\n", "/\\n")]
)
def test_a_redirect_says_what_to_do(target: str, shown: str) -> None:
    """`RedirectError` has both addresses, and says to use the final one as `base_url`."""
    error = RedirectError("http://h/p", target)
    assert str(error) == (
        f"http://h/p redirects to {shown}; redirects are not followed: use the server's final "
        "address as base_url"
    )
    assert (error.url, error.target) == ("http://h/p", target)


def test_a_missing_extra_says_how_to_install_it() -> None:
    """`MissingExtraError` contains the pip command for its extra."""
    error = MissingExtraError("the command line", "demo")
    assert str(error) == ("the command line needs an optional part: pip install 'rxbosbase[demo]'")
    assert error.extra == "demo"
