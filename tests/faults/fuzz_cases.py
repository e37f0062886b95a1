"""The cases of the fuzz: which call meets which answers. All of it follows from seed and number."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

from rxbosbase import BosBase

from .fuzz_answers import Answer, hostile_answer
from .fuzz_mutations import Draft
from .fuzz_server import GREETING, RECORD, TOKEN

__all__ = ["CALLS", "TIMEOUT", "VIEWS", "Call", "Case", "draw"]

TIMEOUT = 0.3  # seconds each request may wait

VIEWS = 8
"""Live views of one case: a failed read is repeated after a second, and so they share it."""


@dataclass(frozen=True, slots=True)
class Call:
    """One of the library's calls: how it is made, what is sane, and what a good server gives."""

    make: Callable[[BosBase], Any]
    is_sane: Callable[[Any], bool]
    good: Any


def _is_record(value: Any) -> bool:
    return isinstance(value, dict)


def _are_records(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_record, value))


def _is_page(value: Any) -> bool:
    numbers = ("page", "perPage", "totalItems", "totalPages")
    return (
        isinstance(value, dict)
        and _are_records(value.get("items"))
        and all(type(value.get(name)) is int for name in numbers)
    )


def _is_login(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("token"), str)
        and isinstance(value.get("record"), dict)
    )


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except RecursionError:  # deeper than `json` can follow
        return True
    except (ValueError, TypeError):
        return False
    return True


def _subscribed(client: BosBase) -> bool:
    timeout = client.transport.timeout
    with client.collection("posts").subscribe("*", lambda _: None, timeout=timeout):
        return True


PAGE = {"page": 1, "perPage": 30, "totalItems": 1, "totalPages": 1, "items": [RECORD]}
HEALTH = {"code": 200, "message": "API is healthy.", "data": {}}
LOGIN = {"token": TOKEN, "record": RECORD}

CALLS: dict[str, Call] = {
    "health": Call(lambda client: client.health(), _is_record, HEALTH),
    "get_list": Call(lambda client: client.collection("posts").get_list(), _is_page, PAGE),
    "get_one": Call(lambda client: client.collection("posts").get_one("x"), _is_record, RECORD),
    "get_full_list": Call(
        lambda client: client.collection("posts").get_full_list(1), _are_records, [RECORD]
    ),
    "get_full_list, sorted": Call(
        lambda client: client.collection("posts").get_full_list(1, sort="n"),
        _are_records, [RECORD],
    ),
    "iter_records": Call(
        lambda client: list(client.collection("posts").iter_records(1)), _are_records, [RECORD]
    ),
    "get_first_list_item": Call(
        lambda client: client.collection("posts").get_first_list_item("n = 1"), _is_record, RECORD
    ),
    "create": Call(
        lambda client: client.collection("posts").create({"n": 1}), _is_record, RECORD
    ),
    "update": Call(
        lambda client: client.collection("posts").update("x", {"n": 1}), _is_record, RECORD
    ),
    "delete": Call(
        lambda client: client.collection("posts").delete("x"), lambda value: value is None, None
    ),
    "auth_with_password": Call(
        lambda client: client.collection("users").auth_with_password("a", "b"), _is_login, LOGIN
    ),
    "auth_refresh": Call(
        lambda client: client.collection("users").auth_refresh(), _is_login, LOGIN
    ),
    "send": Call(lambda client: client.send("GET", "/api/echo/x"), _is_json, {"echo": "x"}),
    "subscribe": Call(_subscribed, lambda value: value is True, True),
}  # fmt: skip

Where = Literal["any", "plain", "stream", "topics"]


@dataclass(frozen=True, slots=True)
class Case:
    """One case.

    Attributes:
        call: a name of `CALLS`, or ``observe`` or ``live``.
        where: which requests get the answers, as `FuzzServer.arm` takes it.
    """

    number: int
    call: str
    where: Where
    answers: tuple[Answer, ...]


def draw(seed: int, number: int, elsewhere: str) -> Case:
    """Case `number` of `seed`; redirects in it lead `elsewhere`."""
    chance = random.Random(f"{seed}/{number}")
    kind = chance.choices(["plain", "observe", "live"], [80, 18, 1])[0]
    if kind == "live":
        page = json.dumps(PAGE).encode()
        drawn = [hostile_answer(chance, Draft(page), elsewhere, waits=False) for _ in range(VIEWS)]
        return Case(number, "live", "plain", tuple(drawn))
    if kind == "observe":
        where: Where = chance.choice(["stream", "stream", "stream", "topics"])
        return Case(number, "observe", where, (_of_the_stream(chance, where, elsewhere),))
    call = chance.choice(list(CALLS))
    count = 2 if "list" in call and chance.random() < 0.3 else 1
    body = json.dumps(CALLS[call].good).encode()
    streams = call == "subscribe"  # a long Retry-After would delay this case and the next
    drawn = [
        hostile_answer(chance, Draft(body), elsewhere, waits=not streams) for _ in range(count)
    ]
    return Case(number, call, "any" if streams else "plain", tuple(drawn))


EVENT = b'event:posts/*\ndata:{"record":{"id":"odd"},"action":"create"}\n\n'
ODD_EVENTS = [
    b"", b"\n" * 5000, b"event:posts/*\ndata:\n\n", b"event:posts/*\ndata:[]\n\n", b"data:x" * 9000,
    b"event:posts/*\ndata:" + b"[" * 50_000 + b"\n\n", b"event:\xff\ndata:{}\n\n", b"retry: -1\n\n",
    b'event:posts/*\ndata:{"record":{"id":"a\\u0000"},"action":"create"}\n\n', b"id:\x00\n\n",
    b'event:posts/*\ndata:{"record":{"id":17},"action":"delete"}\n\n', b"\xef\xbb\xbf\n\n",
    b'event:posts/*\ndata:{"record":{"a":NaN},"action":"create"}\n\n', b"event:" + b"x" * 200_000,
    b"event:PB_CONNECT\ndata:{}\n\n", b"event:posts/*\rdata:{\r\r", bytes(range(256)) + b"\n\n",
    b'event:PB_CONNECT\ndata:{"clientId":"\\u001b[31m\\u202e"}\n\n', b"event:posts/*\n" * 3000,
    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", EVENT[:-9], EVENT * 500,
    b": comment\n\n" * 500,
]  # fmt: skip
GREETINGS = [
    GREETING, GREETING, GREETING, GREETING, b"", b"event:PB_CONNECT\ndata:{}\n\n", EVENT,
    b'event:PB_CONNECT\ndata:{"clientId":17}\n\n', b'event:PB_CONNECT\ndata:{"clientId":""}\n\n',
    b'event:PB_CONNECT\ndata:{"clientId":"\\u001b[31m\\r\\n\\u202e"}\n\n',
    b"\xef\xbb\xbf" + GREETING,
    b'event:PB_CONNECT\ndata:{"clientId":"' + b"c" * 500_000 + b'"}\n\n', GREETING[:-1],
]  # fmt: skip


def _of_the_stream(chance: random.Random, where: Where, elsewhere: str) -> Answer:
    if where == "topics":
        draft = Draft(b"", b"HTTP/1.1 204 No Content")
        return hostile_answer(chance, draft, elsewhere, waits=False)
    body = chance.choice(GREETINGS) + b"".join(chance.choices(ODD_EVENTS, k=chance.randint(0, 3)))
    draft = Draft(
        body, lines=[b"Content-Type: text/event-stream"],
        framing=chance.choice(["chunked", "chunked", "close", "length"]),
    )  # fmt: skip
    if chance.random() < 0.4:
        return Answer(
            draft.wire(), ending=chance.choice(["close", "reset", "hold"]), kinds=("events",)
        )
    answer = hostile_answer(chance, draft, elsewhere, waits=False)
    # A stream without more events is silent; there is no next request on it.
    return replace(answer, ending="hold") if answer.ending == "keep" else answer
