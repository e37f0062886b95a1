"""The driver's timers: never early."""

from __future__ import annotations

from typing import Any

import pytest

from rxbosbase.realtime.session.commands import WakeAt
from rxbosbase.realtime.session.session import Session
from rxbosbase.testing import FakeRealtime

NOW, DUE = 1.44, 5.53  # as floats, 1.44 + (5.53 - 1.44) is less than 5.53


def test_a_tick_is_not_before_its_time_though_the_timer_was_rounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A tick never comes before its due time, though the timer's delay was rounded down."""
    ticks: list[float] = []
    tick = Session.tick

    def noted(session: Session, identity: Any, now: float) -> None:
        ticks.append(now)
        tick(session, identity, now)

    with FakeRealtime() as fake:
        fake.client.realtime.observe("a").subscribe(print)
        fake.advance(NOW)
        (driver,) = fake.client.service.drivers
        monkeypatch.setattr(Session, "tick", noted)
        driver.session.commands.append(WakeAt(DUE))
        with fake.client.service.monitor.changed:
            driver.topics_changed()
        fake.advance(DUE)
        assert NOW + (DUE - NOW) < DUE
        assert ticks[-1] == DUE
