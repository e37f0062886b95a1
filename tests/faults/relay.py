"""One event stream on its way through the proxy, and what can be done to its bytes.

For the proxy's own thread: everything here runs on its asyncio loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import struct
from collections.abc import Callable

from .kinds import Fault, Kind

__all__ = ["READ_SIZE", "StreamRelay", "hang_up", "shatter"]

READ_SIZE = 64 * 1024
THROTTLE_SECONDS = 0.5
"""How long a stream stays throttled: what piles up in the meantime has to come through, too."""

_CHUNK = re.compile(rb"(?:\A|(?<=\r\n))([0-9a-f]+)\r\n(id:[^\n]*\nevent:)([^\n]*\ndata:)([^\n]*)")


class StreamRelay:
    """Carries one stream's body from the server to the client.

    Attributes:
        holes: True once the stream swallows everything.
    """

    def __init__(
        self,
        source: asyncio.StreamReader,
        target: asyncio.StreamWriter,
        happened: Callable[[Fault], None],
    ) -> None:
        self._source = source
        self._target = target
        self._happened = happened
        self._next_frame: list[Fault] = []  # those that wait for a whole frame to spoil
        self._free = asyncio.Event()  # cleared while the stream stalls
        self._free.set()
        self._rate: float | None = None
        self._dribbles = False
        self._timers: list[asyncio.TimerHandle] = []
        self._ends = False
        self.holes = False

    async def run(self) -> None:
        """Until either side ends the stream."""
        while data := await self._source.read(READ_SIZE):
            await self._free.wait()
            if self.holes:
                continue
            if self._next_frame:
                data = self._spoilt(data)
            await self._write(data)
            if self._ends:
                return
        # The pieces of a stalled stream come before its end.
        await self._free.wait()
        if self.holes:
            await asyncio.Event().wait()

    def apply(self, fault: Fault) -> None:
        """Does it now, or to the next frame where the kind needs one."""
        if self.holes and fault.kind not in (Kind.CUT, Kind.RESET):
            return
        loop = asyncio.get_running_loop()
        match fault.kind:
            case Kind.CUT:
                shatter(self._target, reset=False)
            case Kind.RESET:
                shatter(self._target, reset=True)
            case Kind.BLACK_HOLE:
                self.holes = True
            case Kind.STALL:
                self._free.clear()
                self._timers.append(loop.call_later(fault.value, self._free.set))
            case Kind.THROTTLE:
                self._rate = fault.value
                self._timers.append(loop.call_later(THROTTLE_SECONDS, self._at_full_speed))
            case Kind.DRIBBLE:
                self._dribbles = True
                self._timers.append(loop.call_later(fault.value, self._in_large_pieces))
            case _:
                self._next_frame.append(fault)
                return
        self._happened(fault)

    def calm(self) -> None:
        """End the active faults except a black hole, which never ends."""
        self._next_frame.clear()
        self._free.set()
        self._at_full_speed()
        self._in_large_pieces()

    def end(self) -> None:
        """Cancels what is still to come."""
        for timer in self._timers:
            timer.cancel()

    def _at_full_speed(self) -> None:
        self._rate = None

    def _in_large_pieces(self) -> None:
        self._dribbles = False

    def _spoilt(self, data: bytes) -> bytes:
        match = _CHUNK.search(data)
        if match is None:
            return data
        fault = self._next_frame.pop(0)
        self._happened(fault)
        if fault.kind is Kind.TRUNCATE:
            self._ends = True
            return data[: (match.start(4) + match.end(4)) // 2]
        part, by = {
            # 0xff occurs nowhere in UTF-8, so the damage never looks like other good data.
            Kind.CORRUPT_DATA: (4, b"\xff"),
            Kind.CORRUPT_NAME: (3, b"\xff"),
            Kind.CORRUPT_FRAMING: (1, fault.text.encode()),
        }[fault.kind]
        at, end = match.span(part)
        if fault.kind is Kind.CORRUPT_DATA:
            at = (at + end) // 2
        if fault.kind is not Kind.CORRUPT_FRAMING:
            end = at + 1
        return data[:at] + by + data[end:]

    async def _write(self, data: bytes) -> None:
        at = 0
        while at < len(data):
            size = 1 if self._dribbles else READ_SIZE
            if self._rate is not None:
                size = min(size, max(1, int(self._rate / 50)))
                await asyncio.sleep(size / self._rate)
            self._target.write(data[at : at + size])
            await self._target.drain()
            await self._free.wait()
            if self.holes:
                return
            at += size


def shatter(writer: asyncio.StreamWriter, *, reset: bool) -> None:
    """Close at once, with FIN or RST; unsent data is lost."""
    sock = writer.get_extra_info("socket")
    if reset and sock is not None and not writer.transport.is_closing():
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def hang_up(writer: asyncio.StreamWriter) -> None:
    """Closes, and waits until that is done."""
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
