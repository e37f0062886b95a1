"""The displays of the demo: a live terminal, plain lines, or none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from rich.console import Console, RenderableType
from rich.live import Live

from rxbosbase.cli.console import write_text

from .metrics import Metrics
from .screen import Progress, render

__all__ = ("LineDisplay", "NoDisplay", "TerminalDisplay", "status_line")

FRAMES_PER_SECOND = 8
LINE_SECONDS = 1.0


class NoDisplay:
    """The base of the displays. It shows nothing, for ``--json``."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Restore the terminal."""

    def show(self, metrics: Metrics) -> None:
        """Show the newest metrics; called on the delivery thread."""

    def show_message(self, message: str) -> None:
        """Show a message about the scenario."""

    def tick(self, elapsed: float) -> None:
        """Set the time to `elapsed` seconds; called repeatedly on the main thread."""


class LineDisplay(NoDisplay):
    """Plain lines for pipes and files: the messages, and the metrics once a second."""

    def __init__(self) -> None:
        self._metrics = Metrics()
        self._elapsed = 0.0
        self._due = LINE_SECONDS

    def show(self, metrics: Metrics) -> None:
        """Keep the metrics for the next line."""
        self._metrics = metrics

    def show_message(self, message: str) -> None:
        """Print the message."""
        write_text(f"{self._elapsed:5.1f} s  {message}")

    def tick(self, elapsed: float) -> None:
        """Print the metrics once a second."""
        self._elapsed = elapsed
        if elapsed >= self._due:
            self._due = elapsed + LINE_SECONDS
            self.show_message(status_line(self._metrics))


def status_line(metrics: Metrics) -> str:
    """Return the metrics as one line.

    >>> status_line(Metrics(received=7, rates={"create": 3.5}))
    'idle: 7 events; per second: 3.5 create, 0.0 update, 0.0 delete'
    """
    rates: Mapping[str, float] = metrics.rates
    actions = ", ".join(f"{rates.get(name, 0.0):.1f} {name}" for name in _ACTIONS)
    line = f"{metrics.status.state}: {metrics.received} events; per second: {actions}"
    if metrics.view is not None:
        state = "fresh" if metrics.view.fresh else "stale"
        line = f"{line}; live view: {len(metrics.view.records)} open orders, {state}"
    latency = metrics.latency
    if latency.p50 is None or latency.p99 is None:
        return line
    return f"{line}; p50 {latency.p50 * 1000:.1f} ms, p99 {latency.p99 * 1000:.1f} ms"


_ACTIONS = ("create", "update", "delete")


class TerminalDisplay(NoDisplay):
    """A live display on the terminal; a thread of rich draws it."""

    def __init__(self, console: Console, seconds: float) -> None:
        self._console = console
        self._seconds = seconds
        self._metrics = Metrics()
        self._elapsed = 0.0
        self._messages: tuple[tuple[float, str], ...] = ()
        self._live = Live(
            console=console, get_renderable=self._draw, refresh_per_second=FRAMES_PER_SECOND
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, metrics: Metrics) -> None:
        """Keep the metrics for the next frame."""
        self._metrics = metrics

    def show_message(self, message: str) -> None:
        """Add the message to the display."""
        self._messages += ((self._elapsed, message),)

    def tick(self, elapsed: float) -> None:
        """Keep the time for the next frame."""
        self._elapsed = elapsed

    def _draw(self) -> RenderableType:
        progress = Progress(self._elapsed, self._seconds, self._messages)
        return render(self._metrics, progress, self._console.height)
