"""The check that runs for each test: which threads the test has started."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from support.realtime_client import library_threads
from support.threads import started_threads


@pytest.fixture(scope="module", autouse=True)
def earlier_thread() -> Iterator[None]:
    """Start a thread before the test, like one of another test that is about to end."""
    end = threading.Event()
    thread = threading.Thread(target=end.wait, name="rxbosbase-dashboard")
    thread.start()
    yield
    end.set()
    thread.join()


def test_a_thread_from_before_the_test_is_not_reported() -> None:
    """`library_threads` does not report a thread that was started before the test."""
    assert library_threads() == []
    assert "rxbosbase-dashboard" in {thread.name for thread in threading.enumerate()}


def test_a_thread_that_the_test_starts_is_reported() -> None:
    """`library_threads` reports a thread started by the test until it has ended."""
    end = threading.Event()
    thread = threading.Thread(target=end.wait, name="rxbosbase-mine")
    thread.start()
    assert library_threads() == ["rxbosbase-mine"]
    assert started_threads() == [thread]
    end.set()
    thread.join()
    assert library_threads() == []
