"""``rxbosbase serve``: the server that first steps are made with."""

from __future__ import annotations

from pathlib import Path
from queue import SimpleQueue
from typing import Any
from urllib.parse import urlsplit

from support.command import Command

from rxbosbase import BackoffPolicy, BosBase, ClientResponseError
from rxbosbase.live import Snapshot


def address_of(line: str) -> str:
    return line.partition(" at ")[2].partition(" ")[0]


def test_a_view_outlives_the_server_and_its_data_and_shows_the_new_ones() -> None:
    """As told in docs/first-steps.md: stop it with Ctrl-C, and start it again."""
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
            told = shown.get(timeout=15)
            assert not isinstance(told, ClientResponseError), "it met the server without its data"
            assert isinstance(told, Snapshot)
            if told.fresh and told.version > before.version:
                break
        assert [post["title"] for post in told.records] == [p["title"] for p in before.records]
        subscription.dispose()
        again.interrupt()


def test_a_taken_port_is_one_line() -> None:
    with Command("serve", "--port", "0") as first:
        port = str(urlsplit(address_of(first.line())).port)
        with Command("serve", "--port", port) as second:
            code, out, err = second.end()
        first.interrupt()
    assert (code, out) == (1, "")
    assert f"Port {port} is in use" in err and "Traceback" not in err


def test_data_that_stay_are_there_at_the_next_start(tmp_path: Path) -> None:
    for _ in range(2):
        with Command("serve", "--port", "0", "--data-dir", str(tmp_path / "data")) as serve:
            with BosBase(address_of(serve.line())) as client:
                assert client.collection("posts").get_list()["totalItems"] == 3
            serve.interrupt()
