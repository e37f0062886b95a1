"""Serves `llms.txt` at the site's root, and the Markdown that it leads to where it says."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)")


def copy(app: Any, exception: Exception | None) -> None:
    """After the build."""
    if exception is not None or app.builder.format != "html":
        return
    llms = ROOT / "llms.txt"
    for name in ["llms.txt", *LINK.findall(llms.read_text(encoding="utf-8"))]:
        there = Path(app.outdir, name)
        there.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, there)


def setup(app: Any) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("build-finished", copy)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
