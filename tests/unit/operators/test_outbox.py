"""The outbox delivers one at a time, in the order of the puts."""

from __future__ import annotations

from typing import Any

import pytest
from reactivex import Observer

from rxbosbase.operators._outbox import Outbox


def test_a_put_from_inside_on_next_comes_after_what_is_queued() -> None:
    """No value overtakes another, and none is delivered inside the delivery of another."""
    came: list[Any] = []

    def on_next(value: int) -> None:
        came.append(("begin", value))
        if value == 1:
            with outbox.lock:
                outbox.put(3)
            outbox.drain()
        came.append(("end", value))

    outbox: Outbox[int] = Outbox(Observer(on_next))
    with outbox.lock:
        outbox.put(1, 2)
    outbox.drain()
    assert came == [(what, n) for n in (1, 2, 3) for what in ("begin", "end")]


def test_the_rest_is_delivered_before_what_was_raised_is_raised() -> None:
    """One bad value does not hold back the next, nor the completion; no error is swallowed."""
    came: list[Any] = []

    def on_next(value: int) -> None:
        came.append(value)
        if value != 2:
            raise LookupError(value)

    outbox: Outbox[int] = Outbox(Observer(on_next, on_completed=lambda: came.append("end")))
    with outbox.lock:
        outbox.put(1, 2)
    with pytest.raises(LookupError):
        outbox.drain()
    with outbox.lock:
        outbox.put(3, 4)
        outbox.put_end(None)
    with pytest.raises(ExceptionGroup, match="more than once"):
        outbox.drain()
    assert came == [1, 2, 3, 4, "end"]


def test_an_interrupt_does_not_jam_it() -> None:
    """After a KeyboardInterrupt in a subscriber the next drain works."""
    came: list[int] = []

    def on_next(value: int) -> None:
        if value == 1:
            raise KeyboardInterrupt
        came.append(value)

    outbox: Outbox[int] = Outbox(Observer(on_next))
    with outbox.lock:
        outbox.put(1, 2)
    with pytest.raises(KeyboardInterrupt):
        outbox.drain()
    outbox.drain()
    assert came == [2]
