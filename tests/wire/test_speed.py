"""The cost of an event: a small run of the benchmarks, with wide margins.

Only ratios within the run, and counts, are compared, so that a slow or busy machine passes.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
TIMEOUT = 50.0  # seconds; it takes less than 15 on an idle machine


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Return the rows of the benchmarks' small run."""
    target = tmp_path_factory.mktemp("speed") / "results.json"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick", "--only", "check", "--json", str(target)],
        cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows: dict[str, dict[str, Any]] = json.loads(target.read_text())["suites"]["check"]
    return rows


@pytest.mark.parametrize(("size", "share"), [("300 B", 0.35), ("2 KB", 0.45)])
def test_an_event_costs_little_more_cpu_than_decoding_its_json(
    measured: dict[str, dict[str, Any]], size: str, share: float
) -> None:
    """In the best round an event takes < 2.9 (300 B), 2.3 (2 KB) × the CPU of a bare loop."""
    assert measured[f"{size} observe"]["CPU × limit"]["high"] >= share


def test_the_number_of_topics_does_not_raise_the_cost_of_an_event(
    measured: dict[str, dict[str, Any]],
) -> None:
    """An event takes at most 1.6 times as much CPU with 1000 topics as with one."""
    one, many = (measured[f"{count} topics"]["CPU µs/event"]["low"] for count in (1, 1000))
    assert many <= 1.6 * one


def test_topics_subscribed_one_by_one_are_submitted_together(
    measured: dict[str, dict[str, Any]],
) -> None:
    """1000 topics subscribed one by one take at most 3 POSTs and 0.1 MB."""
    subscribed = measured["subscribe 1000 topics"]
    assert subscribed["posts"]["median"] <= 3
    assert subscribed["MB"]["median"] <= 0.1


def test_a_client_keeps_to_few_threads(measured: dict[str, dict[str, Any]]) -> None:
    """A process with one client that reads and streams has at most 8 threads."""
    assert measured["300 B observe"]["threads"]["high"] <= 8
