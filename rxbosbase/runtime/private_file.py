"""Files that hold what is nobody else's business: a login, or a tape of records."""

from __future__ import annotations

import logging
import os
import stat

__all__ = ["open_own", "warn_of_open_folder"]

log = logging.getLogger("rxbosbase.files")

# Whoever made a link could choose which file is meant; a FIFO would hold us up for ever.
_SAFE = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


def open_own(path: str | os.PathLike[str], flags: int) -> int:
    """The descriptor of a plain file of this user's own, which from now on has mode 0600.

    All is asked of, and done to, the open file: what is swapped in at its name meanwhile changes
    nothing. Another user's file is refused to root too: whose it is could read it, and write it.

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
    """Warns of a folder in which every user may replace every other's files."""
    mode = os.stat(folder).st_mode
    if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        log.warning(
            "every user may remove or replace files in %s: take a folder of your own, or chmod "
            "o-w it", os.fspath(folder),
        )  # fmt: skip
