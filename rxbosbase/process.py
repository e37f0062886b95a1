"""What holds in the process that made a client, and not in its children."""

from __future__ import annotations

import os

from .errors import ClientClosedError

__all__ = ["check_process"]


def check_process(owner: int) -> None:
    """Raises in a child that inherited a client by ``fork()``.

    Its threads do not exist there, its locks may be taken for ever, and its sockets are still the
    parent's.
    """
    if os.getpid() != owner:
        raise ClientClosedError(
            "this client was made before fork(); make a new one in the child process"
        )
