"""The demo's books: which writes count as what, and what makes the demo fail."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rxbosbase.cli.demo.delivery_audit import DeliveryAudit, ViewCheck, percentile
from rxbosbase.cli.sample_writes import Key


def key(name: str, action: str = "create") -> Key:
    return Key("messages", name, action, 1)


def write(ledger: DeliveryAudit, name: str, began: float, answered: float, *, heard: bool) -> None:
    ledger.began(key(name), began)
    ledger.answered(key(name), answered)
    if heard:
        ledger.received(key(name), answered)


@pytest.fixture
def ledger() -> DeliveryAudit:
    """Active from 1 to 10.2, killed at 10, healthy at 12, active again from 13."""
    ledger = DeliveryAudit()
    for state, at in [("connecting", 0.0), ("active", 1.0)]:
        ledger.status(state, at)
    ledger.killed(10.0)
    ledger.status("waiting", 10.2)
    ledger.healthy(12.0)
    ledger.status("connecting", 12.5)
    ledger.status("active", 13.0)
    return ledger


@pytest.mark.parametrize(
    ("began", "answered", "phase"),
    [
        (0.9, 1.1, "down"),  # the request was on its way before the stream was active
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
    ledger: DeliveryAudit, began: float, answered: float, phase: str
) -> None:
    """A write counts as connected only if the stream was active from request to response."""
    write(ledger, "a", began, answered, heard=False)
    summary = ledger.summary()
    counts = {name: getattr(summary, name).written for name in ("connected", "before_kill", "down")}
    assert counts == {"connected": 0, "before_kill": 0, "down": 0, phase: 1}
    assert summary.total.written == 1


def test_all_is_well_when_everything_of_the_connected_phases_came(ledger: DeliveryAudit) -> None:
    """With all events of the connected phases received, the audit reports no problem."""
    write(ledger, "a", 2.0, 2.1, heard=True)
    write(ledger, "b", 9.95, 9.96, heard=False)
    write(ledger, "c", 12.1, 12.2, heard=False)
    assert ledger.is_settled
    assert ledger.summary().problems == []


def test_one_missing_event_of_the_connected_phases_fails_the_demo(ledger: DeliveryAudit) -> None:
    """One missing event of a connected phase is a problem, and the audit is not settled."""
    write(ledger, "a", 2.0, 2.1, heard=True)
    write(ledger, "b", 3.0, 3.1, heard=False)
    assert not ledger.is_settled
    assert ledger.summary().problems == ["1 events of the connected phases did not arrive"]


def test_a_live_view_that_is_not_its_query_fails_the_demo(ledger: DeliveryAudit) -> None:
    """A live view that differs from its query is a problem and appears in the JSON."""
    write(ledger, "a", 2.0, 2.1, heard=True)
    good = replace(ledger.summary(), view=ViewCheck(3, True, 0.2))
    bad = replace(good, view=ViewCheck(3, False, 3.0))
    assert good.problems == []
    assert bad.problems == ["the live view is not what its query returns"]
    assert bad.as_json()["live_view"] == {"records": 3, "equals_query": False, "within_s": 3.0}


def test_a_demo_in_which_nothing_was_written_has_proved_nothing(ledger: DeliveryAudit) -> None:
    """A demo without a write in the connected phase has a problem."""
    assert ledger.summary().problems == ["nothing was written while connected"]


def test_a_stream_that_does_not_come_back_fails_the_demo() -> None:
    """A stream that is not active again after the server's restart is a problem."""
    ledger = DeliveryAudit()
    ledger.status("active", 1.0)
    write(ledger, "a", 2.0, 2.1, heard=True)
    ledger.killed(10.0)
    ledger.status("waiting", 10.1)
    ledger.healthy(11.0)
    assert not ledger.is_back
    assert ledger.summary().problems == ["the stream did not come back after the server's restart"]


def test_a_stream_that_takes_too_long_to_come_back_fails_the_demo() -> None:
    """A stream that is active again after more than 2.5 s is a problem with both times."""
    ledger = DeliveryAudit()
    ledger.status("active", 1.0)
    write(ledger, "a", 2.0, 2.1, heard=True)
    ledger.killed(10.0)
    ledger.status("waiting", 10.1)
    ledger.healthy(11.0)
    ledger.status("active", 13.6)
    (problem,) = ledger.summary().problems
    assert problem == "the stream took 2.6 s to come back, more than 2.5 s"


def test_reconnecting_counts_from_the_servers_health(ledger: DeliveryAudit) -> None:
    """The reconnect time starts when the server is healthy, not when it was killed."""
    summary = ledger.summary()
    assert (summary.server_down, summary.reconnect) == (2.0, 1.0)


def test_a_stream_that_is_back_before_the_health_check_took_no_time() -> None:
    """The reconnect time is 0 when the stream is active before the health check succeeds."""
    ledger = DeliveryAudit()
    ledger.status("active", 1.0)
    ledger.killed(10.0)
    ledger.status("waiting", 10.1)
    ledger.status("active", 11.0)
    ledger.healthy(11.2)
    assert ledger.is_back
    assert ledger.summary().reconnect == 0.0


def test_an_event_that_overtakes_its_answer_counts_all_the_same(ledger: DeliveryAudit) -> None:
    """An event received before the response to its write counts and has a latency."""
    ledger.began(key("a"), 2.0)
    assert ledger.received(key("a"), 2.25) == 0.25
    ledger.answered(key("a"), 2.5)
    assert ledger.summary().connected.received == 1


def test_a_write_that_was_cut_off_counts_as_unconfirmed_alone(ledger: DeliveryAudit) -> None:
    """A write without a response counts as unconfirmed, and not as written."""
    ledger.began(key("a"), 9.99)
    ledger.unanswered(key("a"))
    ledger.began(key("a"), 12.1)
    summary = ledger.summary()
    assert (summary.unconfirmed, summary.total.written) == (1, 0)


def test_a_retried_write_belongs_to_its_last_attempt_and_gives_no_latency(
    ledger: DeliveryAudit,
) -> None:
    """A retried write counts in the phase of its last attempt and has no latency."""
    ledger.began(key("a"), 9.99)
    ledger.unanswered(key("a"))
    write(ledger, "a", 13.1, 13.2, heard=True)
    summary = ledger.summary()
    assert (summary.connected.received, list(summary.latencies)) == (1, [])


def test_an_event_that_comes_twice_is_counted_once_and_told(ledger: DeliveryAudit) -> None:
    """A repeated event counts once as received and once as a duplicate."""
    write(ledger, "a", 2.0, 2.1, heard=True)
    assert ledger.received(key("a"), 2.2) is None
    summary = ledger.summary()
    assert (summary.duplicates, summary.total.received) == (1, 1)


def test_an_event_of_somebody_else_is_not_in_the_books(ledger: DeliveryAudit) -> None:
    """An event without a known write is not counted."""
    assert ledger.received(key("stranger"), 2.0) is None
    assert ledger.summary().total.received == 0


def test_the_json_adds_up_and_has_times_in_the_units_of_their_names(ledger: DeliveryAudit) -> None:
    """In the JSON the phases add up to the totals, and times have the units of their names."""
    write(ledger, "a", 2.0, 2.004, heard=True)
    write(ledger, "b", 9.95, 9.96, heard=True)
    write(ledger, "c", 12.1, 12.2, heard=False)
    told = ledger.summary().as_json()
    phases = [told[name] for name in ("while_connected", "last_100ms_before_kill", "while_down")]
    assert told["ok"] is True
    assert told["written"] == sum(phase["written"] for phase in phases) == 3
    assert told["received"] == sum(phase["received"] for phase in phases) == 2
    assert told["while_down"]["missed"] == 1
    assert told["written_by_action"] == {"create": 3}
    assert told["write_to_event_ms"]["p50"] == 4.0
    assert (told["server_down_s"], told["reconnect_s"]) == (2.0, 1.0)


@pytest.mark.parametrize(("share", "value"), [(0.5, 2), (0.51, 3), (0.99, 4), (1.0, 4), (0.0, 1)])
def test_a_percentile_is_one_of_the_values(share: float, value: float) -> None:
    """`percentile` returns one of the values, without interpolation."""
    assert percentile([1, 2, 3, 4], share) == value


def test_nothing_has_no_percentile() -> None:
    """`percentile` of no values is None."""
    assert percentile([], 0.5) is None
