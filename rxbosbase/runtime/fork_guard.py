"""What holds in the process that made a client, and not in its children; and when it ends."""

from __future__ import annotations

import os

from rxbosbase.errors import ClientClosedError

__all__ = ["check_process", "is_ending"]


def check_process(owner: int) -> None:
    """Raises in a child that inherited a client by ``fork()``.

    Its threads do not exist there, its locks may be taken for ever, and its sockets are still the
    parent's.
    """
    if os.getpid() != owner:
        raise ClientClosedError(
            "this client was made before fork(); make a new one in the child process"
        )


def is_ending(error: RuntimeError) -> bool:
    """True if a thread could not be started because the interpreter ends: no word is due.

    From 3.12 on that is refused a moment before the functions of `atexit` close what is open, and
    nothing but the error's text tells it from a lack of threads.
    """
    return "interpreter shutdown" in str(error)
