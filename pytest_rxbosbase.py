"""The pytest plugin of rxbosbase: ``bosbase_server``, ``bosbase_client`` and ``virtual_time``.

It is beside the package, not inside it: pytest loads this file in every run, and a run that uses
none of the fixtures does not import the library, nor does a coverage report miss modules that were
imported before it began.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from rxbosbase import BosBase
    from rxbosbase.server import EmbeddedServer
    from rxbosbase.testing import FakeRealtime

__all__ = ("bosbase_client", "bosbase_server", "virtual_time")


@pytest.fixture(scope="session")
def bosbase_server() -> Iterator[EmbeddedServer]:
    """The real server, empty, started once for the whole run; needs ``rxbosbase[demo]``.

    Make collections through ``bosbase_client.collections``, under a name of the test's own.

    Raises:
        MissingExtraError: the server's binary is not installed.
        ConnectionFailedError, RequestTimeoutError: it did not start.

    Example::

        def test_the_server_can_be_reached(bosbase_server):
            with bosbase_server.client() as guest:
                assert guest.health()["code"] == 200
    """
    from rxbosbase.server import EmbeddedServer

    with EmbeddedServer() as server:
        yield server


@pytest.fixture
def bosbase_client(bosbase_server: EmbeddedServer) -> Iterator[BosBase]:
    """A client of `bosbase_server`, logged in as its superuser; closed after the test.

    Example::

        def test_a_task_is_stored(bosbase_client):
            fields = [{"name": "title", "type": "text"}]
            bosbase_client.collections.create({"name": "tasks", "type": "base", "fields": fields})
            tasks = bosbase_client.collection("tasks")
            tasks.create({"title": "Write a test"})
            assert tasks.get_first_list_item("title != ''")["title"] == "Write a test"
    """
    with bosbase_server.client(superuser=True) as client:
        yield client


@pytest.fixture
def virtual_time() -> Iterator[FakeRealtime]:
    """A `FakeRealtime`: a client without a server, whose time passes only by ``advance``.

    It is closed after the test.

    Example::

        def test_the_stream_outlives_its_connection(virtual_time):
            titles = []
            posts = virtual_time.client.collection("posts").observe("*")
            posts.subscribe(lambda event: titles.append(event.record["title"]))
            virtual_time.drop()
            virtual_time.advance(1)
            virtual_time.push("posts", "create", {"title": "Hi"})
            assert titles == ["Hi"]
    """
    from rxbosbase.testing import FakeRealtime

    with FakeRealtime() as fake:
        yield fake
