"""A login that outlives the program: in a file that only its owner can read."""

from __future__ import annotations

import contextlib
import logging
import os
import stat
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from time import time
from typing import Any

from rxbosbase.encoding.json import decode, encode
from rxbosbase.encoding.narrowing import is_object
from rxbosbase.runtime.private_file import open_own, warn_of_open_folder

from .store import AuthState, AuthStore, check_token

__all__ = ("MAX_FILE_BYTES", "FileAuthStore")

log = logging.getLogger("rxbosbase.auth")

MAX_FILE_BYTES = 1024 * 1024
"""No login is that large: a larger one is refused, a larger file is not a login."""

LEFTOVER_SECONDS = 60.0
"""After this time no program writes a half-written file any more: a write takes milliseconds."""


class FileAuthStore(AuthStore):
    """Keeps the login in `path`, with mode 0600 from its first byte on.

    Each change is written to a file beside it that then takes its place, so that a reader, or a
    crash, finds the old login or the new one and never half of one. Two programs may share the
    file: each keeps its own login, and the next start finds the one written last.

    A file without a login (half a file, one of another program, one that cannot be read) is
    renamed to ``NAME.broken``, and the store begins logged out. So is a symbolic link: it is not
    followed, since its author could choose which file is read and replaced. And so is another
    user's file, also for root. A logout removes the renamed file: a token may be in it.

    Args:
        path: the file; ``~`` is the home folder. The folder around it is made where it is missing.

    Raises:
        ValueError: `path` is a folder, a FIFO, a device or a socket; nothing is touched.
        OSError: the folder around it cannot be used.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     FileAuthStore(f"{folder}/login.json").save("a.b.c", {"id": "u1"})
    ...     again = FileAuthStore(f"{folder}/login.json")
    ...     print(again.record)
    ...     again.clear()
    {'id': 'u1'}
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__()
        self._path = Path(path).expanduser()
        # Locked while the file is written: of two logins the later one is in both file and memory.
        self._writing = threading.Lock()
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        warn_of_open_folder(self._path.parent)
        self._remove_leftovers()
        found = self._read()
        if found is not None:
            super().save(*found)

    def save(self, token: str, record: Mapping[str, Any] | None = None) -> None:
        """Log in, and write the login to the file before observers are called.

        Args:
            token: the raw token.
            record: the record that it belongs to.

        Raises:
            OSError: the file could not be written; the old login stays, in the file and here.
            TypeError, ValueError: the token cannot be sent as a header, or the login is too large.
        """
        check_token(token)
        state = AuthState(token, record)
        content = _encoded(state)
        with self._writing:
            self._write(content)
            observers = self._swap(state)
        self._notify(observers, state)

    def clear(self) -> None:
        """Log out, and remove the file and the renamed one.

        Raises:
            OSError: the file cannot be removed; the login stays, in the file and here.
        """
        state = AuthState()
        with self._writing:
            with contextlib.suppress(OSError):  # none is there, or a folder
                self._aside.unlink()
            with contextlib.suppress(FileNotFoundError):
                self._path.unlink()
            observers = self._swap(state)
        self._notify(observers, state)

    # -- reading ---------------------------------------------------------------------------------

    def _read(self) -> tuple[str, dict[str, Any] | None] | None:
        try:
            kind = os.lstat(self._path).st_mode
        except FileNotFoundError:
            return None
        if not stat.S_ISREG(kind) and not stat.S_ISLNK(kind):
            raise ValueError(f"{self._path} is no file: give the path of a file to keep a login in")
        try:
            content = self._content()
            token, record = _decoded(content)
            check_token(token)
        except (OSError, ValueError, TypeError) as error:
            # Only the type of the error: the decoder's message might quote the file.
            self._set_aside(type(error).__name__)
            return None
        return token, record

    def _content(self) -> bytes:
        with open(open_own(self._path, os.O_RDONLY), "rb") as file:
            return file.read(MAX_FILE_BYTES + 1)

    @property
    def _aside(self) -> Path:
        return self._path.with_name(self._path.name + ".broken")

    def _set_aside(self, reason: str) -> None:
        try:
            # Reading has set its mode; a file that could not be opened stays unchanged.
            os.replace(self._path, self._aside)
        except OSError as error:
            log.warning("%s holds no login, and stays there: %s", self._path, error)
        else:
            log.warning(
                "%s holds no login (%s); it was kept as %s, you are logged out",
                self._path, reason, self._aside,
            )  # fmt: skip

    # -- writing ---------------------------------------------------------------------------------

    def _write(self, content: bytes) -> None:
        # mkstemp makes the file with mode 0600, whatever the umask.
        descriptor, name = tempfile.mkstemp(*self._temporary, self._path.parent)
        try:
            with open(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, self._path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name)
            raise

    @property
    def _temporary(self) -> tuple[str, str]:
        """Suffix and prefix of the name of a half-written file."""
        return ".new", f".{self._path.name}."

    def _remove_leftovers(self) -> None:
        """Remove the half-written files of killed programs: a token may be in them."""
        suffix, prefix = self._temporary
        with os.scandir(self._path.parent) as entries:
            for entry in entries:
                if entry.name.startswith(prefix) and entry.name.endswith(suffix):
                    with contextlib.suppress(OSError):  # another program was faster
                        if entry.stat(follow_symlinks=False).st_mtime < time() - LEFTOVER_SECONDS:
                            os.unlink(entry.path)


def _encoded(state: AuthState) -> bytes:
    record = None if state.record is None else dict(state.record)
    content = encode({"token": state.token, "record": record})
    if len(content) > MAX_FILE_BYTES:
        raise ValueError(f"the login has {len(content)} bytes, a file keeps {MAX_FILE_BYTES}")
    return content


def _decoded(content: bytes) -> tuple[str, dict[str, Any] | None]:
    if len(content) > MAX_FILE_BYTES:
        raise ValueError("it is too large")
    data = decode(content)
    if not is_object(data):
        raise ValueError("it holds no object")
    token, record = data.get("token"), data.get("record")
    if not isinstance(token, str) or not token:
        raise ValueError("it holds no token")
    if record is not None and not is_object(record):
        raise ValueError("it holds no record")
    return token, record
