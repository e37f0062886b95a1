"""A few hundred cases of the fuzz, always the same; ``fuzz_http.py`` is the long version."""

from __future__ import annotations

import socket
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from faults.fuzz_answers import Answer
from faults.fuzz_cases import CALLS, Call, Case, draw
from faults.fuzz_http import MORE_MEMORY, Fuzz, fuzz
from faults.fuzz_mutations import MUTATIONS
from faults.fuzz_server import TOKEN

from rxbosbase import BosBase, BosBaseError

SEED = 3
CASES = 200


@pytest.mark.timeout(120)
def test_no_hostile_answer_harms_a_client() -> None:
    """None of 200 generated hostile responses harms a client."""
    report = fuzz(SEED, range(CASES))
    print(report.table())
    assert not report.problems, report.table()
    assert report.cases == CASES


def test_the_cases_follow_from_seed_and_number_and_hold_every_kind() -> None:
    """The cases follow from seed and number alone and cover each mutation and call."""
    cases = [draw(SEED, number, "http://127.0.0.1:9") for number in range(CASES)]
    assert cases == [draw(SEED, number, "http://127.0.0.1:9") for number in range(CASES)]
    assert cases != [draw(SEED + 1, number, "http://127.0.0.1:9") for number in range(CASES)]
    kinds = {kind for case in cases for answer in case.answers for kind in answer.kinds}
    assert kinds == {*MUTATIONS, "cut", "corrupt", "drip", "events"}
    assert {case.call for case in cases} == {*CALLS, "observe", "live"}


@pytest.fixture
def one() -> Iterator[Fuzz]:
    with ExitStack() as stack:
        it = Fuzz(SEED, stack)
        yield it
        it.close_client()


def _raises(error: Exception) -> Callable[[BosBase], Any]:
    def call(_: BosBase) -> None:
        raise error

    return call


def _eats(_: BosBase) -> None:
    bytearray(b"x" * (MORE_MEMORY + MORE_MEMORY // 2))


HARMS: dict[str, Callable[[BosBase], Any]] = {
    "is no BosBaseError": _raises(ValueError("bare")),
    "returned 17": lambda _: 17,
    "a raw control character": _raises(BosBaseError("\x1b[31m")),
    "the token is in": _raises(BosBaseError(f"refused {TOKEN}")),
    "MB of memory": _eats,
    "raised UserWarning": lambda _: warnings.warn("seen", stacklevel=1),
    "no request came": lambda _: {},
}


@pytest.mark.parametrize(("expected", "harm"), HARMS.items(), ids=HARMS.keys())
def test_each_kind_of_harm_is_reported(
    one: Fuzz, monkeypatch: pytest.MonkeyPatch, expected: str, harm: Callable[[BosBase], Any]
) -> None:
    """The fuzz reports each kind of harm."""
    monkeypatch.setitem(CALLS, "health", Call(harm, lambda value: isinstance(value, dict), None))
    one.meet(Case(0, "health", "any", ()))
    assert any(expected in problem for problem in one.report.problems), one.report.table()


def test_a_redirect_that_is_followed_and_bytes_that_are_left_over_are_seen(
    one: Fuzz, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fuzz reports a followed redirect and a response meant for the request before."""
    port = int(one.url.rpartition(":")[2])

    def follows(client: BosBase) -> Any:
        socket.create_connection(("127.0.0.1", port)).close()
        monkeypatch.setattr(client, "send", lambda *_: {"echo": "smuggled"})
        return {}

    monkeypatch.setitem(CALLS, "health", Call(follows, lambda _: True, {}))
    one.meet(Case(0, "health", "any", (Answer(b""),)))
    text = "\n".join(one.report.problems)
    assert "a redirect was followed to another host" in text
    assert "the next request, answered well, gave {'echo': 'smuggled'}" in text
