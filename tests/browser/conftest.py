"""Fixtures of the dashboard's tests in a real browser."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def leaves_no_thread() -> None:
    """Skip the check: a closed tab keeps its subscriptions for some seconds, to reconnect.

    Another test checks that they end then.
    """
