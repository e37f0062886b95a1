"""The notebooks, executed from top to bottom in a kernel of their own."""

from __future__ import annotations

import importlib
import os
import tempfile
from pathlib import Path
from typing import Any

__all__ = ["NOTEBOOKS", "execute", "executed", "keep", "read"]

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
CELL_SECONDS = 60

KEPT = "RXBOSBASE_NOTEBOOKS"
"""The environment variable of a folder for executed notebooks: a test run puts them there, and a
build of the documentation need not execute them again."""


def read(path: Path) -> Any:
    """Return a notebook as an nbformat object.

    Raises:
        ModuleNotFoundError: the extra ``notebook`` is not installed.
    """
    import nbformat

    return nbformat.read(path, as_version=4)


def executed(path: Path) -> Any:
    """Return the notebook with the output of its cells: from the folder, or executed now.

    Raises:
        ModuleNotFoundError: the extra ``notebook`` is not installed.
        nbclient.exceptions.CellExecutionError: a cell raised.
    """
    notebook = read(path)
    if (folder := os.environ.get(KEPT)) and (stored := Path(folder, path.name)).exists():
        kept = read(stored)
        if _sources(kept) == _sources(notebook):
            return kept
    with tempfile.TemporaryDirectory() as home:
        execute(notebook, Path(home))
    return notebook


def keep(notebook: Any, path: Path) -> None:
    """Write an executed notebook to the folder of the environment variable, if it is set."""
    import nbformat

    if folder := os.environ.get(KEPT):
        Path(folder).mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, Path(folder, path.name))


def execute(notebook: Any, home: Path) -> None:
    """Run all cells and store their output in `notebook`.

    Args:
        home: a folder with a short path, for the files that the kernel puts into a home folder.

    Raises:
        ModuleNotFoundError: the extra ``notebook`` is not installed.
        nbclient.exceptions.CellExecutionError: a cell raised.
    """
    from jupyter_client.manager import AsyncKernelManager
    from nbclient import NotebookClient

    # The first import finds the fonts, which takes long and would print a warning in a cell.
    importlib.import_module("matplotlib.font_manager")
    # Over sockets in that folder: no port that another process could use or read.
    manager = AsyncKernelManager(
        kernel_name="python3", transport="ipc", connection_file=str(home / "kernel.json")
    )
    manager.ip = str(home / "kernel")
    folders = ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")
    environment = os.environ | {name: str(home) for name in folders} | {"PYTHONPATH": str(ROOT)}
    client = NotebookClient(
        notebook,
        km=manager,
        timeout=CELL_SECONDS,
        resources={"metadata": {"path": str(ROOT / "notebooks")}},
    )
    client.execute(env=environment, cleanup_kc=True)


def _sources(notebook: Any) -> list[str]:
    return [cell.source for cell in notebook.cells]
