"""The demo's audit: which writes count as what, and what makes the demo fail."""

from __future__ import annotations

from dataclasses import replace
from typing import Self

import pytest

from rxbosbase.cli.demo.delivery_audit import DeliveryAudit, ViewCheck, percentile
from rxbosbase.cli.sample_writes import WriteKey


class TimedAudit(DeliveryAudit):
    """An audit whose clock shows the time that `at` sets."""

    def __init__(self) -> None:
        super().__init__(clock=lambda: self._now)
        self._now = 0.0

    def at(self, now: float) -> Self:
        self._now = now
        return self


def key(name: str, action: str = "create") -> WriteKey:
    return WriteKey("messages", name, action, 1)


def write(audit: TimedAudit, name: str, began: float, confirmed: float, *, received: bool) -> None:
    audit.at(began).began(key(name))
    audit.at(confirmed).confirmed(key(name))
    if received:
        audit.at(confirmed).received(key(name))


@pytest.fixture
def audit() -> TimedAudit:
    """Active from 1 to 10.2, killed at 10, healthy at 12, active again from 13."""
    audit = TimedAudit()
    for state, at in [("connecting", 0.0), ("active", 1.0)]:
        audit.at(at).status(state)
    audit.at(10.0).killed()
    audit.at(10.2).status("waiting")
    audit.at(12.0).healthy()
    audit.at(12.5).status("connecting")
    audit.at(13.0).status("active")
    return audit


@pytest.mark.parametrize(
    ("began", "confirmed", "phase"),
    [
        (0.9, 1.1, "down"),  # sent before the stream was active
        (1.0, 1.1, "connected"),
        (9.0, 9.899, "connected"),
        (9.0, 9.901, "before_kill"),
        (9.99, 9.999, "before_kill"),
        (9.99, 12.6, "before_kill"),
        (12.2, 12.3, "down"),
        (12.9, 13.1, "down"),
        (13.0, 13.1, "connected"),
    ],
)
def test_a_write_belongs_to_the_phase_that_holds_all_of_it(
    audit: TimedAudit, began: float, confirmed: float, phase: str
) -> None:
    """A write counts as connected only if the stream was active from request to response."""
    write(audit, "a", began, confirmed, received=False)
    summary = audit.summary()
    counts = {name: getattr(summary, name).written for name in ("connected", "before_kill", "down")}
    assert counts == {"connected": 0, "before_kill": 0, "down": 0, phase: 1}
    assert summary.total.written == 1


def test_with_all_events_of_the_connected_phases_there_is_no_problem(audit: TimedAudit) -> None:
    """With all events of the connected phases received, the audit reports no problem."""
    write(audit, "a", 2.0, 2.1, received=True)
    write(audit, "b", 9.95, 9.96, received=False)
    write(audit, "c", 12.1, 12.2, received=False)
    assert audit.is_settled
    assert audit.summary().problems == []


def test_one_missing_event_of_the_connected_phases_fails_the_demo(audit: TimedAudit) -> None:
    """One missing event of a connected phase is a problem, and the audit is not settled."""
    write(audit, "a", 2.0, 2.1, received=True)
    write(audit, "b", 3.0, 3.1, received=False)
    assert not audit.is_settled
    assert audit.summary().problems == ["1 events of the connected phases did not arrive"]


def test_a_live_view_that_is_not_its_query_fails_the_demo(audit: TimedAudit) -> None:
    """A live view that differs from its query is a problem and appears in the JSON."""
    write(audit, "a", 2.0, 2.1, received=True)
    good = replace(audit.summary(), view=ViewCheck(3, True, 0.2))
    bad = replace(good, view=ViewCheck(3, False, 3.0))
    assert good.problems == []
    assert bad.problems == ["the live view is not what its query returns"]
    assert bad.as_json()["live_view"] == {"records": 3, "equals_query": False, "within_s": 3.0}


def test_a_demo_without_a_write_has_a_problem(audit: TimedAudit) -> None:
    """A demo without a write in the connected phase has a problem."""
    assert audit.summary().problems == ["nothing was written while connected"]


def test_a_stream_that_does_not_come_back_fails_the_demo() -> None:
    """A stream that is not active again after the server's restart is a problem."""
    audit = TimedAudit()
    audit.at(1.0).status("active")
    write(audit, "a", 2.0, 2.1, received=True)
    audit.at(10.0).killed()
    audit.at(10.1).status("waiting")
    audit.at(11.0).healthy()
    assert not audit.is_back
    assert audit.summary().problems == ["the stream did not come back after the server's restart"]


def test_a_stream_that_takes_too_long_to_come_back_fails_the_demo() -> None:
    """A stream that is active again after more than 2.5 s is a problem with both times."""
    audit = TimedAudit()
    audit.at(1.0).status("active")
    write(audit, "a", 2.0, 2.1, received=True)
    audit.at(10.0).killed()
    audit.at(10.1).status("waiting")
    audit.at(11.0).healthy()
    audit.at(13.6).status("active")
    (problem,) = audit.summary().problems
    assert problem == "the stream took 2.6 s to come back, more than 2.5 s"


def test_reconnecting_counts_from_the_servers_health(audit: TimedAudit) -> None:
    """The reconnect time starts when the server is healthy, not when it was killed."""
    summary = audit.summary()
    assert (summary.server_down, summary.reconnect) == (2.0, 1.0)


def test_a_stream_that_is_back_before_the_health_check_took_no_time() -> None:
    """The reconnect time is 0 when the stream is active before the health check succeeds."""
    audit = TimedAudit()
    audit.at(1.0).status("active")
    audit.at(10.0).killed()
    audit.at(10.1).status("waiting")
    audit.at(11.0).status("active")
    audit.at(11.2).healthy()
    assert audit.is_back
    assert audit.summary().reconnect == 0.0


def test_an_event_before_the_response_to_its_write_counts(audit: TimedAudit) -> None:
    """An event received before the response to its write counts and has a latency."""
    audit.at(2.0).began(key("a"))
    assert audit.at(2.25).received(key("a")) == 0.25
    audit.at(2.5).confirmed(key("a"))
    assert audit.summary().connected.received == 1


def test_a_write_that_was_cut_off_counts_as_unconfirmed_alone(audit: TimedAudit) -> None:
    """A write without a response counts as unconfirmed, and not as written."""
    audit.at(9.99).began(key("a"))
    audit.unconfirmed(key("a"))
    audit.at(12.1).began(key("a"))
    summary = audit.summary()
    assert (summary.unconfirmed, summary.total.written) == (1, 0)


def test_a_retried_write_belongs_to_its_last_attempt_and_gives_no_latency(
    audit: TimedAudit,
) -> None:
    """A retried write counts in the phase of its last attempt and has no latency."""
    audit.at(9.99).began(key("a"))
    audit.unconfirmed(key("a"))
    write(audit, "a", 13.1, 13.2, received=True)
    summary = audit.summary()
    assert (summary.connected.received, list(summary.latencies)) == (1, [])


def test_an_event_that_arrives_twice_is_counted_once_and_as_a_duplicate(audit: TimedAudit) -> None:
    """A repeated event counts once as received and once as a duplicate."""
    write(audit, "a", 2.0, 2.1, received=True)
    assert audit.at(2.2).received(key("a")) is None
    summary = audit.summary()
    assert (summary.duplicates, summary.total.received) == (1, 1)


def test_an_event_without_a_known_write_is_not_counted(audit: TimedAudit) -> None:
    """An event without a known write is not counted."""
    assert audit.at(2.0).received(key("unknown")) is None
    assert audit.summary().total.received == 0


def test_the_json_adds_up_and_has_times_in_the_units_of_their_names(audit: TimedAudit) -> None:
    """In the JSON the phases add up to the totals, and times have the units of their names."""
    write(audit, "a", 2.0, 2.004, received=True)
    write(audit, "b", 9.95, 9.96, received=True)
    write(audit, "c", 12.1, 12.2, received=False)
    summary = audit.summary().as_json()
    phases = [summary[name] for name in ("while_connected", "last_100ms_before_kill", "while_down")]
    assert summary["ok"] is True
    assert summary["written"] == sum(phase["written"] for phase in phases) == 3
    assert summary["received"] == sum(phase["received"] for phase in phases) == 2
    assert summary["while_down"]["missed"] == 1
    assert summary["written_by_action"] == {"create": 3}
    assert summary["write_to_event_ms"]["p50"] == 4.0
    assert (summary["server_down_s"], summary["reconnect_s"]) == (2.0, 1.0)


@pytest.mark.parametrize(("share", "value"), [(0.5, 2), (0.51, 3), (0.99, 4), (1.0, 4), (0.0, 1)])
def test_a_percentile_is_one_of_the_values(share: float, value: float) -> None:
    """`percentile` returns one of the values, without interpolation."""
    assert percentile([1, 2, 3, 4], share) == value


def test_nothing_has_no_percentile() -> None:
    """`percentile` of no values is None."""
    assert percentile([], 0.5) is None
