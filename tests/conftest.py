"""Checks that every test ends its threads and closes its sockets and files.

Warnings are errors (pyproject.toml), so an unclosed socket or file fails the test in which it is
collected. The fixtures here make that the test that left it open, and check the threads.
"""

from __future__ import annotations

import gc
import locale
import logging
import os
import signal
import time
from collections.abc import Iterator

import pytest
import responses
from hypothesis import settings

from rxbosbase.server import EmbeddedServer

# Before any of them is imported: failures of their asserts then show values as in tests.
pytest.register_assert_rewrite("support")

from support.threads import OURS, begin_test, started_threads  # noqa: E402

# On a busy machine an example may take any time, which is no failure.
settings.register_profile("rxbosbase", deadline=None)
settings.load_profile("rxbosbase")

# A program that a shell starts in the background ignores SIGINT, and so do its children.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A program may set the user's locale; then C functions format numbers by it.
if COMMA_LOCALE := os.environ.get("RXBOSBASE_LOCALE"):
    try:
        locale.setlocale(locale.LC_ALL, COMMA_LOCALE)
    except locale.Error:
        raise pytest.UsageError(f"RXBOSBASE_LOCALE={COMMA_LOCALE} is not known here") from None
    if locale.localeconv()["decimal_point"] != ",":
        raise pytest.UsageError(f"RXBOSBASE_LOCALE={COMMA_LOCALE} has no decimal comma: take de_DE")

IS_CHOSEN = {"RXBOSBASE_SERVER_VERSION", "RXBOSBASE_COMPAT_URL"} & os.environ.keys()
THREAD_GRACE = 1.0  # seconds a thread may take to end after the test


def pytest_collection_finish() -> None:
    """Exclude the objects of imports from garbage collection: they stay until the end."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope="module")
def frozen() -> None:
    """Exclude also what the tests of earlier files left: imports of commands, caches, reports.

    A collection after each test would scan it, which took a fifth of the time of all tests.
    """
    gc.collect()
    gc.freeze()


if IS_CHOSEN:  # … in the environment
    from support.tested_server import tested_server

    @pytest.fixture(scope="session")
    def bosbase_server() -> Iterator[EmbeddedServer]:
        """Replace the fixture of the plugin."""
        with tested_server() as server:
            yield server


@pytest.fixture(autouse=True)
def threads_before() -> None:
    """Remember the threads that run before the test, such as those of session-wide fixtures."""
    begin_test()


@pytest.fixture(autouse=True)
def leaves_no_thread(threads_before: None) -> Iterator[None]:
    """Fail a test that leaves a thread of the library running."""
    yield
    started = started_threads()
    deadline = time.monotonic() + THREAD_GRACE
    for thread in started:
        thread.join(max(0.0, deadline - time.monotonic()))
    left = sorted(thread.name for thread in started if thread.is_alive())
    if left:
        pytest.fail(f"left running {THREAD_GRACE:g} s after the test: {', '.join(left)}")


@pytest.fixture(autouse=True)
def leaves_no_log_level() -> Iterator[None]:
    """Fail a test that leaves a log level set: others would log more, or less, than they should."""
    yield
    left = {
        name: logger.level
        for name, logger in logging.root.manager.loggerDict.items()
        if name.startswith(OURS) and isinstance(logger, logging.Logger) and logger.level
    }
    if left:
        pytest.fail(f"log levels left set: {left}")


@pytest.fixture(autouse=True)
def leaves_no_socket(request: pytest.FixtureRequest) -> Iterator[None]:
    """Collect garbage at the end of tests with I/O, so that a leak fails the test that has it."""
    yield
    suite = request.path.relative_to(request.config.rootpath).parts[1:2]
    if suite not in (("unit",), ("project",)):
        gc.collect()


@pytest.fixture
def web() -> Iterator[responses.RequestsMock]:
    """Replace the network: it has the responses of the test, and each has to be requested."""
    with responses.RequestsMock() as mock:
        yield mock


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused question is asked again at once, and three refusals may be at any time."""
    monkeypatch.setattr("rxbosbase.access.refusals.REFUSAL_SECONDS", 0.0)
    for name in ("realtime.preflight", "live.driver", "auth.refresh", "_runtime"):
        monkeypatch.setattr(f"rxbosbase.{name}.REPEAT_SECONDS", 0.01)


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Local time is five and three quarter hours ahead of UTC."""
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "<+0545>-5:45")  # needs no table of zones
        time.tzset()
        yield
    time.tzset()
