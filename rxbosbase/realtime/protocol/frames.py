"""Frames: the stream's bytes, cut into server-sent events, however the network has split them.

Pure. An event ends with a blank line. The server writes each in one form,
``id:…\\nevent:…\\ndata:…\\n\\n``: three such lines are a frame. Other forms (comments, several data
lines, a space after the colon) are read by ``sseclient``, which implements the standard.

A sentence of the standard stands at the branch that obeys it, and what differs on purpose says so:
"Differs". ``test_event_stream_standard.py`` has a test of the same name for each of them.

Source: HTML Living Standard, 9.2.5 and 9.2.6.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TypeAlias

import msgspec
from sseclient import SSEClient

from rxbosbase.encoding.control_characters import short_repr
from rxbosbase.encoding.json import MAX_EXPANSION, decoded_size

__all__ = ("Frame", "FrameParser", "Skipped")

Frame: TypeAlias = tuple[str, bytes]
"""Event name (the topic's wire text) and data: a plain tuple, as one is built for every event."""

MAX_FRAME_BYTES = 16 * 1024 * 1024  # a larger event is dropped as it is received, and reported
MAX_UNUSUAL_WORK = 2**31  # lines x bytes of an unusual event: sseclient copies it with every line
MAX_NAMES = 4096  # decoded event names that are cached; at the limit the cache is cleared
MAX_KEPT_NAME = 4096  # bytes of a cached name; no topic is that long, an event line may be
MAX_REPORTS = 1000  # skipped frames that are listed; one more entry stands for all others
_HEAD_BYTES = 16 * 1024  # the first bytes of a skipped frame, in which its topic is searched
_PIECE_BYTES = 1024 * 1024  # larger chunks are split in pieces, to bound the list of lines

_BOM = b"\xef\xbb\xbf"
_NEWLINE = 10


class Skipped(msgspec.Struct, frozen=True):
    """A frame that was received and not delivered.

    Attributes:
        reason: why, as text for users.
        size: its length in bytes.
        topic: its event name; None if that could not be read.
    """

    reason: str
    size: int
    topic: str | None

    def __repr__(self) -> str:
        name = None if self.topic is None else self.topic.partition("?")[0]  # headers follow
        return f"Skipped({self.reason!r}, {self.size} bytes, {short_repr(name)})"


class _Names(dict[bytes, str | None]):
    """Event lines -> the names in them; None where only the general parser can read it."""

    def __missing__(self, line: bytes) -> str | None:
        # HTML 9.2.6: "If value starts with a U+0020 SPACE character, remove it from value."
        # A line with one is left to the general parser, and one without a value, too.
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
    """Cuts one stream, from its first byte on; each connection needs a new parser.

    Attributes:
        frames, bytes: how many frames were returned, and how many bytes were read.
        skipped: how many frames were dropped; ``take_skipped()`` returns them.
        max_bytes: a longer event is dropped.
        names: the names in event lines, cached.

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
        self._start: bytes | None = (
            b""  # the beginning of a possible BOM; None once that is decided
        )
        self._after_cr = False
        self._buffer = (
            bytearray()
        )  # the event in progress; its last byte alone once it is too large
        self._size = 0  # that event's length so far
        self._dropping = False
        self._topic: str | None = None  # the topic of the event that is being dropped
        self._reports: list[Skipped] = []

    @property
    def pending(self) -> int:
        """Bytes kept because their event is not complete; never much more than ``max_bytes``."""
        return len(self._buffer) + len(self._start or b"")

    @property
    def is_between(self) -> bool:
        """True if the next byte begins an event, and no BOM may stand before it."""
        return not self._buffer and self._start is None

    def feed(self, chunk: bytes) -> list[Frame]:
        """Read the next bytes; return the frames that they complete. Never raises.

        An event that the stream's end has cut off is never returned.
        """
        # HTML 9.2.6: "Once the end of the file is reached, any pending data must be discarded."
        # So the parser is not called at the end. A connection that ends before its body is still an
        # error, which `connection.py` reports.
        out: list[Frame] = []
        self.bytes += len(chunk)
        if self._start is not None:
            chunk = self._without_bom(chunk)
        if self._after_cr or b"\r" in chunk:
            chunk = self._with_newlines_only(chunk)
        for start in range(0, len(chunk), self._piece):
            self._read_piece(chunk[start : start + self._piece], out)
        self.frames += len(out)
        return out

    def take_skipped(self) -> list[Skipped]:
        """Return the frames dropped since the last call, in order, and clear the list."""
        reports, self._reports = self._reports, []
        return reports

    def _without_bom(self, chunk: bytes) -> bytes:
        # HTML 9.2.6: "The UTF-8 decode algorithm strips one leading UTF-8 Byte Order Mark (BOM), if
        # any."
        start = (self._start or b"") + chunk
        if len(start) < len(_BOM) and _BOM.startswith(start):
            self._start = start
            return b""
        self._start = None
        return start.removeprefix(_BOM)

    def _with_newlines_only(self, chunk: bytes) -> bytes:
        # HTML 9.2.5: "Lines must be separated by either a U+000D CARRIAGE RETURN U+000A LINE FEED
        # (CRLF) character pair, a single U+000A LINE FEED (LF) character, or a single U+000D
        # CARRIAGE RETURN (CR) character."
        # HTML 9.2.5: "block buffering or line buffering with different expected line endings can
        # cause delays in event dispatch"
        # So a CR ends a line at once; a LF after it belongs to it, also if the next chunk has it.
        if not chunk:
            return chunk
        if self._after_cr and chunk[0] == _NEWLINE:
            chunk = chunk[1:]
        self._after_cr = chunk.endswith(b"\r")
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _read_piece(self, piece: bytes, out: list[Frame]) -> None:
        if self._size:
            piece = self._finish(piece, out)
        if piece:
            self._split(piece, out)

    def _finish(self, piece: bytes, out: list[Frame]) -> bytes:
        """Continue the event in progress, to its end if that is here; return what follows it."""
        if self._buffer[-1] == _NEWLINE and piece[0] == _NEWLINE:
            del self._buffer[-1]
            self._size -= 1
            end, rest = 0, 1
        else:
            end = piece.find(b"\n\n")
            if end < 0:
                self._append(piece)
                return b""
            rest = end + 2
        self._append(piece[:end])
        most = MAX_EXPANSION * self.max_bytes
        if self._dropping:
            reason = f"it is larger than {self.max_bytes} bytes"
            self._report(Skipped(reason, self._size, self._topic))
        elif self._size > _PIECE_BYTES and decoded_size(self._buffer) > most:
            reason = f"decoded, it would take more than {most} bytes of memory"
            topic = self._topic_in(bytes(self._buffer[:_HEAD_BYTES]))
            self._report(Skipped(reason, self._size, topic))
        else:
            self._read(bytes(self._buffer).split(b"\n", 3), out)
        self._buffer.clear()
        self._size = 0
        self._dropping = False
        return piece[rest:]

    def _append(self, part: bytes) -> None:
        self._buffer += part
        self._size += len(part)
        # Differs: the standard has no limit; an event without an end would fill the memory.
        # A last newline may be the first half of the end: it is not counted yet.
        if not self._dropping and self._size - self._buffer.endswith(b"\n") > self.max_bytes:
            self._dropping = True
            self._topic = self._topic_in(bytes(self._buffer[: min(self.max_bytes, _HEAD_BYTES)]))
        if self._dropping:
            del self._buffer[:-1]

    def _split(self, piece: bytes, out: list[Frame]) -> None:
        """Split a piece that begins with an event; it is no longer than `max_bytes`."""
        # HTML 9.2.6: "Lines must be processed, in the order they are received"
        # HTML 9.2.6: "If the line is empty (a blank line) Dispatch the event"
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
        self._append(b"\n".join(event))

    def _read(self, lines: list[bytes], out: list[Frame]) -> None:
        """Read the lines of one event, in any form; the last item may contain several lines."""
        # HTML 9.2.6: "Collect the characters on the line before the first U+003A COLON character
        # (:), and let field be that string."
        # HTML 9.2.6: "Collect the characters on the line after the first U+003A COLON character
        # (:), and let value be that string."
        # HTML 9.2.6: "If the data buffer's last character is a U+000A LINE FEED (LF) character,
        # then remove the last character from the data buffer."
        # So the data of the usual form is the value of its one line.
        if len(lines) == 3:
            id_line, event_line, data_line = lines
            field, _, data = data_line.partition(b":")
            name = self.names[event_line]
            if name is not None and id_line[:3] == b"id:" and field == b"data" and data[:1] != b" ":
                out.append((name, data))
                return
        self._read_other_form(b"\n".join(lines), out)

    def _read_other_form(self, block: bytes, out: list[Frame]) -> None:
        # sseclient obeys these:
        # HTML 9.2.6: "If the line starts with a U+003A COLON character (:) Ignore the line."
        # HTML 9.2.6: "Otherwise, the string is not empty but does not contain a U+003A COLON
        # character (:) Process the field using the steps described below, using the whole line as
        # the field name, and the empty string as the field value."
        # HTML 9.2.6: "Field names must be compared literally, with no case folding performed."
        # HTML 9.2.6: "Set the event type buffer to the field value."
        # HTML 9.2.6: "Append the field value to the data buffer, then append a single U+000A LINE
        # FEED (LF) character to the data buffer."
        # HTML 9.2.6: "The field is ignored."
        # HTML 9.2.6: "If the data buffer is an empty string, set the data buffer and the event type
        # buffer to the empty string and return."
        # HTML 9.2.6: "If the event type buffer has a value other than the empty string, change the
        # type of the newly created event to equal the value of the event type buffer."
        # HTML 9.2.6: "Set the data buffer and the event type buffer to the empty string."
        #
        # HTML 9.2.6: "If the field value does not contain U+0000 NULL, then set the last event ID
        # buffer to the field value." Differs: the server's id is that of the connection. It does
        # not send again what was missed, so there is no use for a Last-Event-ID.
        # HTML 9.2.6: "If the field value consists of only ASCII digits, then interpret the field
        # value as an integer in base ten, and set the event stream's reconnection time to that
        # integer." Differs: `BackoffPolicy` alone sets the wait.
        #
        # Differs: the standard has no limit.
        if block.count(b"\n") * len(block) > MAX_UNUSUAL_WORK:
            topic = self._topic_in(block[:_HEAD_BYTES])
            self._report(Skipped("it has too many lines for its size", len(block), topic))
            return
        # HTML 9.2.6: "Streams must be decoded using the UTF-8 decode algorithm." Differs: data stay
        # bytes, as JSON decoders take them. In Latin-1 every byte is one character: encoding
        # restores the same bytes.
        for event in SSEClient(iter([block + b"\n\n"]), char_enc="latin-1").events():
            try:
                name = event.event.encode("latin-1").decode()
            except UnicodeDecodeError:
                # HTML 9.2.5: "Event streams in this format must always be encoded as UTF-8."
                # Differs: with U+FFFD in place of its bytes, the name could be that of a topic.
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
