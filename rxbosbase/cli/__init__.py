"""The command line: ``rxbosbase tail``, ``serve`` and others. One module per command.

``demo`` kills a server under a running stream, ``tail`` prints events, ``view`` shows a live view,
``serve`` runs a server with sample data, ``dashboard`` serves a page, and ``doctor`` checks a
server step by step. ``rxbosbase COMMAND --help`` describes each.

Exit codes: 0 success; 1 failure, with the reason in one line on stderr; 2 wrong command line;
130 ended early by Ctrl-C.
"""

from __future__ import annotations

import logging
import sys

from rxbosbase._extras import missing_extra

from .console import PlainFormatter

__all__ = ("main",)

EXTRA = "cli"
EXTRA_PACKAGES = frozenset({"click", "rich", "typer"})


def main() -> None:
    """Run the console script ``rxbosbase``, with the arguments of ``sys.argv``.

    Raises:
        SystemExit: always, at the end, with one of the exit codes above; or with the line that
            says what to install, where the packages of the command line are missing.

    >>> import subprocess
    >>> command = [sys.executable, "-m", "rxbosbase.cli", "--no-such-option"]
    >>> subprocess.run(command, capture_output=True).returncode
    2
    """
    try:
        from .app import app
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] not in EXTRA_PACKAGES:
            raise
        sys.exit(str(missing_extra("The command line", EXTRA)))
    _configure_logging()
    app(prog_name="rxbosbase")


def _configure_logging() -> None:
    """Log the warnings of all libraries to stderr with control characters escaped: parts of a
    request to the dashboard, or text of a server, may be in them. Warnings of this library are
    about reconnecting, which the commands report themselves; its errors are defects."""
    handler = logging.StreamHandler()
    handler.setLevel(logging.WARNING)
    handler.setFormatter(PlainFormatter())
    logging.root.addHandler(handler)
    logging.getLogger("rxbosbase").setLevel(logging.ERROR)
