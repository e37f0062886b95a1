"""Where the demo is shown: a live terminal, plain lines, or nowhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from rich.console import Console, RenderableType
from rich.live import Live

from rxbosbase.cli.console import say
from rxbosbase.cli.demo.metrics import Metrics
from rxbosbase.cli.demo.screen import Scene, screen

__all__ = ["LineDisplay", "NoDisplay", "TerminalDisplay", "status_line"]

FRAMES_PER_SECOND = 8
LINE_SECONDS = 1.0


class NoDisplay:
    """Where the demo is shown; this one, for ``--json``, shows nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Puts back in order what showing has changed."""

    def show(self, board: Metrics) -> None:
        """The newest picture; called on the delivery thread."""

    def say(self, line: str) -> None:
        """Something has happened."""

    def tick(self, elapsed: float) -> None:
        """Called again and again on the main thread; `elapsed` seconds of the demo are over."""


class LineDisplay(NoDisplay):
    """Plain lines for pipes and files: what happens, and the numbers once a second."""

    def __init__(self) -> None:
        self._board = Metrics()
        self._elapsed = 0.0
        self._due = LINE_SECONDS

    def show(self, board: Metrics) -> None:
        """Keeps the picture for the next line."""
        self._board = board

    def say(self, line: str) -> None:
        """Prints the line."""
        say(f"{self._elapsed:5.1f} s  {line}")

    def tick(self, elapsed: float) -> None:
        """Prints the numbers when a second is over."""
        self._elapsed = elapsed
        if elapsed >= self._due:
            self._due = elapsed + LINE_SECONDS
            self.say(status_line(self._board))


def status_line(board: Metrics) -> str:
    """The numbers of a board in one line.

    >>> status_line(Metrics(received=7, rates={"create": 3.5}))
    'idle: 7 events; per second: 3.5 create, 0.0 update, 0.0 delete'
    """
    rates: Mapping[str, float] = board.rates
    actions = ", ".join(f"{rates.get(name, 0.0):.1f} {name}" for name in _ACTIONS)
    line = f"{board.status.state}: {board.received} events; per second: {actions}"
    if board.view is not None:
        state = "fresh" if board.view.fresh else "stale"
        line = f"{line}; live view: {len(board.view.records)} open orders, {state}"
    latency = board.latency
    if latency.p50 is None or latency.p99 is None:
        return line
    return f"{line}; p50 {latency.p50 * 1000:.1f} ms, p99 {latency.p99 * 1000:.1f} ms"


_ACTIONS = ("create", "update", "delete")


class TerminalDisplay(NoDisplay):
    """A picture on the terminal, drawn by a thread of rich's own."""

    def __init__(self, console: Console, seconds: float) -> None:
        self._console = console
        self._seconds = seconds
        self._board = Metrics()
        self._elapsed = 0.0
        self._story: tuple[tuple[float, str], ...] = ()
        self._live = Live(
            console=console, get_renderable=self._draw, refresh_per_second=FRAMES_PER_SECOND
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, board: Metrics) -> None:
        """Keeps the picture for the next frame."""
        self._board = board

    def say(self, line: str) -> None:
        """Adds a line to the story."""
        self._story += ((self._elapsed, line),)

    def tick(self, elapsed: float) -> None:
        """Keeps the time for the next frame."""
        self._elapsed = elapsed

    def _draw(self) -> RenderableType:
        scene = Scene(self._elapsed, self._seconds, self._story)
        return screen(self._board, scene, self._console.height)
