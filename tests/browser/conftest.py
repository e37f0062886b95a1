"""The dashboard as a person meets it, in a real browser."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def leaves_no_thread() -> None:
    """Not asked here: a closed tab keeps its subscriptions for some seconds, should it come back.

    That they go then has a test of its own.
    """
