"""The messages about the connection: one for each loss and one for each reconnect."""

from __future__ import annotations

from rxbosbase import ConnectionFailedError, Status
from rxbosbase.cli.status_messages import ConnectionMessages, next_messages


def lines_of(*statuses: Status) -> list[str]:
    messages, lines = ConnectionMessages(), []
    for status in statuses:
        messages = next_messages(messages, status)
        lines += [messages.line] if messages.line else []
    return lines


def waiting(attempt: int, since: float) -> Status:
    error = ConnectionFailedError("refused")
    return Status("waiting", attempt=attempt, retry_in=1.0, error=error, since=since)


def test_an_outage_gives_two_messages_however_many_attempts_it_takes() -> None:
    """An outage gives one message at its start and one at its end, whatever the attempts."""
    lines = lines_of(
        Status("idle"), Status("connecting"), Status("connected"), Status("active", since=1.0),
        waiting(1, 10.0), Status("connecting"), waiting(2, 11.0), Status("connecting"),
        Status("connected"), Status("active", since=12.5), Status("active", since=12.5),
    )  # fmt: skip
    assert lines == [
        "listening",
        "connection lost, reconnecting: refused",
        "connected again after 2.5 s; what happened in between was not sent",
    ]


def test_a_server_that_is_not_there_yet_gives_one_message() -> None:
    """A server that is not reachable at the start gives one message until it is."""
    lines = lines_of(waiting(1, 1.0), waiting(2, 2.0), Status("active", since=3.0))
    assert lines == ["no connection, still trying: refused", "listening"]


def test_regular_closes_give_no_message() -> None:
    """A regular close of the stream by the server gives no message."""
    assert lines_of(Status("active"), Status("connecting"), Status("active")) == ["listening"]


def test_the_failed_status_gives_a_message() -> None:
    """The status `failed` gives a message with the number of attempts and the error."""
    error = ConnectionFailedError("refused")
    assert lines_of(Status("failed", attempt=3, error=error)) == [
        "gave up after 3 attempts: refused"
    ]
