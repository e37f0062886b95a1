"""Files beside the fields of a body, and the addresses of files."""

from __future__ import annotations

import io
import json
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

from rxbosbase import BosBase
from rxbosbase.http.multipart import PAYLOAD_FIELD, split_files


def test_a_body_without_files_is_sent_as_it_is() -> None:
    """A body without files is returned unchanged, with an empty list of files."""
    body = {"title": "Hi", "n": 1, "tags": ["a"], "pair": ("a", "b"), "none": None, "empty": []}
    assert split_files(body) == (body, [])


def test_fields_beside_files_keep_their_types() -> None:
    """Fields beside a file are sent as JSON in `PAYLOAD_FIELD` and keep their types."""
    fields, files = split_files({"n": 1, "on": True, "none": None, "doc": ("a.txt", b"x")})
    assert list(fields) == [PAYLOAD_FIELD]
    assert json.loads(fields[PAYLOAD_FIELD]) == {"n": 1, "on": True, "none": None}
    assert files == [("doc", ("a.txt", b"x"))]


def test_every_form_of_a_file_is_accepted(tmp_path: Path) -> None:
    """A path, an open file and a tuple of name, content and optional type are files."""
    path = tmp_path / "photo.png"
    path.write_bytes(b"png")
    nameless = io.BytesIO(b"x")
    with path.open("rb") as opened:
        body = {
            "path": path,
            "open": opened,
            "nameless": nameless,
            "pair": ("a.txt", b"a"),
            "typed": ("b.txt", bytearray(b"b"), "text/plain"),
            "of file": ("c.txt", nameless),
        }
        _, files = split_files(body)
        assert files == [
            ("path", ("photo.png", b"png")),
            ("open", ("photo.png", opened)),
            ("nameless", ("file", nameless)),
            ("pair", ("a.txt", b"a")),
            ("typed", ("b.txt", bytearray(b"b"), "text/plain")),
            ("of file", ("c.txt", nameless)),
        ]


def test_only_the_last_part_of_a_path_is_sent(tmp_path: Path) -> None:
    """An open file's name is sent without its folders; a name that is no text is `file`."""
    file = io.BytesIO(b"x")
    file.name = "/home/ann/secret/photo.png"
    assert split_files({"photo": file})[1] == [("photo", ("photo.png", file))]
    file.name = 3  # the number of a descriptor
    assert split_files({"photo": file})[1] == [("photo", ("file", file))]


@pytest.mark.parametrize(
    ("name", "sent"), [("a\\", "a_"), ("a\r\nb", "a__b"), ("\0", "_"), ("", "file"), ("ą", "ą")]
)
def test_characters_that_a_file_name_cannot_have_are_replaced(name: str, sent: str) -> None:
    """Backslash and control characters in a file's name become `_`; an empty name is `file`."""
    assert split_files({"doc": (name, b"x")})[1] == [("doc", (sent, b"x"))]


def test_a_list_of_files_is_one_part_each_and_modifiers_are_kept() -> None:
    """A list of files is sent as one part each under the same field, with its `+` modifier."""
    _, files = split_files({"docs+": [("a", b"1"), ("b", b"2")]})
    assert files == [("docs+", ("a", b"1")), ("docs+", ("b", b"2"))]


def test_a_list_of_files_and_other_values_is_refused() -> None:
    """Raise TypeError that names the field for a list of files and other values."""
    with pytest.raises(TypeError, match="'docs' mixes files with other values"):
        split_files({"docs": [("a", b"1"), "old_name.txt"]})


def test_a_missing_path_is_an_error_at_once(tmp_path: Path) -> None:
    """A path that does not exist raises FileNotFoundError before the request is sent."""
    with pytest.raises(FileNotFoundError):
        split_files({"doc": tmp_path / "missing"})


@pytest.mark.parametrize("kind", ["text/plain\r\nX-Evil: 1", "a\nb", "a\0b", 1, None])
def test_a_type_that_would_break_its_header_is_refused(kind: Any) -> None:
    """Raise ValueError for a content type that is no text or has control characters."""
    with pytest.raises(ValueError, match="'image/png'"):
        split_files({"doc": ("a.txt", b"x", kind)})


def test_bare_bytes_beside_a_file_are_refused_with_the_forms_of_a_file() -> None:
    """Bytes beside a file raise TypeError that names the two accepted forms of a file."""
    with pytest.raises(TypeError, match=r"pathlib\.Path or \(name, content\)"):
        split_files({"doc": ("a", b"x"), "other": b"bare"})


# -- addresses ------------------------------------------------------------------------------------

RECORD = {"id": "abc", "collectionId": "pbc_1", "collectionName": "posts"}


@pytest.fixture
def client() -> BosBase:
    return BosBase("http://localhost:8090/base/")


def test_the_address_of_a_file(client: BosBase) -> None:
    """`file_url` is base URL, collection id, or else its name, record id and file name."""
    url = client.file_url(RECORD, "a.png")
    assert url == "http://localhost:8090/base/api/files/pbc_1/abc/a.png"
    by_name = client.file_url({"id": "abc", "collectionName": "posts"}, "a.png")
    assert by_name == "http://localhost:8090/base/api/files/posts/abc/a.png"


def test_thumb_token_and_download_are_query_parameters(client: BosBase) -> None:
    """`thumb`, `token` and `download` become query parameters, percent-encoded."""
    url = client.file_url(RECORD, "a.png", thumb="100x100", token="t&k", download=True)
    assert url.endswith("/a.png?thumb=100x100&token=t%26k&download=1")


@pytest.mark.parametrize(
    ("name", "quoted"),
    [
        ("a b.png", "a%20b.png"),
        ("../../../x", "..%2F..%2F..%2Fx"),
        ("a?b#c", "a%3Fb%23c"),
        ("ą.png", "%C4%85.png"),
        ("%2e%2e", "%252e%252e"),
        ("a\r\nb", "a%0D%0Ab"),
    ],
)
def test_a_name_stays_one_part_of_the_path(client: BosBase, name: str, quoted: str) -> None:
    """A file name is percent-encoded, slashes too, so that it is one segment of the path."""
    assert (
        client.file_url(RECORD, name) == f"http://localhost:8090/base/api/files/pbc_1/abc/{quoted}"
    )


class Thumb(str, Enum):  # noqa: UP042 - a StrEnum would write its value
    SMALL = "a.png"


def test_a_name_that_is_an_enum_is_its_value(client: BosBase) -> None:
    """A name that is a member of a text enum gives the URL of its value."""
    assert client.file_url(RECORD, Thumb.SMALL) == client.file_url(RECORD, "a.png")


@pytest.mark.parametrize("name", ["", ".", "..", None, 1])
def test_a_name_that_is_none_is_refused(client: BosBase, name: Any) -> None:
    """Raise ValueError for a file name that is empty, `.`, `..` or no text."""
    with pytest.raises(ValueError, match="a file's name"):
        client.file_url(RECORD, name)


@pytest.mark.parametrize("record", [{}, {"id": "a"}, {"id": "", "collectionId": "c"}, {"id": 1}])
def test_a_record_without_an_id_or_a_collection_is_refused(
    client: BosBase, record: dict[str, Any]
) -> None:
    """Raise ValueError for a record without an id or without a collection."""
    with pytest.raises(ValueError, match="id and collectionId"):
        client.file_url(record, "a.png")
