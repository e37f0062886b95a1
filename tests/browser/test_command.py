"""``rxbosbase dashboard`` as a command: no browser needed, but Panel."""

from __future__ import annotations

import base64
import http.client
import signal
import socket
from urllib.parse import urlsplit

import pytest
from support.command import Command, run


@pytest.fixture(autouse=True)
def panel() -> None:
    pytest.importorskip("panel", reason="needs pip install 'rxbosbase[dashboard]'")


def address_of(line: str) -> str:
    return line.partition(" is at ")[2].partition(" ")[0]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_demo_serves_a_page_until_it_is_stopped(number: signal.Signals) -> None:
    with Command("dashboard", "--demo", "--port", "0") as command:
        url = urlsplit(address_of(command.line()))
        assert url.hostname == "127.0.0.1"
        connection = http.client.HTTPConnection(url.netloc, timeout=10)
        connection.request("GET", "/")
        answer = connection.getresponse()
        page = answer.read().decode()
        connection.close()
        assert answer.status == 200
        assert "rxbosbase dashboard" in page
        command.process.send_signal(number)
        code, _, errors = command.end()
    assert (code, "Traceback" in errors) == (0, False)


@pytest.mark.parametrize(("origin", "status"), [("http://evil.example", 403), (None, 101)])
def test_no_other_web_site_may_open_a_connection(origin: str | None, status: int) -> None:
    with Command("dashboard", "http://127.0.0.1:1", "posts", "--port", "0") as command:
        url = urlsplit(address_of(command.line()))
        connection = http.client.HTTPConnection(url.netloc, timeout=10)
        headers = {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Origin": origin or f"http://{url.netloc}",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": base64.b64encode(b"0123456789abcdef").decode(),
        }
        connection.request("GET", "/ws", headers=headers)
        answer = connection.getresponse()
        assert answer.status == status
        connection.close()
        command.interrupt()


def test_a_port_that_is_taken_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("dashboard", "http://127.0.0.1:1", "posts", "--port", str(port))
    assert done.returncode == 1
    assert "choose another with --port" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "name the collections"),
        (["http://127.0.0.1:1", "--demo"], "give no URL"),
        (["posts", "--expand", "author"], "COLLECTION=RELATIONS"),
        (["posts", "--identity", "ada@example.com"], "RXBOSBASE_PASSWORD"),
    ],
)
def test_a_wrong_command_line_says_what_to_do(arguments: list[str], told: str) -> None:
    done = run("dashboard", *arguments)
    assert done.returncode == 2
    assert told in " ".join(done.stderr.split())
