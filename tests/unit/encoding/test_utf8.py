"""Half a surrogate pair, wherever the library takes text: refused by name, before any I/O."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rxbosbase import BosBase, aio
from rxbosbase.encoding.utf8 import check_encodable
from rxbosbase.http.multipart import split_files
from rxbosbase.server import EmbeddedServer

LOST = "a\ud83db"  # the first half of an emoji

Call = Callable[[BosBase, str], Any]


@pytest.fixture
def client() -> Iterator[BosBase]:
    """Yield a client whose requests, if it sends any, raise `ConnectionFailedError`."""
    with BosBase("http://127.0.0.1:1", filter_dialect="plain") as made:
        yield made


def ignore(_: object) -> None:
    pass


async def subscribe_aio(client: BosBase, text: str) -> None:
    async def callback(_: object) -> None:
        pass

    await aio.subscribe(client.collection("posts"), text, callback)


def by_keywords(method: str, *names: str) -> dict[str, Call]:
    """Return the text as each of the keywords of a collection's method."""

    def entrance(name: str) -> Call:
        return lambda client, text: getattr(client.collection("a"), method)(**{name: text})

    return {f"{method}'s {name}": entrance(name) for name in names}


ENTRANCES: dict[str, Call] = {
    "base_url": lambda _, text: BosBase(f"http://localhost/{text}"),
    "base_url's host": lambda _, text: BosBase(f"http://{text}"),
    "headers": lambda _, text: BosBase("http://localhost", headers={"X-A": text}),
    "headers' name": lambda _, text: BosBase("http://localhost", headers={text: "a"}),
    "topic_headers": lambda _, text: BosBase("http://localhost", topic_headers={"X-A": text}),
    "verify": lambda _, text: BosBase("http://localhost", verify=f"/{text}"),
    "collection": lambda client, text: client.collection(text),
    "filter": lambda client, text: client.filter(text),
    "filter's value": lambda client, text: client.filter("a = {:a}", a=text),
    "filter's JSON": lambda client, text: client.filter("a = {:a}", a=[text]),
    "filter's names": lambda client, text: client.filter("a = 1", **{text: 1}),
    "file_url's record": lambda client, text: client.file_url(
        {"id": text, "collectionId": "c"}, "a.png"
    ),
    "file_url's name": lambda client, text: client.file_url({"id": "a", "collectionId": "c"}, text),
    "file_url's thumb": lambda client, text: client.file_url(
        {"id": "a", "collectionId": "c"}, "a.png", thumb=text
    ),
    "send's method": lambda client, text: client.send(text, "/api/health"),
    "send's path": lambda client, text: client.send("GET", f"/{text}"),
    "send's query": lambda client, text: client.send("GET", "/a", query={"a": text}),
    "send's query keys": lambda client, text: client.send("GET", "/a", query={text: "a"}),
    "send's query lists": lambda client, text: client.send("GET", "/a", query={"a": [text]}),
    "send's body": lambda client, text: client.send("POST", "/a", body={"a": [text]}),
    "send's headers": lambda client, text: client.send("GET", "/a", headers={"x-a": text}),
    "send's files": lambda client, text: client.send(
        "POST", "/a", body={"a": "1"}, files=[("f", (text, b"x"))]
    ),
    "send's form": lambda client, text: client.send(
        "POST", "/a", body={"a": text}, files=[("f", ("n", b"x"))]
    ),
    "send's form fields": lambda client, text: client.send(
        "POST", "/a", body={"a": "1"}, files=[(text, ("n", b"x"))]
    ),
    "send's token": lambda client, text: client.send("GET", "/a", token=text),
    "the token": lambda client, text: client.auth_store.save(text),
    "get_one": lambda client, text: client.collection("a").get_one(text),
    "update": lambda client, text: client.collection("a").update(text, {}),
    "update's body": lambda client, text: client.collection("a").update("x", {"a": text}),
    "delete": lambda client, text: client.collection("a").delete(text),
    "create": lambda client, text: client.collection("a").create({"a": {"b": [text]}}),
    "create's keys": lambda client, text: client.collection("a").create({text: 1}),
    "create's file field": lambda client, text: client.collection("a").create({text: ("n", b"x")}),
    "create's file type": lambda client, text: client.collection("a").create(
        {"f": ("n", b"x", text)}
    ),
    "create beside a file": lambda client, text: client.collection("a").create(
        {"t": text, "f": ("n", b"x")}
    ),
    "get_first_list_item": lambda client, text: client.collection("a").get_first_list_item(text),
    "get_full_list": lambda client, text: client.collection("a").get_full_list(filter=text),
    "iter_records": lambda client, text: next(client.collection("a").iter_records(filter=text)),
    **by_keywords("get_list", "filter", "sort", "expand", "fields"),
    "get_list's query": lambda client, text: client.collection("a").get_list(query={"a": text}),
    "get_list's headers": lambda client, text: client.collection("a").get_list(headers={"a": text}),
    "identity": lambda client, text: client.collection("users").auth_with_password(text, "x"),
    "password": lambda client, text: client.collection("users").auth_with_password("x", text),
    "login's body": lambda client, text: client.collection("users").auth_with_password(
        "x", "y", body={"a": text}
    ),
    "auth_refresh's body": lambda client, text: client.collection("users").auth_refresh(
        body={"a": text}
    ),
    "collections.create": lambda client, text: client.collections.create({"name": text}),
    "collections.update": lambda client, text: client.collections.update(text, {}),
    "collections.delete": lambda client, text: client.collections.delete(text),
    "observe": lambda client, text: client.collection("a").observe(text),
    **by_keywords("observe", "filter", "expand", "fields"),
    "observe's query": lambda client, text: client.collection("a").observe(query={"a": text}),
    "observe's headers": lambda client, text: client.collection("a").observe(headers={"a": text}),
    "subscribe": lambda client, text: client.collection("a").subscribe(text, ignore),
    "events": lambda client, text: client.collection("a").events(text),
    "unsubscribe": lambda client, text: client.collection("a").unsubscribe(text),
    "live_record": lambda client, text: client.collection("a").live_record(text),
    **by_keywords("live", "filter", "sort", "expand", "fields"),
    "realtime.observe": lambda client, text: client.realtime.observe(text),
    "realtime.subscribe": lambda client, text: client.realtime.subscribe(text, ignore),
    "realtime.unsubscribe": lambda client, text: client.realtime.unsubscribe(text),
    "realtime's query": lambda client, text: client.realtime.observe("a", query={"a": text}),
    "learn_filter_dialect": lambda client, text: client.collection("a").learn_filter_dialect(
        headers={"a": text}
    ),
    "the superuser's email": lambda _, text: EmbeddedServer(superuser_email=text),
    "the superuser's password": lambda _, text: EmbeddedServer(superuser_password=text),
    "aio.subscribe": lambda client, text: asyncio.run(subscribe_aio(client, text)),
    "aio.live": lambda client, text: aio.live(client.collection("a"), filter=text),
}


@pytest.mark.parametrize("entrance", ENTRANCES)
def test_half_a_surrogate_pair_is_refused_before_any_io(client: BosBase, entrance: str) -> None:
    """Half a surrogate pair in any argument is a ValueError or TypeError before any I/O."""
    with pytest.raises((ValueError, TypeError)) as refused:
        ENTRANCES[entrance](client, LOST)
    assert type(refused.value) in (ValueError, TypeError)
    message = str(refused.value)
    message.encode()  # it can be printed
    assert "codec" not in message
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


def test_a_password_is_not_quoted(client: BosBase) -> None:
    """The error for half a surrogate pair in a password does not contain the password."""
    with pytest.raises(ValueError, match=r"^password holds half a surrogate pair") as refused:
        client.collection("users").auth_with_password("x", f"secret{LOST}")
    assert "secret" not in str(refused.value)


def test_a_field_is_named_and_its_value_is_not_quoted(client: BosBase) -> None:
    """The error for half a surrogate pair in a body names the place, not the value."""
    with pytest.raises(TypeError, match=r"half a surrogate pair: \['a'\]\['b'\]\[1\]$"):
        client.collection("posts").create({"a": {"b": ["x", LOST]}})


def test_the_name_of_a_file_on_disk_need_not_be_text(tmp_path: Path) -> None:
    """A file name with an undecodable byte is sent with `_` in its place."""
    path = tmp_path / "caf\udce9.txt"  # what `os.fsdecode` makes of a name in Latin-1
    path.write_bytes(b"x")
    with path.open("rb") as opened:
        for given in (path, opened, ("caf\udce9.txt", b"x")):
            _, files = split_files({"f": given})
            assert files[0][1][0] == "caf_.txt"


@pytest.mark.parametrize("value", ["\U0001f98a", "é", 5, None, b"\xff", {"a": ("b", [None])}])
def test_whole_characters_pass_and_half_a_pair_is_refused_with_its_place(value: Any) -> None:
    """`check_encodable` accepts complete characters and names the index of half a pair."""
    check_encodable("it", value)
    with pytest.raises(ValueError, match=r"^it\[1\] holds"):
        check_encodable("it", [value, LOST])
