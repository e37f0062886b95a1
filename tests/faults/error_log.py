"""A log handler that collects what must not happen in a long run."""

from __future__ import annotations

import logging

__all__ = ["ErrorLog"]

MAX_PROBLEMS = 20
"""Problems that are kept: later ones mostly repeat the first."""


class ErrorLog(logging.Handler):
    """Collects errors and tracebacks from the log, and problems that a check adds.

    Attributes:
        found: the first of them, as texts.
    """

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.ERROR or record.exc_info:
            self.add(self.format(record))

    def add(self, text: str) -> None:
        """Add a problem, unless there are enough."""
        if len(self.found) < MAX_PROBLEMS:
            self.found.append(text)
