"""The publisher of one live view: snapshots, made from the edits of its engine, to its observers.

The manager's thread brings edits; observers are called on the client's delivery thread; any thread
may ask for the newest snapshot. Edits wait in between until a snapshot is made of them: a slow
observer gets fewer snapshots with more changes each, and never an outdated one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from functools import partial
from typing import Generic, TypeVar

from rxbosbase.encoding.unreadable import UnreadableRecord
from rxbosbase.errors import ClientClosedError, RequestTimeoutError
from rxbosbase.live.engine.engine import Engine, MakeSnapshot
from rxbosbase.live.engine.messages import Effects
from rxbosbase.live.engine.ordering import UnorderableError
from rxbosbase.live.engine.snapshot import Snapshot
from rxbosbase.realtime.delivery import dispatch, guarded
from rxbosbase.realtime.session.registry import Subscriber
from rxbosbase.runtime.scheduler import SerialScheduler

__all__ = ("Publisher",)

T = TypeVar("T")


class Publisher(Generic[T]):
    """The snapshots of a view, and their observers.

    Args:
        engine: its `collect` and `next_snapshot` are called here, under the lock.
        empty: the snapshot of version 0.
        delivery: where observers are called.
        on_failed: called once with what ended the making of snapshots, on any thread: an
            `UnorderableError`, or what a model raised.
        state: returns the state of the connection, for an error's text.
        on_unreadable: called on any thread when other records are left out than before.
    """

    def __init__(
        self,
        engine: Engine,
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
        self._engine = engine
        self._current = empty
        self._outbox: list[Snapshot[T]] = []
        self._flushing = False
        self._error: Exception | None = None
        self._ended = False
        self._completed = False
        self._unmade: MakeSnapshot | None = None
        self._is_building = False  # a thread makes a snapshot of `_unmade`
        self._builder = 0  # the thread that does, or did last
        self._needs_server_order = False  # until another engine replaces this one
        self._attached: dict[Subscriber, Callable[[], object]] = {}
        # The delivery thread's own:
        self._shown: Snapshot[T] | None = None
        self._observers: tuple[Subscriber, ...] = ()

    def __repr__(self) -> str:
        return f"<Publisher {self.summary}>"

    # -- for the view's users --------------------------------------------------------------------

    @property
    def summary(self) -> str:
        """The state and the newest snapshot, for a repr."""
        state = "running" if self._error is None and not self._ended else "ended"
        return f"{state}, {self._current!r}"

    @property
    def unreadable(self) -> Iterable[UnreadableRecord]:
        """The records that are left out now."""
        return () if self._ended else self._current.unreadable.values()

    @property
    def current(self) -> Snapshot[T]:
        """The newest snapshot; version 0 until the first read is complete.

        Raises:
            Exception: what ended the view.
        """
        with self._changed:
            make = self._begin_build()
        if make is not None:
            self._build(make)
            self._post_flush()
        with self._changed:
            if self._error is not None:
                raise self._error
            return self._current

    @property
    def made(self) -> Snapshot[T]:
        """The newest snapshot there is; none is made. From any thread."""
        return self._current

    def wait_fresh(self, timeout: float) -> Snapshot[T]:
        """Wait for a fresh snapshot.

        Raises:
            RequestTimeoutError: after `timeout` seconds.
            BosBaseError: what ended the view.
            RuntimeError: a model waits for the snapshot that it is called for.
        """
        deadline = self._delivery.time() + timeout
        while True:
            with self._changed:
                rest = deadline - self._delivery.time()
                ready = self._changed.wait_for(self._next_result, max(0.0, rest))
            if not ready:
                break
            if isinstance(ready[0], Snapshot):
                return ready[0]  # pyright: ignore[reportUnknownVariableType]
            self._build(ready[0])
            self._post_flush()
        state = self._state()
        raise RequestTimeoutError(
            f"the view was not fresh within {timeout:g} s; its connection is {state}"
        )

    def _next_result(self) -> tuple[MakeSnapshot | Snapshot[T]] | None:
        """Return, for a waiting thread, what makes the next snapshot, or the fresh snapshot; None
        while there is neither. In a tuple, since a snapshot may be falsy. Under the lock."""
        make = self._begin_build()
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
        """Add an observer; it gets the current snapshot at once if there is one.

        `leave` is called if the observer raises, to release the view: RxPY does not do that.
        """

        def start() -> None:
            if self._error is not None:
                guarded(partial(observer.on_error, self._error))
                return
            self._observers += (observer,)
            if self._shown is not None:
                dispatch((observer,), self._shown, self._remove_failed)

        with self._changed:
            self._attached[observer] = leave
        self._delivery.post(start)

    def detach(self, observer: Subscriber) -> None:
        """Remove an observer; it is not called from now on."""
        observer.silence()
        with self._changed:
            self._attached.pop(observer, None)

        def remove() -> None:
            self._observers = tuple(o for o in self._observers if o is not observer)

        self._delivery.post(remove)

    def _remove_failed(self, observer: Subscriber) -> None:
        with self._changed:
            leave = self._attached.get(observer)
        if leave is not None:
            leave()

    # -- for the view's driver ---------------------------------------------------------------------

    def show(self, effects: Effects) -> None:
        """Collect the effects, and have them delivered if they change what is shown."""
        with self._changed:
            if not self._engine.collect(effects):
                return
            self._changed.notify_all()
        self._post_flush()

    def use(self, make: Callable[[Snapshot[T]], Engine]) -> Engine:
        """Replace the engine by the one that `make` returns for the current snapshot."""
        with self._changed:
            self._engine = make(self._current)
            self._needs_server_order = False
            return self._engine

    def fail(self, error: Exception) -> None:
        """End all observers with an error."""
        with self._changed:
            self._error = error
            self._changed.notify_all()

        def notify() -> None:
            observers, self._observers = self._observers, ()
            for observer in observers:
                guarded(partial(observer.on_error, error))

        self._delivery.post(notify)

    def end(self) -> None:
        """Wake the threads that wait for a snapshot: there will be none."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def complete(self) -> None:
        """Complete the observers, on the calling thread."""
        self._observers = ()
        with self._changed:  # those too whose start is still queued
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
            make = self._begin_build()
        if make is not None:
            self._build(make)
        with self._changed:
            ready, self._outbox = self._outbox, []
        for snapshot in ready:
            self._shown = snapshot
            dispatch(self._observers, snapshot, self._remove_failed)

    # -- from edits to a snapshot, on the thread that needs it ------------------------------------

    def _begin_build(self) -> MakeSnapshot | None:
        """Return what makes a snapshot of the waiting edits, for `_build`. Under the lock."""
        if self._error is not None or self._needs_server_order or self._is_building:
            return None
        if self._unmade is None:
            self._unmade = self._engine.next_snapshot(self._current)
        self._is_building = self._unmade is not None
        self._builder = threading.get_ident()
        return self._unmade

    def _build(self, make: MakeSnapshot) -> None:
        """Make the snapshot of a `_begin_build`. Without the lock: a model is the user's code.

        After a Ctrl-C in the middle the next thread that needs a snapshot builds it.
        """
        try:
            with self._delivery.as_scheduled():
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
                self._needs_server_order = True
            elif error is not None:
                self._error = error
            if after is not None:
                self._current = after
                if after.version != before.version:
                    self._outbox.append(after)
            self._changed.notify_all()
        if after is not None and after.unreadable != before.unreadable:
            self._on_unreadable()
