"""The folders of one server, under a parent that no other server has.

The server writes collections made through its API as migrations **beside** its data folder, and
applies whatever lies there, so that two data folders under one parent infect each other. Here it is
told where everything is, and not to write migrations at all.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

__all__ = ["UMASK", "Home"]

UMASK = 0o077
"""Of the server's processes: what they write is for this user alone, in a `data_dir` too."""


class Home:
    """Makes the folders.

    Args:
        data_dir: the server's data, kept; None puts it into the temporary folder too.
        hooks_dir: JavaScript hooks to run; None for none.
        migrations_dir: migrations to apply; None for none.

    Attributes:
        root: a temporary folder, private to this user, that ``remove()`` removes.
    """

    def __init__(
        self, data_dir: Path | None, hooks_dir: Path | None, migrations_dir: Path | None
    ) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="rxbosbase-server-")).resolve()
        self.data = (data_dir or self.root / "pb_data").resolve()
        self.public = self.root / "pb_public"
        self._hooks = (hooks_dir or self.root / "pb_hooks").resolve()
        self._migrations = (migrations_dir or self.root / "pb_migrations").resolve()
        self.public.mkdir()

    @property
    def options(self) -> list[str]:
        """What tells the server's every command of these folders."""
        return [
            f"--dir={self.data}",
            f"--publicDir={self.public}",
            f"--hooksDir={self._hooks}",
            f"--migrationsDir={self._migrations}",
            "--automigrate=0",
            "--hooksWatch=0",
            "--indexFallback=0",
        ]

    def remove(self) -> None:
        shutil.rmtree(self.root, ignore_errors=True)
