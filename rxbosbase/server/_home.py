"""The folders of one server, under a parent that no other server has.

The server writes collections that were created through its API as migrations into a folder
**beside** its data folder, and applies all migrations of that folder: two data folders under one
parent would share their collections. So each path is given, and the server writes no migrations.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

__all__ = ("UMASK", "Home")

UMASK = 0o077
"""Of the server's processes: only this user can read what they write, also in a `data_dir`."""


class Home:
    """The folders of one server; the constructor creates the temporary ones.

    Args:
        data_dir: the server's data, which is kept; None for a folder below `root`.
        hooks_dir: JavaScript hooks to run; None for none.
        migrations_dir: migrations to apply; None for none.

    Attributes:
        root: a temporary folder, private to this user; ``remove()`` deletes it.
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
        """The options of these folders for each command of the server."""
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
        """Delete the temporary folder."""
        shutil.rmtree(self.root, ignore_errors=True)
