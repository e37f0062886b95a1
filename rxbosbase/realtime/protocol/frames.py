"""Frames: the stream's bytes, cut into server-sent events, however the network has cut them.

Pure. An event ends with a blank line. The server writes each in one shape,
``id:…\\nevent:…\\ndata:…\\n\\n``, and three lines that look like that are a frame. What looks
otherwise (comments, several data lines, a space behind the colon) is read by ``sseclient``, which
knows the standard.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TypeAlias

from sseclient import SSEClient

from rxbosbase.encoding.json import MAX_EXPANSION, decoded_size

__all__ = ["Frame", "FrameParser", "Skipped"]

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


class _Names(dict[bytes, str | None]):
    """Event lines as they came -> the names in them; None where only the long way can tell."""

    def __missing__(self, line: bytes) -> str | None:
        name = None
        if line.startswith(b"event:") and line[6:7] not in (b"", b" ") and b"\r" not in line:
            with suppress(UnicodeDecodeError):
                name = line[6:].decode()
        if len(line) <= MAX_KEPT_NAME:
            if len(self) >= MAX_NAMES:
                self.clear()
            self[line] = name
        return name


class FrameParser:
    """Cuts one stream, from its first byte on; make a new one for each connection.

    Attributes:
        frames, bytes: how many were handed out, and how many bytes came in.
        skipped: how many frames were dropped; ``take_skipped()`` tells which.
        max_bytes: a longer event is dropped.
        names: what event lines say, as far as it is remembered.

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
        self.max_bytes = max_bytes
        self.names = _Names()
        self._piece = min(max_bytes, _PIECE_BYTES)
        self._start: bytes | None = b""  # what may become a BOM; None once that is settled
        self._after_cr = False
        self._held = bytearray()  # the event in progress; its last byte alone once it is too large
        self._size = 0  # that event's length so far
        self._dropping = False
        self._topic: str | None = None  # the topic of the event that is being dropped
        self._reports: list[Skipped] = []

    @property
    def pending(self) -> int:
        """Bytes held because their event is not complete; never much more than ``max_bytes``."""
        return len(self._held) + len(self._start or b"")

    @property
    def is_between(self) -> bool:
        """True if the next byte begins an event, and no BOM may stand before it."""
        return not self._held and self._start is None

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
        most = MAX_EXPANSION * self.max_bytes
        if self._dropping:
            reason = f"it is larger than {self.max_bytes} bytes"
            self._report(Skipped(reason, self._size, self._topic))
        elif self._size > _PIECE_BYTES and decoded_size(self._held) > most:
            reason = f"decoded, it would take more than {most} bytes of memory"
            topic = self._topic_in(bytes(self._held[:_HEAD_BYTES]))
            self._report(Skipped(reason, self._size, topic))
        else:
            self._read(bytes(self._held).split(b"\n", 3), out)
        self._held.clear()
        self._size = 0
        self._dropping = False
        return piece[rest:]

    def _hold(self, part: bytes) -> None:
        self._held += part
        self._size += len(part)
        # A last newline may be the first half of the end: it does not count yet.
        if not self._dropping and self._size - self._held.endswith(b"\n") > self.max_bytes:
            self._dropping = True
            self._topic = self._topic_in(bytes(self._held[: min(self.max_bytes, _HEAD_BYTES)]))
        if self._dropping:
            del self._held[:-1]

    def _cut(self, piece: bytes, out: list[Frame]) -> None:
        """Cut a piece that begins where an event does; it is no longer than an event may be."""
        lines = piece.split(b"\n")
        last = lines.pop()  # the only one without an end
        event: list[bytes] = []
        for line in lines:
            if line:
                event.append(line)
            elif event:
                self._read(event, out)
                event = []
        event.append(last)
        self._hold(b"\n".join(event))

    def _read(self, lines: list[bytes], out: list[Frame]) -> None:
        """Read the lines of one event, usual or not; the last may hold more than one."""
        if len(lines) == 3:
            id_line, event_line, data_line = lines
            field, _, data = data_line.partition(b":")
            name = self.names[event_line]
            if name is not None and id_line[:3] == b"id:" and field == b"data" and data[:1] != b" ":
                out.append((name, data))
                return
        block = b"\n".join(lines)
        if block.count(b"\n") * len(block) > MAX_UNUSUAL_WORK:
            topic = self._topic_in(block[:_HEAD_BYTES])
            self._report(Skipped("it has too many lines for its size", len(block), topic))
            return
        # In Latin-1 every byte is a character: the data comes back as the bytes it was.
        for event in SSEClient(iter([block + b"\n\n"]), char_enc="latin-1").events():
            try:
                name = event.event.encode("latin-1").decode()
            except UnicodeDecodeError:
                self._report(Skipped("its event name is not UTF-8", len(block), None))
            else:
                out.append((name, event.data.encode("latin-1")))

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
