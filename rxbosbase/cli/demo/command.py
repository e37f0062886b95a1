"""The command ``rxbosbase demo``."""

from __future__ import annotations

import sys
from json import dumps
from typing import Annotated

import typer

from rxbosbase.cli.console import clean_exit, write_text
from rxbosbase.cli.terminal import Terminal

from .displays import LineDisplay, NoDisplay, TerminalDisplay
from .report import report
from .scenario import run_scenario

__all__ = ("demo",)

MIN_SECONDS, MAX_SECONDS = 5.0, 3600.0
MAX_RATE = 1000.0


def demo(
    seconds: Annotated[
        float,
        typer.Option(min=MIN_SECONDS, max=MAX_SECONDS, help="How long the users write."),
    ] = 16.0,
    rate: Annotated[
        float, typer.Option(min=1.0, max=MAX_RATE, help="Writes per second, all users together.")
    ] = 60.0,
    json: Annotated[bool, typer.Option("--json", help="Print the summary alone, as JSON.")] = False,
) -> None:
    """Show streams that outlive their server: it is killed half-way, and comes back.

    Exit code 0 if every event of what was written while connected arrived, and a live view ended
    up as its query.
    """
    with clean_exit():
        console = Terminal()
        with _display(console, seconds, json) as display:
            summary = run_scenario(seconds, rate, display)
        if json:
            write_text(dumps(summary.as_json(), indent=2))
        else:
            console.print(report(summary))
    sys.exit(1 if summary.problems else 0)


def _display(console: Terminal, seconds: float, json: bool) -> NoDisplay:
    if json:
        return NoDisplay()
    return TerminalDisplay(console, seconds) if console.is_terminal else LineDisplay()
