"""``rxbosbase demo``, the command."""

from __future__ import annotations

import sys
from json import dumps
from typing import Annotated

import typer

from rxbosbase.cli.console import expected_ends, say
from rxbosbase.cli.demo.displays import LineDisplay, NoDisplay, TerminalDisplay
from rxbosbase.cli.demo.report import report
from rxbosbase.cli.demo.scenario import tell
from rxbosbase.cli.terminal import Terminal

__all__ = ["demo"]

LEAST_SECONDS, MOST_SECONDS = 5.0, 3600.0
MOST_RATE = 1000.0


def demo(
    seconds: Annotated[
        float,
        typer.Option(min=LEAST_SECONDS, max=MOST_SECONDS, help="How long the users write."),
    ] = 16.0,
    rate: Annotated[
        float, typer.Option(min=1.0, max=MOST_RATE, help="Writes per second, all users together.")
    ] = 60.0,
    json: Annotated[bool, typer.Option("--json", help="Print the summary alone, as JSON.")] = False,
) -> None:
    """Show streams that outlive their server: it is killed half-way, and comes back.

    Exit code 0 if every event of what was written while connected arrived, and a live view ended
    up as its query.
    """
    with expected_ends():
        console = Terminal()
        with _view(console, seconds, json) as view:
            summary = tell(seconds, rate, view)
        if json:
            say(dumps(summary.as_json(), indent=2))
        else:
            console.print(report(summary))
    sys.exit(1 if summary.problems else 0)


def _view(console: Terminal, seconds: float, json: bool) -> NoDisplay:
    if json:
        return NoDisplay()
    return TerminalDisplay(console, seconds) if console.is_terminal else LineDisplay()
