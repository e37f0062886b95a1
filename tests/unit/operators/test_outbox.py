"""The outbox delivers one at a time, in the order of the puts."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from reactivex import Observer

from rxbosbase.operators._outbox import Outbox


def test_a_put_from_inside_on_next_comes_after_what_is_queued() -> None:
    """A put from inside `on_next` is delivered after what is queued, not within that call."""
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
    """Exceptions of a subscriber are raised after the other values and the end came through."""
    came: list[Any] = []

    def on_next(value: int) -> None:
        came.append(value)
        if value != 2:
            raise LookupError(value)

    outbox: Outbox[int] = Outbox(Observer(on_next, on_completed=lambda: came.append("end")))
    with outbox.lock:
        outbox.put(1, 2)
    with pytest.raises(LookupError, match=r"^1$"):
        outbox.drain()
    with outbox.lock:
        outbox.put(3, 4)
        outbox.put_end(None)
    with pytest.raises(ExceptionGroup, match="more than once"):
        outbox.drain()
    assert came == [1, 2, 3, 4, "end"]


def test_two_threads_that_drain_at_once_keep_the_order() -> None:
    """Two threads that drain at once deliver the values in order."""
    came: list[int] = []
    held_or_done, go = threading.Event(), threading.Event()

    def on_next(value: int) -> None:
        if threading.current_thread() is second:
            held_or_done.set()
            assert go.wait(5.0)
        came.append(value)

    def drain() -> None:
        outbox.drain()
        held_or_done.set()

    second = threading.Thread(target=drain)

    class Lock:
        """Lets the second thread in as soon as the first one has been in it."""

        def __init__(self, lock: threading.Lock) -> None:
            self.lock = lock

        def __enter__(self) -> None:
            self.lock.acquire()

        def __exit__(self, *_: object) -> None:
            self.lock.release()
            if second.ident is None:
                second.start()
                assert held_or_done.wait(5.0)

    outbox: Outbox[int] = Outbox(Observer(on_next))
    with outbox.lock:
        outbox.put(1, 2)
    outbox.lock = Lock(outbox.lock)  # type: ignore[assignment]
    outbox.drain()
    go.set()
    second.join(5.0)
    assert came == [1, 2]


def test_drain_works_after_an_interrupt() -> None:
    """After a `KeyboardInterrupt` in a subscriber the next drain delivers the rest."""
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
