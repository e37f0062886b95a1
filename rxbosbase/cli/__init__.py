"""The command line: ``rxbosbase demo``, ``tail`` and ``serve``. One module per command.

Exit codes: 0 it did what was asked, 1 it could not (one line on stderr says why), 2 the command
line is wrong, 130 it was stopped by Ctrl-C before its end.
"""

from __future__ import annotations

import logging
import sys

from rxbosbase.cli.console import PlainFormatter
from rxbosbase.errors import MissingExtraError

__all__ = ["main"]

EXTRA = "demo"
EXTRA_PACKAGES = frozenset({"click", "rich", "typer"})


def main() -> None:
    """The console script's entrance. It ends the process with one of the exit codes above."""
    try:
        from rxbosbase.cli.app import app
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] not in EXTRA_PACKAGES:
            raise
        sys.exit(str(MissingExtraError("The command line", EXTRA)))
    _leave_the_connections_news_to_the_commands()
    app(prog_name="rxbosbase")


def _leave_the_connections_news_to_the_commands() -> None:
    """Warnings of the library are about reconnecting, which the commands tell in their own way
    and place; errors are defects, and go to stderr."""
    handler = logging.StreamHandler()
    handler.setLevel(logging.ERROR)
    handler.setFormatter(PlainFormatter())
    logging.getLogger("rxbosbase").addHandler(handler)
