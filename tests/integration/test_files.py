"""Files on the real server: uploaded with their records, and downloaded by their URL."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
import requests
from support.hostile_strings import HOSTILE_STRINGS
from support.live_schema import World, collect

from rxbosbase import ClientResponseError, Collection

pytest_plugins = ["support.live_fixtures"]

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"
    "0000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
)


@pytest.fixture
def docs(world: World) -> Collection[dict[str, Any]]:
    return world.collection(
        "docs",
        viewRule="@request.auth.id != ''",
        fields=(
            {"name": "doc", "type": "file", "maxSelect": 1, "maxSize": 1_000_000},
            {"name": "many", "type": "file", "maxSelect": 5},
            {"name": "hidden", "type": "file", "maxSelect": 1, "protected": True},
            {"name": "data", "type": "json"},
            {"name": "on", "type": "bool"},
        ),
    )


def download(url: str) -> bytes:
    answer = requests.get(url, timeout=10)
    answer.raise_for_status()
    return answer.content


def test_a_file_of_every_form_goes_up_and_comes_back(
    world: World, docs: Collection[dict[str, Any]], tmp_path: Path
) -> None:
    """A file given as path, open file, BytesIO or tuple is downloaded with the same bytes."""
    path = tmp_path / "photo.png"
    path.write_bytes(PNG)
    with path.open("rb") as opened:
        forms: list[Any] = [
            path, opened, io.BytesIO(PNG), ("photo.png", PNG), ("photo.png", PNG, "image/png"),
            ("photo.png", io.BytesIO(PNG)),
        ]  # fmt: skip
        for form in forms:
            record = docs.create({"title": "a", "doc": form})
            assert download(world.admin.file_url(record, record["doc"])) == PNG


def test_the_fields_beside_a_file_keep_their_types(docs: Collection[dict[str, Any]]) -> None:
    """Text, number, bool and JSON fields keep their types in a request with a file."""
    fields = {"title": "42", "n": 1.5, "on": True, "data": {"a": [1, None, "ż"]}}
    record = docs.create({**fields, "doc": ("a.txt", b"x")})
    assert {name: record[name] for name in fields} == fields


def test_files_are_added_to_and_taken_from_a_list(docs: Collection[dict[str, Any]]) -> None:
    """`field+` adds a file, `field-` removes one by its name, and `[]` removes all."""
    record = docs.create({"many": [("a.txt", b"1"), ("b.txt", b"2")]})
    record = docs.update(record["id"], {"many+": ("c.txt", b"3"), "title": "three"})
    assert len(record["many"]) == 3
    assert record["title"] == "three"
    record = docs.update(record["id"], {"many-": [record["many"][0]]})
    assert len(record["many"]) == 2
    assert docs.update(record["id"], {"many": []})["many"] == []


def test_an_upload_emits_an_event(world: World, docs: Collection[dict[str, Any]]) -> None:
    """The event of an upload carries the stored name of the file."""
    received = collect(docs.observe("*"))
    world.wait_active()
    record = docs.create({"doc": ("a.txt", b"x")})
    assert received.have(1)[0].record["doc"] == record["doc"]


def test_a_protected_file_needs_a_file_token(
    world: World, docs: Collection[dict[str, Any]]
) -> None:
    """A protected file is refused without a token; `file_url(token=…)` downloads it."""
    record = docs.create({"hidden": ("a.txt", b"secret")})
    with pytest.raises(requests.HTTPError):
        download(world.admin.file_url(record, record["hidden"]))
    token = world.admin.send("POST", "/api/files/token")["token"]
    assert download(world.admin.file_url(record, record["hidden"], token=token)) == b"secret"


def test_thumbs_and_downloads_are_asked_for(world: World, docs: Collection[dict[str, Any]]) -> None:
    """`file_url` with `thumb` and `download` gives a URL that responds as an attachment."""
    record = docs.create({"doc": ("photo.png", PNG)})
    url = world.admin.file_url(record, record["doc"], thumb="10x10", download=True)
    answer = requests.get(url, timeout=10)
    assert answer.status_code == 200
    assert answer.headers["Content-Disposition"].startswith("attachment")


def test_a_refused_file_is_an_error_that_names_its_field(
    docs: Collection[dict[str, Any]],
) -> None:
    """A file larger than `maxSize` raises a 400 whose `data` has the field."""
    with pytest.raises(ClientResponseError) as caught:
        docs.create({"doc": ("big.bin", b"x" * 1_000_001)})
    assert caught.value.status == 400
    assert "doc" in caught.value.data


def test_no_file_name_changes_other_parts_of_the_form(docs: Collection[dict[str, Any]]) -> None:
    """No file name, with quotes, line ends or NUL, changes another field of the request."""
    hostile = [*HOSTILE_STRINGS, 'a"; name="title"; x="', "a\r\n\r\n--b--\r\n", "", "\0", "../a"]
    for name in hostile:
        record = docs.create({"title": "mine", "doc": (name, b"x")})
        assert record["title"] == "mine"
        assert record["doc"], ascii(name)  # the server drops some without an error
        assert "/" not in record["doc"]


def test_a_file_beside_hostile_text_leaves_the_text_as_data(
    docs: Collection[dict[str, Any]],
) -> None:
    """Hostile text beside a file is stored unchanged."""
    for text in HOSTILE_STRINGS:
        assert docs.create({"title": text, "doc": ("a.txt", b"x")})["title"] == text
