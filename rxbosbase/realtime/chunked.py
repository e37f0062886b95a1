"""HTTP/1.1 chunked transfer coding, undone in bulk.

Pure. The server sends each event as a chunk of its own, so a busy stream is thousands of small
chunks a second; ``http.client`` takes several microseconds for each. Here one large read is taken
apart with ``find`` and slices.

A body, as RFC 9112 section 7.1 has it: ``size[;extension] CRLF data CRLF``, again and again, then
``0 CRLF``, then trailer lines, then an empty line.
"""

from __future__ import annotations

import re

from rxbosbase.errors import ProtocolError

__all__ = ["MAX_TRAILERS", "ChunkedDecoder"]

MAX_LINE = 4096  # bytes of a size line with its extensions, or of a trailer; more is an error
MAX_TRAILERS = 64 * 1024  # bytes of trailer lines behind the last chunk; more is an error
_MAX_KNOWN = 1024  # size lines remembered; beyond that the memory of them starts afresh

_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]+)[ \t]*(?:;.*)?", re.DOTALL)


class ChunkedDecoder:
    """Undoes the chunked coding of one body; make a new one for each.

    Attributes:
        finished: True once the body has ended as it should; bytes behind that are ignored.

    >>> decoder = ChunkedDecoder()
    >>> decoder.feed(b"5\\r\\nhel"), decoder.feed(b"lo\\r\\n0\\r\\n\\r\\n"), decoder.finished
    (b'hel', b'lo', True)
    """

    def __init__(self) -> None:
        self.finished = False
        self._partial = b""  # the beginning of a line; at most a size line long
        self._left = 0  # bytes of the current chunk that are still to come
        self._in_chunk = False  # its closing CRLF is still to come
        self._trailers: int | None = None  # their bytes so far, once the last chunk was seen
        self._known: dict[bytes, int] = {}  # a chunk's end with the next size line -> that size

    @property
    def is_between(self) -> bool:
        """True if the next byte begins a chunk's size line."""
        return not (self._left or self._partial or self._in_chunk or self._trailers is not None)

    @property
    def rest_of_chunk(self) -> int:
        """Bytes until the chunk in progress has ended, its CRLF included; 0 if that is not
        known, or none is in progress."""
        return self._left + 2 if self._in_chunk and not self._partial else 0

    def feed(self, raw: bytes) -> bytes:
        """Take the next bytes as they were received, return the data among them, at once.

        Raises:
            ProtocolError: the bytes are no chunked body; the connection is of no use any more.
        """
        out: list[bytes] = []
        at = 0
        if self._left:
            out.append(raw[: self._left])
            at = len(out[0])
            self._left -= at
        if self._partial:
            raw, at = self._partial + raw[at:], 0
            self._partial = b""
        if self._trailers is None:
            at = self._chunks(raw, at, out)
        if self._trailers is not None and not self.finished:
            self._skip_trailers(raw, at)
        return b"".join(out)

    def _chunks(self, raw: bytes, at: int, out: list[bytes]) -> int:
        """Append the data of all chunks from ``at`` on; return the position behind them."""
        while True:
            if self._in_chunk:
                at = self._pass_known(raw, at, out)
                mark = raw[at : at + 2]
                if mark != b"\r\n":
                    if mark not in (b"", b"\r"):
                        raise ProtocolError("a chunk is longer than its size: connect again")
                    self._partial = mark
                    return len(raw)
                self._in_chunk = False
                at += 2
            line_end = raw.find(b"\r\n", at)
            if line_end < 0:
                self._keep(raw[at:])
                return len(raw)
            size = self._size_of(raw[at:line_end])
            at = line_end + 2
            if not size:
                self._trailers = 0
                return at
            out.append(raw[at : at + size])
            self._in_chunk = True
            self._left = max(0, at + size - len(raw))
            at += size - self._left

    def _pass_known(self, raw: bytes, at: int, out: list[bytes]) -> int:
        """Append whole chunks as long as their sizes were seen before: the hot loop.

        ``at`` is behind a chunk's data. Its CRLF and the next size line are looked up as one.
        """
        find, known, append, length = raw.find, self._known.get, out.append, len(raw)
        while True:
            start = find(b"\n", at + 2) + 1
            size = known(raw[at:start])
            if size is None or start + size > length:
                return at
            at = start + size
            append(raw[start:at])

    def _size_of(self, line: bytes) -> int:
        match = _SIZE_LINE.fullmatch(line) if len(line) <= MAX_LINE else None
        if match is None:
            raise ProtocolError(
                "the body has no valid chunk size where one belongs: "
                "is there a proxy between you and the server that rewrites answers?"
            )
        size = int(match[1], 16)
        if len(self._known) >= _MAX_KNOWN:
            self._known.clear()
        if size:
            self._known[b"\r\n" + line + b"\r\n"] = size
        return size

    def _skip_trailers(self, raw: bytes, at: int) -> None:
        while True:
            end = raw.find(b"\r\n", at)
            if end < 0:
                self._keep(raw[at:])
                return
            if end == at:
                self.finished = True
                return
            self._trailers = (self._trailers or 0) + end + 2 - at
            if self._trailers > MAX_TRAILERS or end - at > MAX_LINE:
                raise ProtocolError("the trailers behind the body are too long")
            at = end + 2

    def _keep(self, partial: bytes) -> None:
        if len(partial) > MAX_LINE + 1:  # one more: it may be the first half of the line's end
            raise ProtocolError(f"a line between chunks is longer than {MAX_LINE} bytes")
        self._partial = partial
