"""The limit of login attempts, in virtual time."""

from __future__ import annotations

from rxbosbase.dashboard.web import attempts
from rxbosbase.dashboard.web.attempts import BURST, MAX_ADDRESSES, SECONDS_EACH, Attempts


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def allowed_at_once(found: Attempts, address: str) -> int:
    """Return how many attempts are allowed at once."""
    count = 0
    while not found.take(address):
        count += 1
    return count


def test_a_burst_of_attempts_is_allowed_and_then_one_at_a_time() -> None:
    """An address has `BURST` login attempts at once, then one per `SECONDS_EACH`."""
    clock = Clock()
    found = Attempts(clock)
    assert allowed_at_once(found, "192.0.2.1") == BURST
    assert found.take("192.0.2.1") == SECONDS_EACH
    clock.now += SECONDS_EACH - 1
    assert found.take("192.0.2.1") == 1
    clock.now += 1
    assert allowed_at_once(found, "192.0.2.1") == 1
    clock.now += BURST * SECONDS_EACH
    assert allowed_at_once(found, "192.0.2.1") == BURST


def test_a_refused_attempt_does_not_count() -> None:
    """A refused attempt does not delay the next allowed one."""
    clock = Clock()
    found = Attempts(clock)
    for _ in range(100):
        found.take("192.0.2.1")
    clock.now += SECONDS_EACH
    assert found.take("192.0.2.1") == 0


def test_each_ipv4_address_and_ipv6_network_has_its_own_count() -> None:
    """Each IPv4 address and each IPv6 /64 network has a count of its own."""
    found = Attempts(Clock())
    assert allowed_at_once(found, "192.0.2.1") == allowed_at_once(found, "192.0.2.2") == BURST
    assert allowed_at_once(found, "2001:db8::1") == BURST
    assert found.take("2001:db8::ffff:2") == SECONDS_EACH
    assert found.take("2001:db8:0:1::1") == 0
    assert found.take("") == found.take("no address") == 0


def test_the_number_of_addresses_is_bounded_and_later_ones_share_a_count() -> None:
    """Above `MAX_ADDRESSES` new addresses share one count; old entries are removed."""
    clock = Clock()
    found = Attempts(clock)
    for n in range(MAX_ADDRESSES):
        found.take(f"10.0.{n // 250}.{n % 250}")
    assert sum(not found.take(f"10.1.{n // 250}.{n % 250}") for n in range(1000)) == BURST
    assert len(found._spent) == MAX_ADDRESSES + 1
    assert found.take("10.0.0.1") == 0  # an earlier address keeps its count
    clock.now += SECONDS_EACH * BURST
    assert allowed_at_once(found, "10.2.0.1") == BURST  # and old entries are removed
    assert len(found._spent) < 10
    assert attempts.OTHER_ADDRESSES not in found._spent
