"""``rxbosbase dashboard`` as a command. It needs Panel, and no browser."""

from __future__ import annotations

import http.client
import signal
import socket
from urllib.parse import urlsplit

import pytest
from support import wire_server as wire
from support.command import Command, run
from support.raw_browser import Socket, netloc, page_token, send_request


@pytest.fixture(autouse=True)
def panel() -> None:
    pytest.importorskip("panel", reason="needs pip install 'rxbosbase[dashboard]'")


def address_of(line: str) -> str:
    return line.partition(" is at ")[2].partition(" ")[0]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_demo_serves_a_page_until_it_is_stopped(number: signal.Signals) -> None:
    """`dashboard --demo` serves a page on 127.0.0.1 until it is interrupted or terminated."""
    with Command("dashboard", "--demo", "--port", "0") as command:
        url = urlsplit(address_of(command.line()))
        assert url.hostname == "127.0.0.1"
        connection = http.client.HTTPConnection(url.netloc, timeout=10)
        connection.request("GET", "/")
        response = connection.getresponse()
        page = response.read().decode()
        connection.close()
        assert response.status == 200
        assert "rxbosbase dashboard" in page
        command.process.send_signal(number)
        code, _, errors = command.end()
    assert (code, "Traceback" in errors) == (0, False)


@pytest.mark.parametrize("address", ["127.0.0.1", "localhost", "::1"])
def test_on_loopback_it_listens_without_a_warning(address: str) -> None:
    """On a loopback address the dashboard listens without a warning, and its page opens."""
    with Command(
        "dashboard", "http://127.0.0.1:1", "posts", "--port", "0", "--address", address
    ) as command:
        url = address_of(command.line())
        assert url.startswith("http://[::1]:" if ":" in address else f"http://{address}:")
        response = send_request(url)
        assert response.status == 200
        with Socket(url, page_token(url)) as own:
            assert own.status == 101
            assert b"ACK" in own.first()
        code, _, errors = command.interrupt()
    assert (code, errors.count("listening on")) == (0, 0)


def test_a_host_name_to_listen_at_is_allowed() -> None:
    """A host name given by `--address` is accepted as the host of requests."""
    name = socket.gethostname()
    try:
        socket.getaddrinfo(name, 0)
    except OSError:
        pytest.skip("this machine's own name has no address")
    with Command(
        "dashboard", "http://127.0.0.1:1", "posts", "--port", "0", "--address", name
    ) as command:
        url = address_of(command.line())
        assert url.startswith(f"http://{name}:")
        assert send_request(url).status == 200
        command.interrupt()


ODD_PATHS = [
    "/static/..%2f..%2f%1b%5d52;c;aGFja2Vk%07%0a12:00%20forged", "/static/%00", "/static/%9b31m",
    "/static//x", "/static/../x", "/static/%E2%80%AE", "/favicon.icox", "/%1b[31m",
]  # fmt: skip


def test_no_request_writes_to_the_terminal() -> None:
    """Requests for odd paths get a 404 and write nothing to the terminal."""
    with Command("dashboard", "http://127.0.0.1:1", "posts", "--port", "0") as command:
        url = address_of(command.line())
        for path in ODD_PATHS:
            assert send_request(url, path, [("Sec-Fetch-Site", "same-origin")]).status == 404
        code, _, errors = command.interrupt()
    assert (code, errors) == (0, "")


@pytest.mark.parametrize("address", ["0.0.0.0", "::"])
def test_other_addresses_are_warned_of(address: str) -> None:
    """On another address the command warns of what guests see and checks the host name."""
    with Command(
        "dashboard", "http://127.0.0.1:1", "posts", "--port", "0", "--address", address
    ) as command:
        url = address_of(command.line())
        assert command.error_line().endswith(
            f"listening on {address}: whoever reaches it sees what a guest may see"
        )
        assert send_request(url).status == 200
        port = netloc(url).rpartition(":")[2]
        assert send_request(url, "/", [("Host", f"192.0.2.7:{port}")]).status == 200
        assert send_request(url, "/", [("Host", f"evil.example:{port}")]).status == 403
        command.interrupt()


SHARED_ADDRESSES = [("--address", "0.0.0.0"), ("--allow-host", "dash.example")]


@pytest.mark.parametrize("where", SHARED_ADDRESSES)
def test_a_login_is_shared_only_with_the_option_for_it(where: tuple[str, str]) -> None:
    """A login that others would share is refused without `--share-login`."""
    done = run(
        "dashboard", "http://127.0.0.1:1", "posts", *where, "--identity", "root@example.com",
        "--auth-collection", "_superusers", env={"RXBOSBASE_PASSWORD": "secret"},
    )  # fmt: skip
    message = " ".join(done.stderr.replace("│", "").split())
    assert done.returncode == 2
    assert "would see what root@example.com of _superusers may see" in message
    assert "--share-login" in message


@pytest.mark.parametrize("where", SHARED_ADDRESSES)
def test_the_warning_names_a_shared_login(where: tuple[str, str]) -> None:
    """With `--share-login` the warning names the login whose rights are shared."""
    with wire.WireServer() as server, Command(
        "dashboard", server.url, "posts", "--port", "0", *where, "--share-login",
        "--identity", "ann@example.com", env={"RXBOSBASE_PASSWORD": "secret"},
    ) as command:  # fmt: skip
        url = address_of(command.line())
        assert "sees what ann@example.com of users may see" in command.error_line()
        assert send_request(url).status == 200
        command.interrupt()


def test_a_port_in_use_is_reported_without_a_traceback() -> None:
    """A port in use is reported with advice and without a traceback."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("dashboard", "http://127.0.0.1:1", "posts", "--port", str(port))
    assert done.returncode == 1
    assert "choose another with --port" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name the collections"),
        (["http://127.0.0.1:1", "--demo"], "give no URL"),
        (["posts", "--expand", "author"], "COLLECTION=RELATIONS"),
        (["posts", "--identity", "ada@example.com"], "RXBOSBASE_PASSWORD"),
        (["posts", "--allow-host", "http://dash.example"], "is no host name"),
    ],
)
def test_a_wrong_command_line_says_what_to_do(arguments: list[str], message: str) -> None:
    """A wrong command line exits with 2 and a message that names the remedy."""
    done = run("dashboard", *arguments)
    assert done.returncode == 2
    assert message in " ".join(done.stderr.split())
