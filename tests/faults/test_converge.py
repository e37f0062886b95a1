"""A short convergence run of live views with one seed; ``converge.py`` is the long version."""

from __future__ import annotations

import pytest
from faults.converge import converge
from faults.converge_parts import make_tables

from rxbosbase.server import EmbeddedServer


@pytest.mark.timeout(90)
def test_five_views_equal_their_queries_after_losses_and_kills() -> None:
    """Five live views equal their queries after losses and two kills of the server."""
    with EmbeddedServer() as server:
        with server.client(superuser=True) as admin:
            make_tables(admin)
            login = admin.auth_store.state
        report = converge(server, login, 6.0, seed=1)
    print(report.table())
    assert report.is_good, report.table()
    assert report.kills == 2
