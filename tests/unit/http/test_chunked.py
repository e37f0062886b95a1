"""The chunked coding: decoded the same for every cut, refused where it is invalid."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.call_count import count_calls

from rxbosbase.errors import ProtocolError
from rxbosbase.http.chunked import MAX_LINE, MAX_TRAILERS, ChunkedDecoder

END = b"0\r\n\r\n"


def encode(parts: list[bytes], spelling: str = "%x", extension: bytes = b"") -> bytes:
    return b"".join(
        (spelling % len(part)).encode() + extension + b"\r\n" + part + b"\r\n" for part in parts
    )


def decode(body: bytes, cuts: list[int]) -> tuple[bytes, ChunkedDecoder]:
    decoder = ChunkedDecoder()
    places = [0, *sorted(place for place in cuts if place < len(body)), len(body)]
    return b"".join(decoder.feed(body[start:end]) for start, end in pairwise(places)), decoder


parts = st.lists(
    st.one_of(
        st.binary(min_size=1, max_size=20), st.sampled_from([b"\r\n", b"0\r\n\r\n", b"x" * 99])
    ),
    max_size=12,
)


@given(
    parts,
    st.lists(st.integers(0, 300), max_size=10),
    st.sampled_from(["%x", "%X", "%04x"]),
    st.sampled_from([b"", b";name=value", b" ; a", b';q="\n"']),
    st.sampled_from([b"", b"Expires: never\r\nX: y\r\n"]),
)
def test_any_cut_of_a_body_decodes_to_its_data(
    data: list[bytes], cuts: list[int], spelling: str, extension: bytes, trailers: bytes
) -> None:
    """A body decodes to its data for any cut, size spelling, extension and trailers."""
    body = encode(data, spelling, extension) + b"0\r\n" + trailers + b"\r\n"
    for places in (cuts, [], list(range(len(body)))):
        result, decoder = decode(body, places)
        assert result == b"".join(data)
        assert decoder.finished


@given(parts, st.integers(1, 30))
def test_a_body_without_its_end_is_not_finished(data: list[bytes], missing: int) -> None:
    """A body without its last bytes is not finished."""
    body = encode(data) + END
    assert not decode(body[: max(0, len(body) - missing)], [])[1].finished


def test_data_is_returned_as_it_arrives() -> None:
    """Data is returned as it arrives, before its chunk is complete."""
    decoder = ChunkedDecoder()
    assert decoder.feed(b"ffffffff\r\nabc") == b"abc"  # 4 GB announced; it waits for none of it
    assert decoder.feed(b"def") == b"def"


@pytest.mark.parametrize("digits", [15, 16, 17, MAX_LINE])
def test_a_chunk_of_any_size_may_be_announced(digits: int) -> None:
    """A chunk of any announced size is decoded, also of more than 64 bits."""
    decoder = ChunkedDecoder()
    assert decoder.feed(encode([b"a"]) + b"f" * digits + b"\r\nabc") == b"aabc"
    assert decoder.rest_of_chunk == 16**digits - 1 - 3 + 2
    assert decoder.feed(b"def") == b"def"


def test_bytes_behind_the_end_are_ignored() -> None:
    """Bytes after the end of the body are ignored."""
    decoder = ChunkedDecoder()
    assert decoder.feed(encode([b"a"]) + END + b"HTTP/1.1 200 OK\r\nX: y\r\n") == b"a"
    assert decoder.finished
    assert decoder.feed(b"more" * MAX_LINE) == b""
    assert decoder.feed(b"\r\n" + encode([b"a"])) == b""


@pytest.mark.parametrize(
    "line", [b"", b"x", b"-1", b"+1", b"0x1", b"1_0", b" 1", b"1 2", b"g", b"\xff", b"1\n", b";a",
             b"<html>"],
)  # fmt: skip
def test_an_invalid_size_is_refused(line: bytes) -> None:
    """A chunk size that is no hexadecimal number raises `ProtocolError`."""
    for before in (b"", encode([b"a"])):
        for cuts in ([], list(range(20))):
            with pytest.raises(ProtocolError, match=r"no valid chunk size.*proxy"):
                decode(before + line + b"\r\na\r\n", cuts)
        with pytest.raises(ProtocolError, match="no valid chunk size"):
            decode(before + line + b"\r\n", [])  # at once


@pytest.mark.parametrize("after", [b"x\r\n", b"\rx", b"\n\r", b"a\r\n5\r\n"])
def test_a_chunk_longer_than_its_size_is_refused(after: bytes) -> None:
    """A chunk with more data than its size raises `ProtocolError`."""
    for cuts in ([], list(range(30))):
        with pytest.raises(ProtocolError, match="longer than its size"):
            decode(encode([b"abc"]) + b"3\r\nabc" + after, cuts)


def test_a_size_line_is_bounded_also_before_it_is_complete() -> None:
    """A size line longer than `MAX_LINE` raises `ProtocolError`, also before it is complete."""
    longest = b"1;" + b"x" * (MAX_LINE - 2)
    for cuts in ([], list(range(MAX_LINE + 10))):
        assert decode(longest + b"\r\na\r\n" + END, cuts)[0] == b"a"
        with pytest.raises(ProtocolError):
            decode(longest + b"x\r\na\r\n" + END, cuts)
    decoder = ChunkedDecoder()
    for _ in range(MAX_LINE + 1):  # one more: it may be the CR after the longest line
        decoder.feed(b"1")
    with pytest.raises(ProtocolError, match=f"longer than {MAX_LINE}"):
        decoder.feed(b"1")


def test_trailers_are_bounded() -> None:
    """Trailers longer than `MAX_TRAILERS`, or one than `MAX_LINE`, raise `ProtocolError`."""
    line = b"X: " + b"y" * 1000 + b"\r\n"
    with pytest.raises(ProtocolError, match="trailers"):
        decode(b"0\r\n" + line * (MAX_TRAILERS // 1000 + 1), [])
    with pytest.raises(ProtocolError, match="trailers"):
        decode(b"0\r\nX: " + b"y" * MAX_LINE + b"\r\n\r\n", [])
    with pytest.raises(ProtocolError, match="trailers"):
        decode(b"0\r\n" + b"X" * (MAX_LINE + 1) + b"\r\n\r\n", [])
    with pytest.raises(ProtocolError, match="longer than"):
        decode(b"0\r\nX: " + b"y" * MAX_LINE, [])


@pytest.mark.parametrize("before", [b"", encode([b"a" * 2000, b"b" * 70_000])])
@pytest.mark.parametrize("size", [16, 2048])
def test_the_longest_trailers_are_accepted_and_one_byte_more_is_refused(
    size: int, before: bytes
) -> None:
    """Trailers of exactly `MAX_TRAILERS` bytes are accepted; one byte more is refused."""
    lines = [b"X" * (size - 2) + b"\r\n"] * (MAX_TRAILERS // size)
    for body in (before + b"0\r\n", before + b"000\r\n"):
        assert decode(body + b"".join(lines) + b"\r\n", [])[1].finished
        lines[-1] = b"y" + lines[-1]
        with pytest.raises(ProtocolError, match="trailers"):
            decode(body + b"".join(lines) + b"\r\n", [])
        lines[-1] = lines[-1][1:]


def test_the_longest_trailer_is_accepted() -> None:
    """A trailer of exactly `MAX_LINE` bytes is accepted."""
    assert decode(b"0\r\n" + b"X" * MAX_LINE + b"\r\n\r\n", [])[1].finished


@given(st.lists(st.binary(max_size=30), max_size=5))
def test_no_bytes_raise_anything_but_a_protocol_error(chunks: list[bytes]) -> None:
    """Any bytes decode or raise `ProtocolError`; the output is no longer than the input."""
    decoder = ChunkedDecoder()
    given = 0
    try:
        for chunk in chunks:
            given += len(decoder.feed(chunk))
    except ProtocolError:
        assert not decoder.finished
    assert given <= sum(map(len, chunks))


def test_chunks_cost_no_call_of_their_own() -> None:
    """A read of 600 chunks takes no more Python calls than a read of two."""
    pair = encode([b"a" * 30, b"b" * 31])
    decoder = ChunkedDecoder()
    many = count_calls(lambda: decoder.feed(pair * 300))
    assert many == count_calls(lambda: decoder.feed(pair))


@pytest.mark.parametrize("rest", [b"", b"5\r\nhello\r\n"], ids=["the last", "one of two"])
def test_the_rest_of_a_chunk_in_progress_ends_between_two(rest: bytes) -> None:
    """`rest_of_chunk` is exact once the size is complete, and 0 before."""
    for cut in range(9):
        decoder = ChunkedDecoder()
        decoder.feed(b"3\r\nabc\r\n"[:cut])
        assert decoder.rest_of_chunk == (8 - cut if cut >= 3 else 0)
        assert decoder.is_between == (cut in (0, 8))
        decoder.feed((b"3\r\nabc\r\n" + rest)[cut:])
        assert decoder.is_between


@pytest.mark.parametrize("begun", [b"0\r\n", b"0\r\nX", b"0\r\nX: y\r\n", END], ids=range(4))
def test_the_last_chunk_is_followed_by_no_other(begun: bytes) -> None:
    """Behind the last chunk `is_between` is False and `rest_of_chunk` is 0."""
    decoder = ChunkedDecoder()
    decoder.feed(encode([b"a"]) + begun)
    assert (decoder.is_between, decoder.rest_of_chunk) == (False, 0)


def test_a_body_begins_between_two_chunks_and_is_not_finished() -> None:
    """A new decoder is between two chunks and not finished."""
    decoder = ChunkedDecoder()
    assert (decoder.finished, decoder.is_between, decoder.rest_of_chunk) == (False, True, 0)
