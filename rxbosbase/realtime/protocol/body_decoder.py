"""From a body's raw bytes to frames: decodes the chunked coding and cuts the frames.

Pure. `ChunkedDecoder` and `FrameParser` accept every valid form. The server writes each event as
one chunk of six lines, and a busy stream has nothing else: one loop checks and cuts these. From the
first event of another form on, the rest of a read goes through the two general parsers.

Source: RFC 9112, 6.3 (where a body ends) and 7.1 (chunks).
"""

from __future__ import annotations

from rxbosbase.http.chunked import ChunkedDecoder

from .frames import Frame, FrameParser

__all__ = ("BodyDecoder",)

_LINES = 6  # of an event in a chunk of its own: size, id, event, data, a blank, the chunk's end
_NEWLINES = 4  # of these, those that count for the chunk's size
_CR = 13


class BodyDecoder:
    """The body of one event stream.

    Args:
        parser: cuts events of other forms, and lists the frames that were skipped.
        chunked: True for a chunked body.
        length: the bytes of a body that is not chunked; -1 for all until the connection ends.

    Attributes:
        finished: True once the body has ended as it should.

    >>> decoder = BodyDecoder(FrameParser(), chunked=True)
    >>> decoder.feed(b"19\\r\\nid:c1\\nevent:a/*\\ndata:{}\\n\\n\\r\\n0\\r\\n\\r\\n")
    [('a/*', b'{}')]
    >>> decoder.finished
    True
    """

    def __init__(self, parser: FrameParser, *, chunked: bool, length: int = -1) -> None:
        self._parser = parser
        self._chunks = ChunkedDecoder() if chunked else None
        self._left = length
        self._tail = b""  # the beginning of an event, behind whole ones
        self.finished = length == 0

    @property
    def may_end(self) -> bool:
        """True if the body may end with the connection: it has neither chunks nor bytes left."""
        return self._chunks is None and self._left <= 0

    def feed(self, raw: bytes) -> list[Frame]:
        """Decode the next bytes as they were received; return the frames that they complete.

        Raises:
            ProtocolError: the bytes are not a chunked body.
        """
        chunks = self._chunks
        if chunks is None:
            if self._left >= 0:
                self._left -= len(raw)
                self.finished = self._left <= 0
            return self._parser.feed(raw)
        raw = self._tail + raw
        self._tail = b""
        out: list[Frame] = []
        rest = chunks.rest_of_chunk
        if rest:
            # The end of a chunk that the general parser began; whole ones may follow.
            out = self._parser.feed(chunks.feed(raw[:rest]))
            raw = raw[rest:]
        if chunks.is_between and self._parser.is_between:
            behind = self._usual(raw, out)
            # A complete event has a blank line, or one more CR than that of the chunk size.
            if len(behind) < len(raw) and behind.find(b"\n\n") < 0 and behind.count(_CR) < 2:
                self._tail = behind
                return out
            raw = behind
        if raw:
            out += self._parser.feed(chunks.feed(raw))
            self.finished = chunks.finished
        return out

    def _usual(self, raw: bytes, out: list[Frame]) -> bytes:
        """Append to `out` the frames of the leading events in the usual form; return the rest."""
        lines = raw.split(b"\n")
        last = lines.pop()  # the only one without an end
        if len(lines) < _LINES or len(raw) > self._parser.max_bytes:
            return raw
        id_line = lines[1]
        if not id_line.startswith(b"id:") or _CR in id_line:
            return raw
        names, before, append = self._parser.names, len(out), out.append
        known = names.get  # faster than names[…] for a known name
        fixed = len(id_line) + _NEWLINES
        each = iter(lines)
        for size, same, event, data, blank, end in zip(
            each, each, each, each, each, each, strict=False
        ):
            name = known(event) or names[event]
            if (
                name is None
                or same != id_line
                or data[:6] != b"data:{"  # no space that would have to be removed
                or blank
                or _CR in data
                or end != b"\r"
                or size != b"%x\r" % (fixed + len(event) + len(data))
            ):
                break
            append((name, data[5:]))
        return b"\n".join([*lines[_LINES * (len(out) - before) :], last])
