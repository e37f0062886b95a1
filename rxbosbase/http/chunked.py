"""HTTP/1.1 chunked transfer coding, decoded in bulk.

Pure. The server sends each event as a chunk of its own, so a busy stream is thousands of small
chunks a second; ``http.client`` takes several microseconds for each. Here a large read is split
by a pattern and slices. `BodyDecoder` splits the usual form itself; this is for the rest.

A body is ``size[;extension] CRLF data CRLF``, any number of times, then ``0 CRLF``, then trailer
lines, then an empty line.

Source: RFC 9112, 7.1.
"""

from __future__ import annotations

import re

from rxbosbase.errors import ProtocolError

__all__ = ("MAX_TRAILERS", "ChunkedDecoder")

MAX_LINE = 4096  # bytes of a size line with its extensions, or of a trailer; more is an error
MAX_TRAILERS = 64 * 1024  # bytes of trailer lines after the last chunk; more is an error

_CRLF = b"\r\n"
# With the CRLF of the chunk before, so that one search passes both.
_SIZE_LINE = re.compile(rb"\r\n([0-9A-Fa-f]+)[ \t]*(?:;.*?)?\r\n", re.DOTALL)


class ChunkedDecoder:
    """Decodes the chunked coding of one body; make a new one for each.

    Attributes:
        finished: True once the body has ended correctly; bytes after that are ignored.

    >>> decoder = ChunkedDecoder()
    >>> decoder.feed(b"5\\r\\nhel"), decoder.feed(b"lo\\r\\n0\\r\\n\\r\\n"), decoder.finished
    (b'hel', b'lo', True)
    """

    def __init__(self) -> None:
        self.finished = False
        self._left = 0  # bytes of the current chunk that are still to come
        # What follows the last chunk: CRLF, and the next line as far as received. A body starts as
        # if after a chunk.
        self._partial = _CRLF
        self._trailers: int | None = None  # their bytes so far, once the last chunk was received

    @property
    def is_between(self) -> bool:
        """True if the next byte begins a chunk's size line."""
        return self._partial == _CRLF and self._trailers is None

    @property
    def rest_of_chunk(self) -> int:
        """Bytes until the chunk in progress has ended, its CRLF included; 0 if none is."""
        return max(0, self._left + len(_CRLF) - len(self._partial))

    def feed(self, raw: bytes) -> bytes:
        """Take the next bytes as received, and return the data among them.

        Raises:
            ProtocolError: the bytes are no chunked body; the connection is no longer usable.
        """
        out = [raw[: self._left]]
        raw = self._partial + raw[self._left :]
        self._left -= len(out[0])
        at = 0
        while self._trailers is None:
            match = _SIZE_LINE.match(raw, at, at + MAX_LINE + 4)
            if match is None:
                break
            size = int(match[1], 16)
            data = raw[match.end() : match.end() + size]
            out.append(data)
            self._left = size - len(data)
            at = match.end() + len(data)
            if not size:
                self._trailers = 0
                at -= 2
        if self._trailers is not None:
            at = self._skip_trailers(raw, at)
        if not self.finished:
            self._keep(raw[at:])
        return b"".join(out)

    def _skip_trailers(self, raw: bytes, at: int) -> int:
        """Return where the incomplete line starts; each has a CRLF in front."""
        assert self._trailers is not None
        while not self.finished:
            end = raw.find(_CRLF, at + 2)
            if end < 0:
                break
            self.finished = end == at + 2
            self._trailers += end - at
            if not self.finished and (self._trailers > MAX_TRAILERS or end - at > MAX_LINE + 2):
                raise ProtocolError("the trailers behind the body are too long")
            at = end
        return at

    def _keep(self, partial: bytes) -> None:
        if not _CRLF.startswith(partial[:2]):
            raise ProtocolError("a chunk is longer than its size: connect again")
        if _CRLF in partial[2:]:
            raise ProtocolError(
                "the body has no valid chunk size where one belongs: "
                "is there a proxy between you and the server that rewrites answers?"
            )
        if len(partial) > MAX_LINE + 3:  # with the CRLF in front, and half of the next one
            raise ProtocolError(f"a line between chunks is longer than {MAX_LINE} bytes")
        self._partial = partial
