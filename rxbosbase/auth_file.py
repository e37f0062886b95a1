"""A login that survives the program: kept in a file that only its owner can read."""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from .auth import AuthStore

__all__ = ["FileAuthStore"]

log = logging.getLogger("rxbosbase.auth")

MAX_FILE_BYTES = 1024 * 1024
"""No login is that large; a larger file is somebody else's, and is not read."""


class FileAuthStore(AuthStore):
    """Keeps the login in `path`, with mode 0600 from its first byte on.

    Each change is written to a file beside it that then takes its place, so that a reader, or a
    crash, sees the old login or the new one and never half of one. A file that holds no login
    is kept aside as ``NAME.broken``, and the store begins logged out.

    Raises:
        OSError: the folder cannot be written to.

    Example:
        ``BosBase(url, auth_store=FileAuthStore("~/.config/myapp/login.json"))``
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__()
        self._path = Path(path).expanduser()
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = self._read()
        if found is not None:
            super().save(*found)

    def save(self, token: str, record: Mapping[str, Any] | None = None) -> None:
        """Logs in, and writes that down before anybody is told."""
        self._check(token)
        self._write({"token": token, "record": record})
        super().save(token, record)

    def clear(self) -> None:
        """Logs out, and removes the file."""
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()
        super().clear()

    def _read(self) -> tuple[str, dict[str, Any] | None] | None:
        try:
            descriptor = os.open(self._path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        except FileNotFoundError:
            return None
        with open(descriptor, "rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
        try:
            if len(content) > MAX_FILE_BYTES:
                raise ValueError("it is too large")
            data = orjson.loads(content)
            token, record = data["token"], data.get("record")
            self._check(token)
            if not token or not (record is None or isinstance(record, dict)):
                raise ValueError("it holds no token, or no record")
        except (ValueError, TypeError, KeyError, AttributeError):
            self._set_aside()
            return None
        self._restrict()
        return token, record

    def _restrict(self) -> None:
        if self._path.stat().st_mode & 0o077:
            log.warning("%s could be read by others; it is now the owner's alone", self._path)
            self._path.chmod(0o600)

    def _set_aside(self) -> None:
        aside = self._path.with_name(self._path.name + ".broken")
        os.replace(self._path, aside)
        aside.chmod(0o600)
        log.warning("%s holds no login; it was kept as %s, you are logged out", self._path, aside)

    def _write(self, data: dict[str, Any]) -> None:
        content = orjson.dumps(data)
        # mkstemp makes the file with mode 0600, whatever the umask.
        descriptor, name = tempfile.mkstemp(prefix=self._path.name, dir=self._path.parent)
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
