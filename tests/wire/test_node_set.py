"""The list of nodes, while it changes in the middle of something else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.seen import run_thread
from support.wire_client import RawClient
from support.wire_server import WireServer

from rxbosbase import BackoffPolicy, SameNodeError
from rxbosbase.http.transport import HTTPTransport
from rxbosbase.realtime.connection import ConnectionSettings
from rxbosbase.realtime.nodes import NodeSet
from rxbosbase.runtime.threads import Threads


class TwoAddresses:
    """The nodes of a client: two addresses of one server.

    Attributes:
        leaves_at: the callback during which the second one leaves; "" for none.
        reports: what was reported of the two.
    """

    def __init__(self, server: WireServer) -> None:
        self.leaves_at = ""
        self.reports: list[SameNodeError | None] = []
        self.addresses = (server.url, server.url.replace("127.0.0.1", "localhost"))
        transport = HTTPTransport(server.url, timeout=5.0, headers=None, token=str)
        control = Threads().scheduler("control")
        self.own = ConnectionSettings(
            transport=transport, control=control, delivery=control, policy=BackoffPolicy(),
            idle_timeout=330.0, max_event_bytes=1000, identity=str, on_guest=lambda: None,
            quiet=0.0,
        )  # fmt: skip
        self.nodes = NodeSet(transport, Threads(), self._on_same, self._on_same_stream)
        self.nodes.set(self.addresses)

    def opened(self, number: int, client_id: str) -> Exception | None:
        """Tell of a new stream to one of the addresses; return why it must not get topics."""
        return self.nodes.settings(self.own)[self.addresses[number]].on_opened(client_id)

    def close(self) -> None:
        """End all timers and requests."""
        self.nodes.close()
        self.own.transport.close()
        self.own.control.close()

    def _on_same(self, problem: SameNodeError | None) -> None:
        self.reports.append(problem)
        self._leave("report")

    def _on_same_stream(self, _: str) -> None:
        self._leave("renewal")

    def _leave(self, callback: str) -> None:
        if callback == self.leaves_at:
            for node in self.nodes.set(self.addresses[:1]):
                node.close()


@pytest.fixture
def server() -> Iterator[WireServer]:
    """The one server."""
    with WireServer() as started:
        yield started


@pytest.fixture
def two(server: WireServer) -> Iterator[TwoAddresses]:
    """Its addresses."""
    made = TwoAddresses(server)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("leaves_at", "reports"),
    [("", ["SameNodeError"]), ("renewal", []), ("report", ["SameNodeError", "NoneType"])],
)
def test_no_report_of_a_node_that_has_left_stays(
    server: WireServer, two: TwoAddresses, leaves_at: str, reports: list[str]
) -> None:
    """If an address leaves while the two are found to be one server, no error is left over."""
    two.leaves_at = leaves_at
    with RawClient(server) as first, RawClient(server) as second:
        assert two.opened(0, first.open_stream()) is None
        problem = two.opened(1, second.open_stream())
    assert [type(each).__name__ for each in two.reports] == reports
    assert (problem is None) == (leaves_at != "")


class Closing(tuple[str, ...]):
    """Addresses that close the nodes at their second reading: as the handler of a signal may."""

    nodes: NodeSet
    readings = 0

    def __iter__(self) -> Iterator[str]:
        self.readings += 1
        if self.readings == 2:
            self.nodes.close()
        return super().__iter__()


def test_a_handler_may_close_the_nodes_while_they_are_replaced(two: TwoAddresses) -> None:
    """The close does not wait for its own thread, and all new nodes are returned, to be closed."""
    addresses = Closing(["http://127.0.0.1:9"])
    addresses.nodes = two.nodes
    replaced = run_thread(lambda: two.nodes.set(addresses))
    (node,) = replaced()
    assert node.address == "http://127.0.0.1:9"
    node.close()
