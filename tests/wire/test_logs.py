"""What the library logs: one tree of loggers, a level for each kind of event."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import pytest
from support import wire_server as wire
from support.realtime_client import connect, wait_until

ALL = "rxbosbase"
SOURCES = Path(__file__).parents[2] / ALL


def lines(caplog: pytest.LogCaptureFixture, level: int) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == level]


def test_connects_losses_and_at_debug_submissions_are_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Connects are logged at INFO, losses at WARNING, POSTs of topics at DEBUG."""
    with (
        caplog.at_level(logging.DEBUG, ALL),
        wire.WireServer() as server,
        connect(server) as client,
    ):
        first = client.collection("posts").subscribe("*", print)
        with client.collection("posts").subscribe("a", print):
            server.stream.cut()
            server.wait_accepted(3)
        client.realtime.wait_active(5.0)
        opened = [
            f"connected as {stream.client_id} to {server.url}" for stream in server.all_streams
        ]
        assert [line for line in lines(caplog, logging.INFO) if "connected as" in line] == opened
        assert len(opened) == 2
        (loss,) = lines(caplog, logging.WARNING)
        assert loss.startswith("no connection, attempt 2 in ")
        first()
        end = "no topics left, the connection is closed"
        wait_until(client, lambda: lines(caplog, logging.INFO)[-1] == end)
    submits = [line for line in lines(caplog, logging.DEBUG) if line.startswith("submitting ")]
    assert len(submits) == len(server.posts)
    assert submits[0] == f"submitting 1 topics for {server.all_streams[0].client_id}"
    ours = {record.name for record in caplog.records if record.name.startswith(ALL)}
    assert {"rxbosbase.connection", "rxbosbase.realtime", "rxbosbase.submit"} <= ours


def test_regular_operation_logs_nothing_above_info(caplog: pytest.LogCaptureFixture) -> None:
    """Subscribing, `reconnect_now` and unsubscribing log nothing above INFO."""
    with (
        caplog.at_level(logging.DEBUG, ALL),
        wire.WireServer() as server,
        connect(server) as client,
    ):
        with client.collection("posts").subscribe("*", print):
            client.realtime.reconnect_now()
            server.wait_accepted(2)
            client.realtime.wait_active(5.0)
        server.wait_for(lambda: not server.streams)
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []


def test_every_logger_is_a_child_of_rxbosbase() -> None:
    """Every logger of the package is `rxbosbase` or a child of it."""
    for path in SOURCES.rglob("*.py"):
        for name in re.findall(r"getLogger\(([^)]*)\)", path.read_text(encoding="utf-8")):
            assert re.fullmatch(r'"rxbosbase(\.[a-z.]+)?"', name), (path, name)
