"""Measure the time of ``import rxbosbase``, compared with the packages that it needs."""

from __future__ import annotations

import os
import subprocess
import sys

from .figures import Row, spread

__all__ = ["import_times"]

_TIMED = "import time; start = time.process_time(); import {}; print(time.process_time() - start)"
_NEEDED = "reactivex, requests"


def import_times(rounds: int) -> dict[str, Row]:
    """Return the CPU seconds of each import in a new interpreter, the two in turns."""
    taken: dict[str, list[float]] = {"rxbosbase": [], _NEEDED: []}
    for names in taken:  # once for the bytecode and the disk
        _import(names)
    for _ in range(rounds):
        for names, seconds in taken.items():
            seconds.append(_import(names))
    ratios = [ours / theirs for ours, theirs in zip(*taken.values(), strict=True)]
    rows: dict[str, Row] = {
        f"import {names}": {"CPU ms": spread(1000 * one for one in seconds)}
        for names, seconds in taken.items()
    }
    rows["import rxbosbase"]["× needed"] = spread(ratios)
    return rows


def _import(names: str) -> float:
    code = _TIMED.format(names)
    # Without its bytecode a module is compiled each time: no installed package is used like that.
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    return float(done.stdout)
