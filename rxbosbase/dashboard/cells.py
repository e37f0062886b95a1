"""Which notebook cell shows which panes, so that running the cell again stops the old ones."""

from __future__ import annotations

import sys
import threading
from typing import Any, Protocol

from rxbosbase.encoding.narrowing import is_object

__all__ = ("CELLS", "Cells", "Stoppable")


class Stoppable(Protocol):
    """An object with `stop`."""

    def stop(self) -> None:
        """Stop it."""


class Cells:
    """The panes by cell. A cell is identified by its id, or without one by its text."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._panes: dict[str, list[Stoppable]] = {}
        self._current = ""
        self._shell: Any = None

    def add(self, pane: Stoppable) -> None:
        """Stop `pane` when the cell that runs now is run again. Outside of IPython, do nothing."""
        shell = _shell()
        if shell is None:
            return
        with self._lock:
            if self._shell is not shell:
                self._shell = shell
                shell.events.register("pre_run_cell", self._begin)
                # `pre_run_cell` was already called for the running cell.
                self._current = _running_cell(shell)
            self._panes.setdefault(self._current, []).append(pane)

    def remove(self, pane: Stoppable) -> None:
        """Remove a pane that has stopped."""
        with self._lock:
            for cell, panes in list(self._panes.items()):
                kept = [other for other in panes if other is not pane]
                if kept:
                    self._panes[cell] = kept
                else:
                    del self._panes[cell]

    def _begin(self, info: Any) -> None:
        with self._lock:
            self._current = _cell_key(info)
            panes = self._panes.pop(self._current, [])
        for pane in panes:
            pane.stop()


def _shell() -> Any:
    """Return IPython's shell, or None outside of one."""
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython is not None else None


def _cell_key(info: Any) -> str:
    return str(getattr(info, "cell_id", None) or getattr(info, "raw_cell", "") or "")


def _running_cell(shell: Any) -> str:
    parent = getattr(shell, "parent_header", None)
    metadata = parent.get("metadata") if is_object(parent) else None
    cell: Any = metadata.get("cellId") if is_object(metadata) else None
    if cell:
        return str(cell)
    inputs = shell.user_ns.get("In") or [""]
    return str(inputs[-1])


CELLS = Cells()
