"""The body of a response, within bounds: of bytes, of compression, and of memory once decoded.

The body is decompressed here and not by `requests`, which has no bound: 1 kB of gzip can hold
1 MB, and gzip inside gzip the square of that.

Source: RFC 9110, 8.4.1 (content codings, of which gzip is accepted) and RFC 1952 (gzip).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

import requests

from rxbosbase.encoding.control_characters import one_line
from rxbosbase.encoding.json import MAX_EXPANSION, decoded_size
from rxbosbase.errors import AnswerTooLargeError, ProtocolError

from .chunked import MAX_TRAILERS, ChunkedDecoder

__all__ = ("ACCEPT_ENCODING", "MAX_ANSWER_BYTES", "MAX_RATIO", "read_body")

ACCEPT_ENCODING = "gzip"
"""The encodings that are requested, and the only ones that are accepted."""

MAX_ANSWER_BYTES = 32 * 1024 * 1024
"""A longer response is refused. An editor field's default limit of 5 MB fits, as JSON has it."""

MAX_RATIO = 100
"""Bytes that a byte of gzip may become; records become 3 to 20."""

UNCOUNTED = 4
"""The part of the limit, one byte in this many, that may have any ratio: 5 MB of spaces are a
valid record, and are 5 kB of gzip."""

_PIECE_BYTES = 256 * 1024

_FRAMING = 2
"""Bytes that may be received for a byte of the body, the sizes of its chunks included."""

_MOST_DENSE = 64
"""Bytes that a byte of JSON becomes at most by the estimate of `decoded_size`: an array is two."""


class _TooLargeError(Exception):
    """Names the bound that the response exceeds."""


def read_body(response: requests.Response, limit: int) -> bytes:
    """Return the whole body, decompressed.

    Args:
        limit: bytes that it may have.

    Raises:
        AnswerTooLargeError: it has more, is compressed beyond `MAX_RATIO`, or would take too much
            memory once decoded.
        ProtocolError: it has an encoding that was not requested, or not the one that it names.
        urllib3.exceptions.HTTPError, OSError: it ended early.
    """
    url = (response.url or "").partition("?")[0]
    method = response.request.method
    if method == "HEAD" or response.status_code in (204, 304):
        _release(response.raw)  # such a response has no body, whatever its headers are
        return b""
    try:
        return _read(response, limit, url)
    except _TooLargeError as error:
        bound = str(error)
    raise AnswerTooLargeError(url, bound, was_written=method != "GET" and response.ok)


def _read(response: requests.Response, limit: int, url: str) -> bytes:
    declared = response.headers.get("Content-Length", "")
    if declared.isdecimal() and int(declared[:20]) > limit:  # refused without being read
        raise _TooLargeError(f"{limit} bytes")
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in ("", "identity", "gzip", "x-gzip"):
        raise ProtocolError(
            f"{url} answered in the encoding {one_line(encoding)!r}; "
            f"only {ACCEPT_ENCODING} was asked for: does a proxy compress it?"
        )
    pieces = _received(response.raw, limit)
    if encoding in ("gzip", "x-gzip"):
        pieces = _decompressed(pieces, limit, url)
    found: list[bytes] = []
    size = 0
    for piece in pieces:
        found.append(piece)
        size += len(piece)
        if size > limit:
            raise _TooLargeError(f"{limit} bytes")
    body = b"".join(found)
    memory = MAX_EXPANSION * limit
    if size * _MOST_DENSE > memory and decoded_size(body) > memory:
        raise _TooLargeError(f"{memory} bytes of memory once decoded")
    return body


def _received(raw: Any, limit: int) -> Iterator[bytes]:
    """Return the body as received, in pieces, without the chunked coding."""
    original = raw._original_response  # None where a test responds in place of a socket
    if not raw.chunked or original is None:
        yield from raw.stream(_PIECE_BYTES, decode_content=False)
        return
    # Not by urllib3's own reader: that accepts negative sizes and endless trailers, and quotes what
    # it cannot read.
    chunks, read = ChunkedDecoder(), 0
    while not chunks.finished:
        piece = original.fp.read1(_PIECE_BYTES)
        if not piece:
            raise ConnectionResetError("the connection ended in the middle of the answer")
        read += len(piece)
        if read > _FRAMING * limit + MAX_TRAILERS:
            raise _TooLargeError(f"{limit} bytes")
        yield chunks.feed(piece)
    _release(raw)


def _release(raw: Any) -> None:
    """Release the connection to the next request: nothing of the response is left in it."""
    if raw._original_response is not None:
        raw._original_response.close()
        raw.release_conn()


def _decompressed(pieces: Iterator[bytes], limit: int, url: str) -> Iterator[bytes]:
    unzip = zlib.decompressobj(wbits=31)
    read = made = 0
    try:
        for piece in pieces:
            read += len(piece)
            if read > _FRAMING * limit:  # pieces may decompress to nothing without end
                raise _TooLargeError(f"{limit} bytes")
            while piece:
                if unzip.eof:  # one member may follow another (RFC 1952, 2.2)
                    unzip = zlib.decompressobj(wbits=31)
                out = unzip.decompress(piece, _PIECE_BYTES)
                piece = unzip.unconsumed_tail or unzip.unused_data
                made += len(out)
                if made > max(limit // UNCOUNTED, MAX_RATIO * read):
                    raise _TooLargeError(f"{MAX_RATIO} times its compressed size")
                yield out
    except zlib.error as error:
        raise ProtocolError(f"{url} answered with broken gzip: {error}") from None
    if read and not unzip.eof:
        raise ProtocolError(f"{url} answered with half of its gzip")
