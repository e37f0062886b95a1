"""A fake for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rxbosbase.testing import FakeRealtime


@pytest.fixture
def fake() -> Iterator[FakeRealtime]:
    """A `FakeRealtime`, closed after the test."""
    with FakeRealtime() as started:
        yield started
