"""The Python blocks of the pages under ``mypy --strict``: what a reader copies passes it, too."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from docs.test_blocks import PAGES, ROOT, blocks, name_of, runs

LIMIT = 300.0  # seconds


def write(folder: Path) -> list[Path]:
    """Write a file for each page with the blocks that run, at the lines where the page has them."""
    files: list[Path] = []
    for page in PAGES:
        lines: list[str] = []
        for block in filter(runs, blocks(page)):
            lines += [""] * (block.line - len(lines)) + block.code.splitlines()
        if lines:
            path = folder / f"{name_of(page).replace('/', '_').replace('-', '_')}.py"
            path.write_text("\n".join(lines) + "\n", encoding="utf-8")
            files.append(path)
    return files


@pytest.mark.timeout(LIMIT)
def test_the_blocks_of_the_pages_pass_a_strict_type_checker(tmp_path: Path) -> None:
    """All blocks of a page, as one program, have no complaint of `mypy --strict`."""
    pytest.importorskip("mypy", reason="needs the extra `dev`")
    files = write(tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", "", "--strict", *map(str, files)],
        env={**os.environ, "MYPYPATH": str(ROOT)}, cwd=tmp_path,
        capture_output=True, text=True, timeout=LIMIT, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert len(files) > 15
