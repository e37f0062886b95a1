"""``rxbosbase serve``: a server with sample data."""

from __future__ import annotations

from pathlib import Path
from queue import SimpleQueue
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from support.command import Command, run

from rxbosbase import BackoffPolicy, BosBase, ClientResponseError
from rxbosbase.live import Snapshot
from rxbosbase.server.sample import SAMPLE_PASSWORD, SAMPLE_USERS

ADA = SAMPLE_USERS[0]


def address_of(line: str) -> str:
    return line.partition(" at ")[2].partition(" ")[0]


def test_a_view_outlives_the_server_and_its_data_and_shows_the_new_ones() -> None:
    """A view outlives a restart of `serve` without an error and shows the new data."""
    with Command("serve", "--port", "0") as first:
        url = address_of(first.line())
        port = str(urlsplit(url).port)
        client = BosBase(url, backoff=BackoffPolicy(initial=0.01, maximum=0.02))
        shown: SimpleQueue[Snapshot[Any] | Exception] = SimpleQueue()
        view = client.collection("posts").live(sort="title")
        subscription = view.subscribe(shown.put, shown.put)
        before = view.wait_fresh()
        assert len(before.records) == 3
        first.interrupt()
    with client, Command("serve", "--port", port) as again:
        again.line()
        while True:
            snapshot = shown.get(timeout=15)
            assert not isinstance(snapshot, ClientResponseError), "the server had no data yet"
            assert isinstance(snapshot, Snapshot)
            if snapshot.fresh and snapshot.version > before.version:
                break
        assert [post["title"] for post in snapshot.records] == [p["title"] for p in before.records]
        subscription.dispose()
        again.interrupt()


def passwords_of(serve: Command) -> tuple[str, str]:
    """Return the passwords of the users and of the superuser, as `serve` prints them."""
    first, second = (serve.line().rpartition("; password ")[2] for _ in range(2))
    return first, second


def log_in(url: str, collection: str, email: str, password: str) -> BosBase:
    client = BosBase(url)
    client.collection(collection).auth_with_password(email, password)
    return client


def test_serve_prints_who_can_log_in_and_ends_with_ctrl_c() -> None:
    """`serve` prints working passwords, writes samples with `--rate`, and Ctrl-C exits with 0."""
    with Command("serve", "--port", "0", "--rate", "50") as serve:
        url = address_of(serve.line())
        users, root = passwords_of(serve)
        for user in SAMPLE_USERS:
            log_in(url, "users", user.email, users).close()
        log_in(url, "_superusers", "superuser@example.com", root).close()
        with BosBase(url) as guest, guest.collection("messages").events("*") as events:
            assert next(events).record["author"]  # the sample users write
        code, _, err = serve.interrupt()
        assert (code, err) == (0, "")
        with BosBase(url) as client, pytest.raises(ConnectionError):
            client.health()


def test_serve_has_new_passwords_at_each_start_and_none_that_is_published(tmp_path: Path) -> None:
    """Each start of `serve` sets new random passwords; old and published ones are refused."""
    found: list[str] = []
    for _ in range(2):
        with Command("serve", "--port", "0", "--data-dir", str(tmp_path / "data")) as serve:
            url = address_of(serve.line())
            for password in (SAMPLE_PASSWORD, *found):
                for collection in ("users", "_superusers"):
                    email = "superuser@example.com" if collection[0] == "_" else ADA.email
                    with pytest.raises(ClientResponseError, match="400: Failed to authenticate"):
                        log_in(url, collection, email, password)
            found += passwords_of(serve)
            log_in(url, "users", ADA.email, found[-2]).close()
            assert serve.interrupt()[::2] == (0, "")
    assert len(set(found)) == 4
    assert all(len(password) >= 16 for password in found)


def test_published_passwords_need_an_option_and_give_a_warning() -> None:
    """`--publish-passwords` sets the published user password and warns; the superuser's differs."""
    with Command("serve", "--port", "0", "--publish-passwords") as serve:
        url = address_of(serve.line())
        users, root = passwords_of(serve)
        assert users == SAMPLE_PASSWORD != root
        log_in(url, "users", ADA.email, SAMPLE_PASSWORD).close()
        assert "any program on this machine" in serve.error_line()
        serve.interrupt()


def test_serve_allows_the_given_origin_and_no_other() -> None:
    """`serve --origin` allows that origin by CORS and no other; a malformed one exits with 1."""
    mine = "http://localhost:5173"
    with Command("serve", "--port", "0", "--origin", mine) as serve:
        url = address_of(serve.line())
        for origin, allowed in ((mine, mine), ("http://evil.example", None)):
            response = requests.get(f"{url}/api/health", headers={"Origin": origin}, timeout=10)
            assert response.headers.get("Access-Control-Allow-Origin") == allowed
        serve.interrupt()
    refused = run("serve", "--port", "0", "--origin", "localhost")
    assert refused.returncode == 1
    assert "is no origin: give scheme, host and port" in refused.stderr


def test_a_taken_port_is_one_line() -> None:
    """`serve` on a port in use exits with 1 and an error of one line."""
    with Command("serve", "--port", "0") as first:
        port = str(urlsplit(address_of(first.line())).port)
        with Command("serve", "--port", port) as second:
            code, out, err = second.end()
        first.interrupt()
    assert (code, out) == (1, "")
    assert f"Port {port} is in use" in err and err.count("\n") == 1


def test_data_that_stay_are_there_at_the_next_start(tmp_path: Path) -> None:
    """A second `serve` with the same `--data-dir` has the three sample posts, not six."""
    for _ in range(2):
        with Command("serve", "--port", "0", "--data-dir", str(tmp_path / "data")) as serve:
            with BosBase(address_of(serve.line())) as client:
                assert client.collection("posts").get_list()["totalItems"] == 3
            serve.interrupt()
