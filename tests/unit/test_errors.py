"""The tree of errors, and what their texts say."""

from __future__ import annotations

import pytest

from rxbosbase import errors
from rxbosbase.errors import (
    AuthLostError,
    BosBaseError,
    ClientClosedError,
    ClientResponseError,
    ConnectionFailedError,
    MissingExtraError,
    ProtocolError,
    RequestTimeoutError,
    StreamLostError,
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
    assert isinstance(error, BosBaseError)
    assert isinstance(error, also)
    assert error.retryable is retryable


def test_the_tree_is_complete_and_inherits_from_no_library() -> None:
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
    assert ClientResponseError(code).retryable is retryable


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ClientResponseError(404), "404: the server refused the request"),
        (ClientResponseError(404, "http://h/p", {}, "Not here."), "404: Not here. [http://h/p]"),
        (
            ClientResponseError(400, data={"title": {"code": "c", "message": "Too long."}}),
            "400: the server refused the request (title: Too long.)",
        ),
        (
            ClientResponseError(400, message="No.", data={"a": {"code": "c"}, "b": "odd", "c": {}}),
            "400: No. (a: c; b: odd; c: {})",
        ),
    ],
)
def test_an_answers_text_holds_what_the_server_said(error: ClientResponseError, text: str) -> None:
    assert str(error) == text


def test_an_answer_keeps_its_parts() -> None:
    cause = ValueError("x")
    error = ClientResponseError(429, "u", {"a": 1}, "m", cause, retry_after=2.5)
    assert (error.status, error.url, error.data, error.message) == (429, "u", {"a": 1}, "m")
    assert (error.original, error.retry_after) == (cause, 2.5)


def test_a_lost_stream_knows_whether_it_was_healthy() -> None:
    assert StreamLostError("x").healthy is False
    assert StreamLostError("x", healthy=True).healthy is True


def test_a_missing_extra_says_how_to_install_it() -> None:
    error = MissingExtraError("the command line", "demo")
    assert str(error) == ("the command line needs an optional part: pip install 'rxbosbase[demo]'")
    assert error.extra == "demo"
