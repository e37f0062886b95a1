"""The doctor: each way in which a server can be ill is found at its step, with advice."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest
from support import wire_server as wire

from rxbosbase.doctor import Finding, examine
from rxbosbase.server import EmbeddedServer


@pytest.fixture
def server() -> Iterator[wire.WireServer]:
    with wire.WireServer() as running:
        yield running


def last(url: str, collection: str | None = None) -> Finding:
    """The finding the doctor ends with."""
    return list(examine(url, collection=collection, timeout=0.6))[-1]


def test_a_healthy_server_is_well_at_every_step(server: wire.WireServer) -> None:
    findings = list(examine(server.url, collection="posts", timeout=5))
    assert [finding.step for finding in findings] == [
        "name", "connection", "health", "stream", "topics", "collection posts", "figures",
    ]  # fmt: skip
    assert {finding.state for finding in findings} == {"ok"}


def test_a_name_without_address_is_told() -> None:
    finding = last("http://no-such-host.invalid")
    assert (finding.step, finding.state) == ("name", "failure")
    assert "Check the name" in finding.advice


def test_a_port_where_nobody_answers_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    finding = last(f"http://127.0.0.1:{port}")
    assert (finding.step, finding.state) == ("connection", "failure")
    assert "Start the server" in finding.advice


def test_a_stream_that_never_greets_is_told_as_a_proxys_doing(server: wire.WireServer) -> None:
    server.stream_answers += [wire.stream(greet=False)] * 3
    finding = last(server.url)
    assert (finding.step, finding.state) == ("stream", "failure")
    assert "buffering off" in finding.advice


def test_a_page_in_place_of_the_stream_is_told(server: wire.WireServer) -> None:
    page = wire.status(200, body=b"<html>", headers={"Content-Type": "text/html"})
    server.stream_answers += [page] * 3
    finding = last(server.url)
    assert (finding.step, finding.state) == ("stream", "failure")
    assert "text/html" in finding.detail


def test_topics_that_are_refused_are_told(server: wire.WireServer) -> None:
    server.on_post = lambda number: wire.status(404)
    finding = last(server.url)
    assert (finding.step, finding.state) == ("topics", "failure")
    assert "load balancers" in finding.advice


@pytest.mark.parametrize(("status", "advice"), [(403, "log in"), (404, "name"), (400, "query")])
def test_a_collection_that_cannot_be_heard_is_told(
    server: wire.WireServer, status: int, advice: str
) -> None:
    server.collections["posts"] = status
    finding = last(server.url, "posts")
    assert (finding.step, finding.state) == ("collection posts", "failure")
    assert advice in finding.advice


def test_the_command_prints_each_step_and_exits_by_what_it_found() -> None:
    with EmbeddedServer() as real:
        for collection, code in (("users", 0), ("nosuch", 1)):
            done = subprocess.run(
                [
                    *(sys.executable, "-m", "rxbosbase.cli", "doctor", real.url),
                    *("--collection", collection),
                ],
                capture_output=True, text=True, timeout=30, check=False,
            )  # fmt: skip
            assert done.returncode == code, done.stdout + done.stderr
            assert "ok       health: the server is healthy" in done.stdout
    assert "FAILURE  collection nosuch: 404" in done.stdout
    assert "Check the collection's name." in done.stdout
