"""A short convergence run of live views with one seed; ``converge.py`` is the long version."""

from __future__ import annotations

import pytest
from faults.converge import converge_server
from faults.converge_nodes import converge_nodes


@pytest.mark.timeout(90)
def test_five_views_equal_their_queries_after_losses_and_kills() -> None:
    """Five live views equal their queries after losses and two kills of the server."""
    report = converge_server(6.0, seed=1)
    assert report.is_good, report.table()
    assert report.kills == 2


@pytest.mark.timeout(90)
def test_views_on_two_nodes_equal_their_queries() -> None:
    """Views with `nodes=`, and views behind a balancer, equal their queries at quiet points."""
    report = converge_nodes(3.0, seed=1)
    assert report.is_good, report.table()
    assert (report.kills, report.writes > 100) == (1, True)
