"""Frames: the stream's bytes, cut into server-sent events, however the network has cut them.

Pure. The server writes every event in one shape, ``id:…\\nevent:…\\ndata:…\\n\\n``, and a busy
stream holds nothing else. So whole chunks are split into lines at once, and four lines that look
like that are a frame. What looks otherwise (comments, several data lines, a space behind the
colon) is taken out as one event's text and read by ``sseclient``, which knows the standard.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from sseclient import SSEClient

from rxbosbase.jsontext import MAX_EXPANSION, decoded_size

__all__ = ["MAX_KEPT_NAME", "Frame", "FrameParser", "Skipped"]

Frame: TypeAlias = tuple[str, bytes]
"""Event name (the topic's wire text) and data: a plain tuple, since it is built for every event."""

MAX_FRAME_BYTES = 16 * 1024 * 1024  # a larger event is dropped as it comes, and reported
MAX_UNUSUAL_WORK = 2**31  # lines x bytes of an unusual event: sseclient copies it with every line
MAX_NAMES = 4096  # decoded event names kept; beyond that the memory of them starts afresh
MAX_KEPT_NAME = 4096  # bytes of a name that is kept; no topic is that long, an event line may be
MAX_REPORTS = 1000  # skipped frames listed one by one; one more stands for all that follow
_HEAD_BYTES = 16 * 1024  # where the topic of a skipped frame is looked for; it comes first
_PIECE_BYTES = 1024 * 1024  # a larger chunk is taken in pieces: its lines are a list for a moment

_BOM = b"\xef\xbb\xbf"
_NEWLINE = 10


@dataclass(frozen=True, slots=True)
class Skipped:
    """A frame that came and was not handed on.

    Attributes:
        reason: why, for people.
        size: its length in bytes.
        topic: its event name where that was readable; None may be any topic.
    """

    reason: str
    size: int
    topic: str | None


class FrameParser:
    """Cuts one stream, from its first byte on; make a new one for each connection.

    Attributes:
        frames, bytes: how many were handed out, and how many bytes came in.
        skipped: how many frames were dropped; ``take_skipped()`` tells which.
        max_bytes: a longer event is dropped.

    >>> parser = FrameParser()
    >>> parser.feed(b'id:c1\\nevent:posts/*\\nda')
    []
    >>> parser.feed(b'ta:{"action":"create"}\\n\\nid:c1\\nev')
    [('posts/*', b'{"action":"create"}')]
    """

    def __init__(self, max_bytes: int = MAX_FRAME_BYTES) -> None:
        if max_bytes < 1:
            raise ValueError(f"max_bytes must be at least 1, not {max_bytes}")
        self.frames = 0
        self.bytes = 0
        self.skipped = 0
        self.max_bytes = self._max = max_bytes
        self._piece = min(max_bytes, _PIECE_BYTES)
        self._start: bytes | None = b""  # what may become a BOM; None once that is settled
        self._after_cr = False
        self._held = bytearray()  # the event in progress; its last byte alone once it is too large
        self._size = 0  # that event's length so far
        self._dropping = False
        self._topic: str | None = None  # the topic of the event that is being dropped
        self._id_line = b""
        self._names: dict[bytes, str] = {}
        self._reports: list[Skipped] = []

    @property
    def pending(self) -> int:
        """Bytes held because their event is not complete; never much more than ``max_bytes``."""
        return len(self._held) + len(self._start or b"")

    def feed(self, chunk: bytes) -> list[Frame]:
        """Take the next bytes, return the frames they complete. Never raises, whatever they are.

        An event that the stream's end has cut in half is never returned.
        """
        out: list[Frame] = []
        self.bytes += len(chunk)
        if self._start is not None:
            chunk = self._without_bom(chunk)
        if self._after_cr or b"\r" in chunk:
            chunk = self._with_newlines_only(chunk)
        if len(chunk) <= self._piece:
            self._take(chunk, out)
        else:
            for start in range(0, len(chunk), self._piece):
                self._take(chunk[start : start + self._piece], out)
        self.frames += len(out)
        return out

    def take_skipped(self) -> list[Skipped]:
        """The frames dropped since the last call, in their order; the list starts afresh."""
        reports, self._reports = self._reports, []
        return reports

    def _without_bom(self, chunk: bytes) -> bytes:
        start = (self._start or b"") + chunk
        if len(start) < len(_BOM) and _BOM.startswith(start):
            self._start = start
            return b""
        self._start = None
        return start.removeprefix(_BOM)

    def _with_newlines_only(self, chunk: bytes) -> bytes:
        # A CR ends a line at once; a LF behind it belongs to it, also when it comes a chunk later.
        if not chunk:
            return chunk
        if self._after_cr and chunk[0] == _NEWLINE:
            chunk = chunk[1:]
        self._after_cr = chunk.endswith(b"\r")
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _take(self, piece: bytes, out: list[Frame]) -> None:
        if self._size:
            piece = self._finish(piece, out)
        if piece:
            self._cut(piece, out)

    def _finish(self, piece: bytes, out: list[Frame]) -> bytes:
        """Bring the event in progress to its end, or further; return what comes behind it."""
        if not piece:
            return piece
        if self._held[-1] == _NEWLINE and piece[0] == _NEWLINE:
            del self._held[-1]
            self._size -= 1
            end, rest = 0, 1
        else:
            end = piece.find(b"\n\n")
            if end < 0:
                self._hold(piece)
                return b""
            rest = end + 2
        self._hold(piece[:end])
        if self._dropping:
            reason = f"it is larger than {self._max} bytes"
            self._report(Skipped(reason, self._size, self._topic))
        elif self._size > _PIECE_BYTES and decoded_size(self._held) > MAX_EXPANSION * self._max:
            reason = f"decoded, it would take more than {MAX_EXPANSION * self._max} bytes of memory"
            topic = self._topic_in(bytes(self._held[:_HEAD_BYTES]))
            self._report(Skipped(reason, self._size, topic))
        else:
            self._read(bytes(self._held), out)
        self._held.clear()
        self._size = 0
        self._dropping = False
        return piece[rest:]

    def _hold(self, part: bytes) -> None:
        self._held += part
        self._size += len(part)
        # A last newline may be the first half of the end: it does not count yet.
        if not self._dropping and self._size - self._held.endswith(b"\n") > self._max:
            self._dropping = True
            self._topic = self._topic_in(bytes(self._held[: min(self._max, _HEAD_BYTES)]))
        if self._dropping:
            del self._held[:-1]

    def _cut(self, piece: bytes, out: list[Frame]) -> None:
        """Cut a piece that begins where an event does; it is no longer than an event may be."""
        lines = piece.split(b"\n")
        last = lines.pop()  # the only one without an end
        at = 0
        while True:
            at = self._cut_usual(lines, at, out)
            try:
                end = lines.index(b"", at)
            except ValueError:
                break
            if end > at:
                self._read(b"\n".join(lines[at:end]), out)
            at = end + 1
        self._hold(b"\n".join([*lines[at:], last]))

    def _cut_usual(self, lines: list[bytes], start: int, out: list[Frame]) -> int:
        """Append frames as long as they are in the server's usual shape: the hot loop.

        Return where the first line is that belongs to none of them.
        """
        id_line, name_of, append = self._id_line, self._names.get, out.append
        for at in range(start, len(lines) - 3, 4):
            data = lines[at + 2]
            if lines[at + 3] or lines[at] != id_line or data[:6] != b"data:{":
                return at
            name = name_of(lines[at + 1])
            if name is None:
                return at
            append((name, data[5:]))
        return len(lines) - (len(lines) - start) % 4

    def _read(self, block: bytes, out: list[Frame]) -> None:
        """Read the lines of one event, usual or not."""
        lines = block.split(b"\n", 3)
        if (
            len(lines) == 3
            and lines[0].startswith(b"id:")
            and lines[1].startswith(b"event:")
            and lines[1][6:7] not in (b"", b" ")
            and lines[2].startswith(b"data:")
            and lines[2][5:6] != b" "
        ):
            self._id_line = lines[0]
            self._add(lines[1], lines[2][5:], len(block), out)
        elif block.count(b"\n") * len(block) > MAX_UNUSUAL_WORK:
            topic = self._topic_in(block[:_HEAD_BYTES])
            self._report(Skipped("it has too many lines for its size", len(block), topic))
        else:
            # In Latin-1 every byte is a character: the data comes back as the bytes it was.
            for event in SSEClient(iter([block + b"\n\n"]), char_enc="latin-1").events():
                name = b"event:" + event.event.encode("latin-1")
                self._add(name, event.data.encode("latin-1"), len(block), out)

    def _add(self, event_line: bytes, data: bytes, size: int, out: list[Frame]) -> None:
        name = self._names.get(event_line)
        if name is None:
            try:
                name = event_line[6:].decode()
            except UnicodeDecodeError:
                self._report(Skipped("its event name is not UTF-8", size, None))
                return
            if len(event_line) <= MAX_KEPT_NAME:
                if len(self._names) >= MAX_NAMES:
                    self._names.clear()
                self._names[event_line] = name
        out.append((name, data))

    def _report(self, skipped: Skipped) -> None:
        self.skipped += 1
        if len(self._reports) < MAX_REPORTS:
            self._reports.append(skipped)
        elif len(self._reports) == MAX_REPORTS:
            reason = "more frames were skipped than are listed"
            self._reports.append(Skipped(reason, skipped.size, None))

    @staticmethod
    def _topic_in(head: bytes) -> str | None:
        for line in head.split(b"\n")[:-1]:
            if line.startswith(b"event:"):
                try:
                    return line[6:].removeprefix(b" ").decode() or None
                except UnicodeDecodeError:
                    return None
        return None
