"""Copy `llms.txt` to the site's root, and the Markdown files to which it links."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)")


def copy(app: Any, exception: Exception | None) -> None:
    """Copy the files, after the build."""
    if exception is not None or app.builder.format != "html":
        return
    llms = ROOT / "llms.txt"
    for name in ["llms.txt", *LINK.findall(llms.read_text(encoding="utf-8"))]:
        target = Path(app.outdir, name)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, target)


def setup(app: Any) -> dict[str, Any]:
    """Register the extension; Sphinx calls this."""
    app.connect("build-finished", copy)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
