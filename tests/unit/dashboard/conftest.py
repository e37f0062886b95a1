"""Without Panel these files cannot be imported: each is skipped as a whole."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest


def has_panel() -> bool:
    try:
        importlib.import_module("panel")
    except ModuleNotFoundError:
        return False
    return True


class SkippedModule(pytest.Module):
    """A file of tests that is skipped as a whole."""

    def collect(self) -> list[pytest.Item | pytest.Collector]:
        pytest.skip("needs pip install 'rxbosbase[dashboard]'", allow_module_level=True)


def pytest_pycollect_makemodule(
    module_path: Path, parent: pytest.Collector
) -> pytest.Module | None:
    if has_panel():
        return None
    module: SkippedModule = SkippedModule.from_parent(parent, path=module_path)
    return module
