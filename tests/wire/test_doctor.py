"""The doctor: each problem of a server is found at its step, with advice."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time

import pytest
from support import wire_server as wire
from support.balancer import Balancer

from rxbosbase.cli import connection_checks
from rxbosbase.cli.connection_checks import CheckResult, run_checks
from rxbosbase.realtime.session import misrouting
from rxbosbase.server import EmbeddedServer


def last(url: str, collection: str | None = None) -> CheckResult:
    """Return the last result."""
    return list(run_checks(url, collection=collection, timeout=0.6))[-1]


def test_a_healthy_server_passes_every_step(server: wire.WireServer) -> None:
    """For a healthy server `run_checks` reports every step as ok, and the figures."""
    results = list(run_checks(server.url, collection="posts", timeout=5))
    assert [result.step for result in results] == [
        "name", "connection", "health", "stream", "topics", "collection posts", "figures",
    ]  # fmt: skip
    assert {result.state for result in results} == {"ok"}
    figures = results[-1].detail
    for figure in ("connections 1", "reconnects 0", "POSTs 2", "frames 1", "bytes ", "events 1"):
        assert figure in figures
    for figure in ("skipped 0", "waiting 0", "last frame 0."):
        assert figure in figures


def test_a_name_without_address_fails_its_step() -> None:
    """A host name without an address fails the step `name`, with advice."""
    result = last("http://no-such-host.invalid")
    assert (result.step, result.state) == ("name", "failure")
    assert "Check the name" in result.advice


def test_a_port_without_a_listener_fails_its_step() -> None:
    """A port without a listener fails the step `connection`, with advice."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    result = last(f"http://127.0.0.1:{port}")
    assert (result.step, result.state) == ("connection", "failure")
    assert "Start the server" in result.advice


@pytest.mark.parametrize(
    ("answer", "advice"),
    [
        (wire.reply_json({"hello": "world"}), "something else"),
        (wire.reply_json([]), "something else"),
        (wire.status(200, "<html>"), "something else"),
        (wire.status(404, "<html>"), "without a path"),
        (wire.status(301, headers={"Location": "https://x"}), "Use the address that it redirects"),
    ],
)
def test_another_kind_of_server_fails_its_step(
    server: wire.WireServer, answer: wire.Answer, advice: str
) -> None:
    """A response of another kind of server fails the step `health`, with advice."""
    server.on_request = lambda _: answer
    result = last(server.url)
    assert (result.step, result.state) == ("health", "failure")
    assert advice in result.advice


def test_a_certificate_and_a_port_without_tls_get_different_advice(
    bosbase_server: EmbeddedServer,
) -> None:
    """An untrusted certificate and a port without TLS get different advice."""
    with wire.WireServer(tls=True) as secure:
        assert "SSL_CERT_FILE" in last(secure.url).advice
    result = last(bosbase_server.url.replace("http:", "https:"))
    assert (result.step, result.state) == ("health", "failure")
    assert "does not speak TLS" in result.advice


def test_a_stream_without_pb_connect_fails_its_step(server: wire.WireServer) -> None:
    """A stream without PB_CONNECT fails `stream`; the advice is on proxy buffering."""
    server.stream_answers += [wire.stream(greet=False)] * 3
    result = last(server.url)
    assert (result.step, result.state) == ("stream", "failure")
    assert "buffering off" in result.advice


def test_a_page_in_place_of_the_stream_fails_its_step(server: wire.WireServer) -> None:
    """An HTML page in place of the stream fails `stream` and its type is reported."""
    page = wire.status(200, body=b"<html>", headers={"Content-Type": "text/html"})
    server.stream_answers += [page] * 3
    result = last(server.url)
    assert (result.step, result.state) == ("stream", "failure")
    assert "text/html" in result.detail
    assert "unchanged" in result.advice


def test_a_post_that_never_reaches_the_streams_server_fails_its_step(
    server: wire.WireServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A 404 to every POST of topics fails `topics`; cause and advice are on balancers."""
    monkeypatch.setattr(misrouting, "LONGEST_WAIT", 0.01)
    server.on_post = lambda number: wire.problem(404)
    result = last(server.url)
    assert (result.step, result.state) == ("topics", "failure")
    assert f"none of {1 + misrouting.MAX_ASKS} POSTs of the topics reached" in result.detail
    for word in ("ip_hash", "lb_policy", "balance source", "sticky cookie", "nodes="):
        assert word in result.advice


def test_a_server_that_refuses_its_topics_fails_the_step(server: wire.WireServer) -> None:
    """A 403 to the POST of topics fails `topics`, without a word on several servers."""
    server.on_post = lambda number: wire.problem(403)
    result = last(server.url)
    assert (result.step, result.state) == ("topics", "failure")
    assert "ip_hash" not in result.advice


def test_topics_taken_at_a_later_post_are_a_warning() -> None:
    """Behind a balancer without stickiness `topics` is a warning with the same advice."""
    with (
        wire.WireServer() as one,
        wire.WireServer() as other,
        Balancer([one.url, other.url], "request", "least") as front,
    ):
        results = {result.step: result for result in run_checks(front.url, timeout=5)}
    topics = results["topics"]
    assert topics.state == "warning"
    assert re.fullmatch(r"(\d+) of \d+ POSTs reached another server .*\(404\)", topics.detail)
    assert "ip_hash" in topics.advice
    assert results["figures"].state == "ok"


@pytest.mark.parametrize(("status", "advice"), [(403, "log in"), (404, "name"), (400, "again")])
def test_a_refused_collection_fails_its_step(
    server: wire.WireServer, status: int, advice: str
) -> None:
    """A collection refused with 400, 403 or 404 fails its step with fitting advice."""
    server.collections["posts"] = status
    result = last(server.url, "posts")
    assert (result.step, result.state) == ("collection posts", "failure")
    assert advice in result.advice


def test_a_late_pb_connect_is_a_warning(
    server: wire.WireServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A late PB_CONNECT is a warning at the step `stream`; later steps still run."""
    monkeypatch.setattr(connection_checks, "GREETING_SECONDS", 0.1)

    def greet_late(stream: wire.Stream) -> None:
        time.sleep(0.2)
        stream.send_frame("PB_CONNECT", {"clientId": stream.client_id})

    server.stream_answers.append(wire.stream(greet=False, then=greet_late))
    results = {result.step: result for result in run_checks(server.url, timeout=5)}
    assert results["stream"].state == "warning"
    assert "buffering" in results["stream"].advice
    assert results["figures"].state == "ok"


def test_the_command_escapes_control_characters(server: wire.WireServer) -> None:
    """`doctor` prints a failure once, exits with 1 and escapes control characters."""
    page = wire.status(200, "hi", {"Content-Type": "text/\x1b[31mred"})
    server.stream_answers += [page] * 3
    done = subprocess.run(
        [sys.executable, "-m", "rxbosbase.cli", "doctor", server.url],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.count("[31mred") == 1
    assert "\x1b" not in done.stdout


def test_the_command_prints_each_step_and_exits_by_the_result() -> None:
    """`doctor` prints each step and exits with 0 when all are ok, 1 on a failure."""
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
