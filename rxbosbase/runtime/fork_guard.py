"""The fork guard: a client works in the process that made it, and in no child of that process."""

from __future__ import annotations

import os

from rxbosbase.errors import ClientClosedError

__all__ = ("ForkGuard",)


class ForkGuard:
    """The process in which it was made, and a check that this is the current one.

    A child that inherits a client by ``fork()`` has none of its threads, its locks may be locked
    there without end, and its sockets are still the parent's. So check before taking a lock.
    """

    __slots__ = ("_process",)

    def __init__(self) -> None:
        self._process = os.getpid()

    @property
    def is_child(self) -> bool:
        """True in any other process than the one that made this."""
        return os.getpid() != self._process

    def check(self) -> None:
        """Raise `ClientClosedError` in a child process."""
        if self.is_child:
            raise ClientClosedError(
                "this client was made before fork(); make a new one in the child process"
            )
