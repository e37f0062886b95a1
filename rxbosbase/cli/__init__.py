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
    _set_up_the_log()
    app(prog_name="rxbosbase")


def _set_up_the_log() -> None:
    """Every library's warnings go to stderr, and command nothing there: a request to the dashboard,
    or a server's words, may be among them. Warnings of this library are about reconnecting, which
    the commands tell in their own way and place; its errors are defects."""
    handler = logging.StreamHandler()
    handler.setLevel(logging.WARNING)
    handler.setFormatter(PlainFormatter())
    logging.root.addHandler(handler)
    logging.getLogger("rxbosbase").setLevel(logging.ERROR)
