"""All kinds of faults at once, for a short while; ``soak.py`` is the long version."""

from __future__ import annotations

import os

import pytest
from faults.soak import soak

from rxbosbase.server import EmbeddedServer

SECONDS = 60.0 if os.environ.get("CI") == "true" else 12.0


@pytest.mark.timeout(SECONDS + 60)
def test_the_client_survives_a_soak_of_mixed_faults(server: EmbeddedServer) -> None:
    report = soak(server, SECONDS, seed=4)
    print(report.table())
    assert not report.complaints, report.table()
    assert report.faults.total() >= SECONDS
