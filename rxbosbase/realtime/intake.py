"""From a body's raw bytes to frames: chunked coding undone and frames cut, at once where possible.

Pure. `ChunkedDecoder` and `FrameParser` know every shape there is. The server writes one event in
one chunk, always alike, and a busy stream holds nothing else: six lines an event. Such lines are
checked and cut column by column, by the interpreter's own loops; anything else takes the long way.
"""

from __future__ import annotations

from operator import add

from .chunked import ChunkedDecoder
from .frames import MAX_KEPT_NAME, Frame, FrameParser

__all__ = ["Intake"]

_LINES = 6  # of an event in a chunk of its own: size, id, event, data, a blank, the chunk's end
_NEWLINES = 4  # of these, those that count for the chunk's size
_MAX_KNOWN = 4096  # size lines and event lines remembered; beyond that they start afresh
_MAX_TAIL = 64 * 1024  # bytes of an event in progress that are kept for the next read


class Intake:
    """The body of one event stream.

    Args:
        parser: cuts what is unusual; it also tells what was skipped.
        chunked: the body is in chunks; else `length` bytes, or all until the connection ends.

    Attributes:
        finished: True once the body has ended as it should.

    >>> intake = Intake(FrameParser(), chunked=True)
    >>> intake.feed(b"19\\r\\nid:c1\\nevent:a/*\\ndata:{}\\n\\n\\r\\n0\\r\\n\\r\\n")
    [('a/*', b'{}')]
    >>> intake.finished
    True
    """

    def __init__(self, parser: FrameParser, *, chunked: bool, length: int = -1) -> None:
        self._parser = parser
        self._chunks = ChunkedDecoder() if chunked else None
        self._left = length
        self._tail = b""  # the beginning of an event, behind whole ones
        self._sizes: dict[bytes, int] = {}
        self._names: dict[bytes, str] = {}
        self.finished = length == 0

    @property
    def may_end(self) -> bool:
        """True if the connection's end is the body's: neither chunks nor a length say otherwise."""
        return self._chunks is None and self._left <= 0

    def feed(self, raw: bytes) -> list[Frame]:
        """Take the next bytes as they were received, return the frames they complete.

        Raises:
            ProtocolError: the bytes are no chunked body.
        """
        if self._chunks is None:
            return self._plain(raw)
        if self._tail:
            raw, self._tail = self._tail + raw, b""
        first: list[Frame] = []
        rest = self._chunks.rest_of_chunk
        if rest:
            if rest >= len(raw):
                return self._slowly(raw)
            # The end of a chunk that came in part; whole ones may follow.
            first = self._slowly(raw[:rest])
            raw = raw[rest:]
        if self._chunks.is_between and not self._parser.pending:
            frames, raw = self._usual(raw)
            first += frames
            if frames and _is_beginning(raw):
                self._tail = raw
                return first
        return first + self._slowly(raw) if raw else first

    def _plain(self, raw: bytes) -> list[Frame]:
        if self._left >= 0:
            self._left -= len(raw)
            self.finished = self._left <= 0
        return self._parser.feed(raw)

    def _slowly(self, raw: bytes) -> list[Frame]:
        chunks = self._chunks
        assert chunks is not None
        body = chunks.feed(raw)
        self.finished = chunks.finished
        return self._parser.feed(body) if body else []

    def _usual(self, raw: bytes) -> tuple[list[Frame], bytes]:
        """The frames of all whole events, if all are of the usual shape; and what is left."""
        lines = raw.split(b"\n")
        count = (len(lines) - 1) // _LINES
        end = count * _LINES
        ids, blanks, ends = lines[1:end:6], lines[4:end:6], lines[5:end:6]
        if (
            count < 1
            or not ids[0].startswith(b"id:")
            or len(raw) > self._parser.max_bytes
            or ids.count(ids[0]) != count
            or blanks.count(b"") != count
            or ends.count(b"\r") != count
        ):
            return [], raw
        events, data = lines[2:end:6], lines[3:end:6]
        fixed = len(ids[0]) + _NEWLINES
        sizes = list(map(add, map(len, events), map(len, data)))
        told = list(map(self._sizes.get, lines[0:end:6]))
        if None in told:
            told = list(map(self._size_of, lines[0:end:6]))
        names = list(map(self._names.get, events))
        if None in names:
            names = list(map(self._name_of, events))
        payloads = [line[5:] for line in data if line[:6] == b"data:{"]
        if None in names or len(payloads) != count or told != [size + fixed for size in sizes]:
            return [], raw
        return list(zip(names, payloads, strict=True)), b"\n".join(lines[end:])  # type: ignore[arg-type]

    def _size_of(self, line: bytes) -> int | None:
        digits = line[:-1]
        if not line.endswith(b"\r") or not digits.isalnum() or len(digits) > 8:
            return None
        try:
            size = int(digits, 16)
        except ValueError:
            return None
        if len(self._sizes) >= _MAX_KNOWN:
            self._sizes.clear()
        self._sizes[line] = size
        return size

    def _name_of(self, line: bytes) -> str | None:
        if not line.startswith(b"event:") or line[6:7] in (b"", b" "):
            return None
        try:
            name = line[6:].decode()
        except UnicodeDecodeError:
            return None
        if len(line) <= MAX_KEPT_NAME:
            if len(self._names) >= _MAX_KNOWN:
                self._names.clear()
            self._names[line] = name
        return name


def _is_beginning(raw: bytes) -> bool:
    """True for a part of one event that can wait for its rest: no whole event, nor the end."""
    return len(raw) < _MAX_TAIL and b"\n\n" not in raw and not raw.startswith(b"0")
