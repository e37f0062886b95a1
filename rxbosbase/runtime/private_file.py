"""Files that only their owner may read: a login, or a recording."""

from __future__ import annotations

import logging
import os
import stat

__all__ = ("open_own", "warn_of_open_folder")

log = logging.getLogger("rxbosbase.files")

# The owner of a link could choose which file is meant; a FIFO would block without end.
_SAFE = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


def open_own(path: str | os.PathLike[str], flags: int) -> int:
    """Return the descriptor of a plain file of this user's own, which from now on has mode 0600.

    All checks and changes are of the open file: a file that replaces it at its name meanwhile has
    no effect. Another user's file is refused to root too: its owner could read and write it.

    Args:
        flags: as for ``os.open``; with ``os.O_CREAT`` a missing file is made, with mode 0600.

    Raises:
        PermissionError: it belongs to another user.
        OSError: it is a link, or no file, or cannot be opened.
    """
    descriptor = os.open(path, flags | _SAFE, 0o600)
    try:
        info = os.fstat(descriptor)
        if not stat.S_ISREG(info.st_mode):
            raise OSError(f"{os.fspath(path)!r} is no file: give the path of one")
        if hasattr(os, "geteuid") and info.st_uid != os.geteuid():
            raise PermissionError(f"{os.fspath(path)!r} belongs to another user: take another path")
        if info.st_mode & 0o077:
            os.fchmod(descriptor, 0o600)
            log.warning("%s could be read by others; it is now the owner's alone", os.fspath(path))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def warn_of_open_folder(folder: str | os.PathLike[str]) -> None:
    """Warn of a folder in which every user may replace every other's files."""
    mode = os.stat(folder).st_mode
    if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        log.warning(
            "every user may remove or replace files in %s: take a folder of your own, or chmod "
            "o-w it", os.fspath(folder),
        )  # fmt: skip
