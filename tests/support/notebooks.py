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
"""In the environment: a folder for executed notebooks. Who tests them then saves the time of who
renders them."""


def read(path: Path) -> Any:
    """A notebook as nbformat has it.

    Raises:
        ModuleNotFoundError: the extra ``notebook`` is not installed.
    """
    import nbformat

    return nbformat.read(path, as_version=4)


def executed(path: Path) -> Any:
    """The notebook with what its cells show: as it was kept, or executed now.

    Raises:
        ModuleNotFoundError: the extra ``notebook`` is not installed.
        nbclient.exceptions.CellExecutionError: a cell raised.
    """
    notebook = read(path)
    if (folder := os.environ.get(KEPT)) and (there := Path(folder, path.name)).exists():
        kept = read(there)
        if _sources(kept) == _sources(notebook):
            return kept
    with tempfile.TemporaryDirectory() as home:
        execute(notebook, Path(home))
    return notebook


def keep(notebook: Any, path: Path) -> None:
    """Keeps an executed notebook for `executed`, where the environment says so."""
    import nbformat

    if folder := os.environ.get(KEPT):
        Path(folder).mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, Path(folder, path.name))


def execute(notebook: Any, home: Path) -> None:
    """Runs all cells and keeps what they show in `notebook`.

    Args:
        home: a folder with a short name, where the kernel keeps what it would put into the user's.

    Raises:
        ModuleNotFoundError: the extra ``notebook`` is not installed.
        nbclient.exceptions.CellExecutionError: a cell raised.
    """
    from jupyter_client.manager import AsyncKernelManager
    from nbclient import NotebookClient

    # Finds the fonts, which takes long for the first time, and a cell would complain of that.
    importlib.import_module("matplotlib.font_manager")
    # Over sockets in that folder: nobody else's port, and nobody else's business.
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
