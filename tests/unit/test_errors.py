"""The tree of errors, and what their texts say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rxbosbase import errors
from rxbosbase.encoding.unreadable import UnreadableRecord
from rxbosbase.errors import (
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


@pytest.mark.parametrize(
    ("error", "also", "retryable"),
    [
        (RequestTimeoutError("x"), TimeoutError, True),
        (ConnectionFailedError("x"), ConnectionError, True),
        (StreamLostError("x"), ConnectionFailedError, True),
        (ProtocolError("x"), BosBaseError, True),
        (AuthLostError("x"), BosBaseError, False),
        (ClientClosedError("x"), RuntimeError, False),
        (MissingExtraError("tail", "demo"), ImportError, False),
        (ClientResponseError(404), BosBaseError, False),
        (BosBaseError("x"), Exception, False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_error_has_one_root_and_pythons_own_word_where_there_is_one(
    error: BosBaseError, also: type[Exception], retryable: bool
) -> None:
    """Each error is a `BosBaseError`, inherits the matching builtin and sets `retryable`."""
    assert isinstance(error, BosBaseError)
    assert isinstance(error, also)
    assert error.retryable is retryable


def test_the_tree_is_complete_and_inherits_from_no_library() -> None:
    """Each public error has only bases of this module or builtins, and is in the docstring."""
    for name in errors.__all__:
        kind = getattr(errors, name)
        assert issubclass(kind, BosBaseError)
        assert {base.__module__ for base in kind.__mro__} <= {"rxbosbase.errors", "builtins"}
        assert name in (errors.__doc__ or "")


@pytest.mark.parametrize(
    ("code", "retryable"),
    [(400, False), (401, False), (403, False), (404, False), (408, True), (429, True)]
    + [(code, True) for code in (500, 502, 503, 504, 599)],
)
def test_an_answer_may_be_worth_another_try(code: int, retryable: bool) -> None:
    """A response error is retryable for 408, 429 and 5xx, and for no other 4xx."""
    assert ClientResponseError(code).retryable is retryable


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
def test_an_answers_text_holds_what_the_server_said(parts: dict[str, Any], text: str) -> None:
    """The text of a response error contains status, message, URL and the fields' messages."""
    assert str(ClientResponseError(**parts)) == text


def test_an_answers_text_holds_the_first_fields_and_their_beginning() -> None:
    """The text contains at most `MAX_FIELDS` fields, each cut to `MAX_FIELD` characters."""
    data = {f"f{n}": {"message": "x" * 1000} for n in range(errors.MAX_FIELDS + 5)}
    fields = str(ClientResponseError(400, data=data)).partition("(")[2].rstrip(")").split("; ")
    assert fields == [f"f{n}: {'x' * 1000}"[: errors.MAX_FIELD] for n in range(errors.MAX_FIELDS)]


def test_an_answer_keeps_its_parts() -> None:
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
def test_an_error_shows_what_it_was_made_of(
    make: Callable[[], BosBaseError], args: tuple[object, ...]
) -> None:
    """`args` and `repr` of an error contain its positional arguments, as Python's own do."""
    error = make()
    assert error.args == args
    assert repr(error) == f"{type(error).__name__}({', '.join(map(repr, args))})"


@pytest.mark.parametrize(
    ("levels", "told"),
    [
        ((9,), ["r0"]), ((7, 9, 8), ["r0", "r1", "r2"]),
        ((9, 7, 8, 5), ["r0", "r1", "r2", "and 1 more"]),
        ((5, 6, 7, 8, 9), ["r0", "r1", "r2", "and 2 more"]),
    ],
)  # fmt: skip
def test_an_unreadable_answer_names_three_of_its_records_and_counts_the_rest(
    levels: tuple[int, ...], told: list[str]
) -> None:
    """`UnreadableError` names at most three records, counts the rest and has their depth."""
    records = [UnreadableRecord("posts", f"r{n}", "data", at) for n, at in enumerate(levels)]
    error = UnreadableError("http://h/p", records)
    places = [
        f"record {each!r} of 'posts': its field 'data' is nested {at} levels deep"
        if each.startswith("r")
        else each
        for each, at in zip(told, levels, strict=False)
    ]
    assert f"cannot be decoded whole: {'; '.join(places)}; mend the value" in str(error)
    assert error.depth == 9


@pytest.mark.parametrize("kind", [UnreadableError, AnswerTooLargeError])
def test_an_answer_that_cannot_be_taken_says_whether_a_write_was_done(kind: Any) -> None:
    """With `was_written`, the text of the error begins with "the write was done, but"."""
    for error in (kind("http://h/p", ()), kind("http://h/p", (), was_written=False)):
        assert not error.was_written
        assert "the write was done" not in str(error)
    assert str(kind("http://h/p", (), was_written=True)).startswith("the write was done, but ")
    assert UnreadableError("http://h/p", ()).depth == 0


@pytest.mark.parametrize(
    ("parts", "told"),
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
def test_a_record_that_does_not_fit_is_told_by_place_and_kind(
    parts: tuple[Any, ...], told: str
) -> None:
    """`RecordDecodeError` names record, collection, field, expected type and found type."""
    names = ("field", "collection", "expected", "found", "record_id", "original")
    error = RecordDecodeError(**dict(zip(names, parts, strict=False)))
    assert str(error).startswith(told.format("does not fit the model"))
    assert (error.found, error.record_id) == (*parts[3:5], "", "")[:2]


def test_a_lost_stream_knows_whether_it_was_healthy() -> None:
    """`StreamLostError.healthy` is the given value, and False by default."""
    assert StreamLostError("x").healthy is False
    assert StreamLostError("x", healthy=True).healthy is True


def test_a_missing_extra_says_how_to_install_it() -> None:
    """`MissingExtraError` contains the pip command for its extra."""
    error = MissingExtraError("the command line", "demo")
    assert str(error) == ("the command line needs an optional part: pip install 'rxbosbase[demo]'")
    assert error.extra == "demo"
