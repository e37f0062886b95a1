"""What the users of one live view see: its snapshots, made from the edits of its brain.

The hub's thread brings edits; observers are called on the client's delivery thread; and anybody may
ask for the newest snapshot. Between them stand the edits that nobody has seen yet: a slow observer
gets fewer snapshots with more changes each, and never an old one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from functools import partial
from typing import Generic, TypeVar

from rxbosbase.encoding.unreadable import UnreadableRecord
from rxbosbase.errors import ClientClosedError, RequestTimeoutError
from rxbosbase.live.engine.engine import Engine, Make
from rxbosbase.live.engine.messages import Effects
from rxbosbase.live.engine.ordering import UnorderableError
from rxbosbase.live.engine.snapshot import Snapshot
from rxbosbase.realtime.delivery import dispatch, guarded
from rxbosbase.realtime.session.registry import Subscriber
from rxbosbase.runtime.scheduler import SerialScheduler

__all__ = ["Publisher"]

T = TypeVar("T")


class Publisher(Generic[T]):
    """The snapshots of a view, and those who look at them.

    Args:
        brain: its `show` and `snapshot` are called here, under the lock.
        empty: the snapshot of version 0.
        delivery: where observers are called.
        on_failed: called once with what ended the making of snapshots, on any thread: an
            `UnorderableError`, or what a model raised.
        state: of the connection, for an error's text.
        on_unreadable: called, on any thread, when other records are left out than before.
    """

    def __init__(
        self,
        brain: Engine,
        empty: Snapshot[T],
        delivery: SerialScheduler,
        on_failed: Callable[[Exception], object],
        state: Callable[[], object],
        on_unreadable: Callable[[], object],
    ) -> None:
        self._delivery = delivery
        self._on_failed = on_failed
        self._state = state
        self._on_unreadable = on_unreadable
        # What several threads touch, under this lock:
        self._changed = delivery.condition()
        self._brain = brain
        self._current = empty
        self._outbox: list[Snapshot[T]] = []
        self._flushing = False
        self._error: Exception | None = None
        self._ended = False
        self._completed = False
        self._unmade: Make | None = None
        self._is_building = False  # somebody makes a snapshot of `_unmade`
        self._builder = 0  # the thread that does, or did last
        self._is_stuck = False  # only the server can order the rows: another brain is on its way
        self._attached: dict[Subscriber, Callable[[], object]] = {}
        # The delivery thread's own:
        self._shown: Snapshot[T] | None = None
        self._observers: tuple[Subscriber, ...] = ()

    # -- for the view's users --------------------------------------------------------------------

    @property
    def unreadable(self) -> Iterable[UnreadableRecord]:
        """What is left out now."""
        return () if self._ended else self._current.unreadable.values()

    @property
    def current(self) -> Snapshot[T]:
        """The newest snapshot; version 0 until the first read is complete. Raises what ended the
        view."""
        with self._changed:
            make = self._take()
        if make is not None:
            self._build(make)
            self._post_flush()
        with self._changed:
            if self._error is not None:
                raise self._error
            return self._current

    def wait_fresh(self, timeout: float) -> Snapshot[T]:
        """Waits for a snapshot that may be trusted.

        Raises:
            RequestTimeoutError: after `timeout` seconds.
            BosBaseError: what ended the view.
            RuntimeError: a model waits for the snapshot that it is called for.
        """
        deadline = self._delivery.time() + timeout
        while True:
            with self._changed:
                rest = deadline - self._delivery.time()
                ready = self._changed.wait_for(self._awaited, max(0.0, rest))
            if not ready:
                break
            if isinstance(ready[0], Snapshot):
                return ready[0]
            self._build(ready[0])
            self._post_flush()
        state = self._state()
        raise RequestTimeoutError(
            f"the view was not fresh within {timeout:g} s; its connection is {state}"
        )

    def _awaited(self) -> tuple[Make | Snapshot[T]] | None:
        """For one who waits: what to make a snapshot of, or the fresh snapshot, in a tuple, since
        it may be empty; None while there is neither. Under the lock."""
        make = self._take()
        if make is not None:
            return (make,)
        if self._error is not None:
            raise self._error
        # Also of a view that has ended, until its completions are delivered.
        if self._current.fresh and not self._is_building and not self._completed:
            return (self._current,)
        if self._ended:
            raise ClientClosedError("the view has ended")
        if self._is_building and self._builder == threading.get_ident():
            raise RuntimeError(
                "wait_fresh() in a model of the same view would wait for itself: "
                "look at `current` instead, the snapshot before this one"
            )
        return None

    def attach(self, observer: Subscriber, leave: Callable[[], object]) -> None:
        """Adds an observer; it gets the current snapshot at once if there is one.

        `leave` gives back its hold on the view, should it raise: RxPY leaves that to us.
        """

        def welcome() -> None:
            if self._error is not None:
                guarded(partial(observer.on_error, self._error))
                return
            self._observers += (observer,)
            if self._shown is not None:
                dispatch((observer,), self._shown, self._expel)

        with self._changed:
            self._attached[observer] = leave
        self._delivery.post(welcome)

    def detach(self, observer: Subscriber) -> None:
        """Removes an observer; nothing reaches it from now on."""
        observer.silence()
        with self._changed:
            self._attached.pop(observer, None)

        def go() -> None:
            self._observers = tuple(o for o in self._observers if o is not observer)

        self._delivery.post(go)

    def _expel(self, observer: Subscriber) -> None:
        with self._changed:
            leave = self._attached.get(observer)
        if leave is not None:
            leave()

    # -- for the view's core ---------------------------------------------------------------------

    def show(self, effects: Effects) -> None:
        """Keeps what is to be shown, and sees to it that it is."""
        with self._changed:
            if not self._brain.show(effects):
                return
            self._changed.notify_all()
        self._post_flush()

    def use(self, make: Callable[[Snapshot[T]], Engine]) -> Engine:
        """Goes on with another brain, made of what is shown."""
        with self._changed:
            self._brain = make(self._current)
            self._is_stuck = False
            return self._brain

    def fail(self, error: Exception) -> None:
        """Ends all with an error."""
        with self._changed:
            self._error = error
            self._changed.notify_all()

        def tell() -> None:
            observers, self._observers = self._observers, ()
            for observer in observers:
                guarded(partial(observer.on_error, error))

        self._delivery.post(tell)

    def end(self) -> None:
        """Wakes who waits for a snapshot: there will be none."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def complete(self) -> None:
        """Completes the observers, on the calling thread."""
        self._observers = ()
        with self._changed:  # those too that were not welcomed any more
            self._completed = True
            observers, self._attached = list(self._attached), {}
        for observer in observers:
            guarded(observer.on_completed)

    # -- from edits to observers -----------------------------------------------------------------

    def _post_flush(self) -> None:
        with self._changed:
            if self._flushing:
                return
            self._flushing = True
        self._delivery.post(self._flush)

    def _flush(self) -> None:
        with self._changed:
            self._flushing = False
            make = self._take()
        if make is not None:
            self._build(make)
        with self._changed:
            ready, self._outbox = self._outbox, []
        for snapshot in ready:
            self._shown = snapshot
            dispatch(self._observers, snapshot, self._expel)

    # -- from edits to a snapshot, on the thread of whoever wants it -----------------------------

    def _take(self) -> Make | None:
        """The edits that are waiting, as a snapshot to `_build`. Under the lock."""
        if self._error is not None or self._is_stuck or self._is_building:
            return None
        if self._unmade is None:
            self._unmade = self._brain.snapshot(self._current)
        self._is_building = self._unmade is not None
        self._builder = threading.get_ident()
        return self._unmade

    def _build(self, make: Make) -> None:
        """Makes the snapshot that `_take` gave. Without the lock: a model is the user's code.

        A Ctrl-C in the middle leaves the edits for the next who asks.
        """
        try:
            with self._delivery.lent():
                after = make()
        except Exception as error:
            self._built(None, error)
            self._on_failed(error)
        except BaseException:
            with self._changed:
                self._is_building = False
                self._changed.notify_all()
            self._post_flush()
            raise
        else:
            self._built(after, None)

    def _built(self, after: Snapshot[T] | None, error: Exception | None) -> None:
        before = self._current
        with self._changed:
            self._is_building = False
            self._unmade = None
            if isinstance(error, UnorderableError):
                self._is_stuck = True
            elif error is not None:
                self._error = error
            if after is not None:
                self._current = after
                if after.version != before.version:
                    self._outbox.append(after)
            self._changed.notify_all()
        if after is not None and after.unreadable != before.unreadable:
            self._on_unreadable()
