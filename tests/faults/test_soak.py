"""All kinds of faults at once, for a short while; ``soak.py`` is the long version."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from faults.soak import FAULTS_A_SECOND, soak

from rxbosbase.server import EmbeddedServer

SECONDS = 60.0 if os.environ.get("CI") == "true" else 12.0

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(SECONDS + 60)
def test_the_client_survives_a_soak_of_mixed_faults(bosbase_server: EmbeddedServer) -> None:
    """A soak of at least eight kinds of faults ends without a problem."""
    report = soak(bosbase_server, SECONDS, seed=4)
    print(report.table())
    assert not report.problems, report.table()
    assert report.faults.total() >= SECONDS * FAULTS_A_SECOND
    assert len(report.faults) >= 8, report.table()


@pytest.mark.parametrize(
    "module", ["tests.faults.soak", "tests.faults.converge", "tests.faults.fuzz_http"]
)
def test_the_proofs_run_by_their_own_commands(module: str) -> None:
    """Each long proof runs as a program whose `--help` lists `--seconds`."""
    done = subprocess.run(
        [sys.executable, "-m", module, "--help"],
        cwd=ROOT, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "--seconds" in done.stdout
