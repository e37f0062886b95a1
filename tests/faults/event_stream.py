"""The event stream of WHATWG HTML, 9.2.5 and 9.2.6, read literally: slow, and with no other aim.

It shares no line with the parser of the package. Invalid UTF-8 becomes lone surrogates in place of
U+FFFD, so that the bytes can be told afterwards.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple

__all__ = ("EventStream",)

_LINE_END = "\r\n|(?<!\r)\n|\r(?!\n)"


class Dispatched(NamedTuple):
    """An event: its type, its data, and the last event ID when it was dispatched."""

    type: str
    data: str
    last_event_id: str


class Block(NamedTuple):
    """The lines between two blank lines: their length in bytes with LF between them, and the event
    that they dispatch, if any."""

    size: int
    event: Dispatched | None


@dataclass
class EventStream:
    """One stream, interpreted in the words of the standard, each branch in its order.

    >>> stream = EventStream()
    >>> stream.parse(b"event:a\\ndata: 1\\ndata:2\\n\\n")
    >>> stream.blocks
    [Block(size=21, event=Dispatched(type='a', data='1\\n2', last_event_id=''))]
    """

    data_buffer: str = ""
    event_type_buffer: str = ""
    last_event_id_buffer: str = ""
    last_event_id: str = ""
    reconnection_time: int | None = None
    blocks: list[Block] = field(default_factory=list)
    _lines: list[str] = field(default_factory=list)

    @property
    def events(self) -> list[Dispatched]:
        """The events that were dispatched, in order."""
        return [block.event for block in self.blocks if block.event is not None]

    def parse(self, stream: bytes) -> None:
        """Interpret a whole stream, to its end."""
        text = stream.decode("utf-8", "surrogateescape")
        if text.startswith("\ufeff"):
            text = text[1:]
        *lines, _incomplete = re.split(_LINE_END, text)
        for line in lines:
            self.process_line(line)
        # The end of the file: the data buffer and the incomplete line are discarded.

    def process_line(self, line: str) -> None:
        if line == "":
            self.dispatch()
            return
        self._lines.append(line)
        if line[0] == ":":
            return
        if ":" in line:
            at = line.index(":")
            name = line[:at]
            value = line[at + 1 :]
            if value != "" and value[0] == " ":
                value = value[1:]
            self.process_field(name, value)
        else:
            self.process_field(line, "")

    def process_field(self, name: str, value: str) -> None:
        if name == "event":
            self.event_type_buffer = value
        elif name == "data":
            self.data_buffer = self.data_buffer + value
            self.data_buffer = self.data_buffer + "\n"
        elif name == "id":
            if "\0" not in value:
                self.last_event_id_buffer = value
        elif name == "retry" and value != "" and all(each in "0123456789" for each in value):
            self.reconnection_time = int(value)

    def dispatch(self) -> None:
        self.last_event_id = self.last_event_id_buffer
        event = None
        if self.data_buffer != "":
            data = self.data_buffer
            if data[-1] == "\n":
                data = data[:-1]
            type_ = "message"
            if self.event_type_buffer != "":
                type_ = self.event_type_buffer
            event = Dispatched(type_, data, self.last_event_id)
        self.data_buffer = ""
        self.event_type_buffer = ""
        if self._lines:
            size = len("\n".join(self._lines).encode("utf-8", "surrogateescape"))
            self.blocks.append(Block(size, event))
        self._lines = []
