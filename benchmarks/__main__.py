"""``python -m benchmarks``: measure, print tables, and write them to files on request."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any

from rich.console import Console

from .chart import chart
from .lanes import PEERS, StreamServer
from .markdown import markdown
from .marks import judged
from .report import show
from .suites import CHECK, SUITES, Settings

__all__ = ["main"]

PACKAGES = ("reactivex", "msgspec", "orjson", "requests", "sseclient-py", "bosbase", "pocketbase",
            "pocketbase-async")  # fmt: skip

FILE_WIDTH = 130  # columns of the tables where there is no terminal to ask


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument(
        "--only",
        action="append",
        choices=[*SUITES, *CHECK],
        metavar="NAME",
        help=f"this suite alone; may be repeated: {', '.join(SUITES)}",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument("--chart", type=Path, metavar="FILE.svg", help="draw them there")
    parser.add_argument("--markdown", type=Path, metavar="FILE.md", help="write tables there")
    return parser.parse_args()  # fmt: skip


def main() -> None:
    """Run the suites."""
    arguments = _arguments()
    console = Console()
    if not console.is_terminal:
        console.width = max(console.width, FILE_WIDTH)
    how = Settings(rounds=3, seconds=0.15, quick=True) if arguments.quick else Settings()
    results: dict[str, Any] = {"about": _about(), "suites": {}}
    begin = time.monotonic()
    with StreamServer() as server:
        for name in arguments.only or SUITES:
            with console.status(f"{name} …"):
                results["suites"][name] = {**SUITES, **CHECK}[name](server, how)
    results["about"]["took"] = f"{time.monotonic() - begin:.0f} s"
    results["marks"] = judged(results["suites"])
    show(results, console)
    if arguments.json:
        text = json.dumps(results, indent=1, ensure_ascii=False)
        arguments.json.write_text(text + "\n", encoding="utf-8")
    if arguments.markdown:
        arguments.markdown.write_text(markdown(results), encoding="utf-8")
    if arguments.chart:
        arguments.chart.write_text(chart(results["suites"]), encoding="utf-8")


def _about() -> dict[str, str]:
    return {
        "machine": f"{_processor()}, {os.cpu_count()} cores",
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "Python": platform.python_version(),
        **{name: version for name in PACKAGES if (version := _version(name))},
    }


def _version(name: str) -> str | None:
    found = metadata.distributions(name=name, path=[str(PEERS / name), *sys.path])
    return next((one.version for one in found), None)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


if __name__ == "__main__":
    main()
