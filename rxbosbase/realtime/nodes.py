"""The nodes of ``nodes=``: a transport and a control scheduler for each, and what they must not be.

A node's stream tells only of the writes made at that node, so that each change comes once. If two
entries were one server, each change would come twice; with a balancer in front of the others, twice
or not at all. So a new stream's client id is submitted to the other nodes before its own topics: a
server that accepts the id is the same one.

Source: PocketBase, ``apis/realtime.go``, ``realtimeSetSubscriptions`` (404 for an unknown client
id, 403 for one of another login, else 204).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from functools import partial
from weakref import WeakSet

from msgspec.structs import replace

from rxbosbase.errors import BosBaseError, ClientResponseError, RequestTimeoutError, SameNodeError
from rxbosbase.runtime.network import Transport
from rxbosbase.runtime.scheduler import SerialScheduler
from rxbosbase.runtime.threads import Runtime

from .connection import PATH, ConnectionSettings

__all__ = ("NodeSet",)

log = logging.getLogger("rxbosbase.realtime")

ASK_TIMEOUT = 2.0
"""Timeout in seconds of the question whether a node has a stream: each new stream waits for it …"""

SHORT_TIMEOUT = 0.2
"""… and of those after one that timed out, until the node answers or opens a stream."""

NO_STREAM = "0" * 40
"""A client id that no stream has."""

ROUNDS = 2
"""How often two nodes are asked about each other's streams at first: a balancer in front of several
nodes sends the first question to one of them, and the second to the next."""


class Node:
    """One entry: how it is reached, and its stream that was opened last.

    Args:
        address: the base URL.
        transport: sends requests to it.
        control: connects and submits, apart from the other nodes, which it must not delay.

    Attributes:
        client_id: of the stream that was opened last, "" before the first.
        others: nodes that have proven to be other servers.
        answers: False once a question took too long, until the node answers or opens a stream.
    """

    def __init__(self, address: str, transport: Transport, control: SerialScheduler) -> None:
        self.address = address
        self.transport = transport
        self.control = control
        self.client_id = ""
        self.others: WeakSet[Node] = WeakSet()
        self.answers = True

    def has_stream(self, client_id: str) -> bool | None:
        """Return True if the server accepts the client id, False if that is unknown there; None for
        any other answer, or none."""
        status = self._status_of(client_id)
        if status == 403:  # of the login that the stream has, or of whatever refuses guests
            return True if self._status_of(NO_STREAM) == 404 else None
        return {204: True, 404: False}.get(status)

    def _status_of(self, client_id: str) -> int:
        """Return the status of the server's own answer to a POST without topics; 0 for none."""
        timeout = ASK_TIMEOUT if self.answers else SHORT_TIMEOUT
        try:
            self.transport.request(
                "POST",
                PATH,
                body={"clientId": client_id, "subscriptions": []},
                token="",  # that of the login would become the identity of a stream that is known
                fresh=True,  # a balancer may choose for each connection
                timeout=min(timeout, self.transport.timeout),
                only=204,
            )
        except RequestTimeoutError:
            self.answers = False
            return 0
        except ClientResponseError as error:
            self.answers = True
            return error.status if error.original is None else 0  # not a proxy's page
        except BosBaseError as error:
            log.debug("node %s does not answer whether it has a stream: %s", self.address, error)
            return 0
        self.answers = True
        return 204

    def close(self) -> None:
        """End its requests and its timers."""
        self.transport.close()
        self.control.close()


class NodeSet:
    """The nodes of one client, which change by `set`. Thread-safe.

    Args:
        transport: of the client, for its headers and its token.
        runtime: makes the control schedulers.
        on_same: called with the error at each stream by which two entries prove to be one server,
            and with None once they are not any more.
        on_same_stream: called with the address before that: its streams have to be renewed, as the
            question about one of them may have removed its topics.
    """

    def __init__(
        self,
        transport: Transport,
        runtime: Runtime,
        on_same: Callable[[SameNodeError | None], object],
        on_same_stream: Callable[[str], object],
    ) -> None:
        self._transport = transport
        self._runtime = runtime
        self._on_same = on_same
        self._on_same_stream = on_same_stream
        self._lock = threading.RLock()  # a signal's handler may close while it is held
        self._nodes: dict[str, Node] = {}
        self._closed = False
        self._same: tuple[str, ...] = ()  # the addresses of one server, as reported

    def set(self, addresses: Sequence[str]) -> list[Node]:
        """Replace the nodes; return those that have left, to be closed once their streams are.

        Args:
            addresses: base URLs, each once.
        """
        added = {
            address: Node(
                address,
                self._transport.at(address),
                self._runtime.scheduler(f"rxbosbase-control {address}"),
            )
            for address in addresses
            if address not in self._nodes
        }
        with self._lock:
            before = self._nodes
            self._nodes = {address: before.get(address) or added[address] for address in addresses}
            if before.keys() != self._nodes.keys():
                self._same = ()
            if self._closed:
                return list(added.values())
        return [node for address, node in before.items() if address not in addresses]

    @property
    def addresses(self) -> frozenset[str]:
        """Those of the nodes."""
        return frozenset(self._nodes)

    def settings(self, own: ConnectionSettings) -> dict[str, ConnectionSettings]:
        """Return the settings for each node, by its address: those of the client's `own` server,
        with what belongs to the node in place of it."""
        return {
            address: replace(
                own,
                transport=node.transport,
                control=node.control,
                node=address,
                on_opened=partial(self._opened, node),
            )
            for address, node in self._nodes.items()
        }

    def close(self) -> None:
        """End all requests and timers."""
        with self._lock:
            self._closed = True
        for node in self._nodes.values():
            node.close()

    def _opened(self, node: Node, client_id: str) -> SameNodeError | None:
        """Compare a node that has opened a stream with the others; return why the stream must not
        get topics. Of two that open at the same time, the later one sees the other."""
        with self._lock:
            if not self._has(node):
                return None  # it has left
            node.client_id, node.answers = client_id, True
            others = [each for each in self._nodes.values() if each is not node and each.client_id]
        same = next((each for each in others if self._are_same(node, each)), None)
        if same is not None:
            with self._lock:
                node.client_id = same.client_id = ""  # both streams end
            self._on_same_stream(same.address)
            return self._report(node, same)
        if node.address in self._same:
            self._same = ()
            self._on_same(None)
        return None

    def _report(self, one: Node, other: Node) -> SameNodeError | None:
        """Report that two nodes are one server; return the error, None if one of them has left."""
        if not (self._has(one) and self._has(other)):
            return None
        problem = SameNodeError(one.address, other.address)
        self._same = problem.nodes
        self._on_same(problem)
        if self._has(one) and self._has(other):
            return problem
        self._same = ()  # one has left during the report; so nothing else would withdraw it
        self._on_same(None)
        return None

    def _has(self, node: Node) -> bool:
        return self._nodes.get(node.address) is node

    def _are_same(self, opened: Node, other: Node) -> bool:
        """Return True if one of two nodes has the other's stream. Only the stream that was
        `opened` just now is surely open: about that the other one is asked each time, since a
        balancer may have sent it to another server than the one before."""
        answer = other.has_stream(opened.client_id)
        if answer is not False or other in opened.others:
            return answer is True
        for _ in range(ROUNDS):
            if opened.has_stream(other.client_id) or other.has_stream(opened.client_id):
                return True
        with self._lock:
            opened.others.add(other)
            other.others.add(opened)
        return False
