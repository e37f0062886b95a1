"""Subscribes to one view after another; the old one stays until the new one has a snapshot."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from reactivex import Observable, abc
from reactivex.disposable import SingleAssignmentDisposable

from rxbosbase.live.engine.snapshot import Snapshot

__all__ = ("ViewSwitcher",)


class ViewSwitcher(abc.DisposableBase):
    """At most two subscriptions: the view that is shown, and the next one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._shown: abc.DisposableBase | None = None
        self._next: abc.DisposableBase | None = None
        self._disposed = False

    def follow(
        self,
        view: Observable[Snapshot[Any]],
        take: Callable[[Snapshot[Any], bool], None],
        end: Callable[[Exception], None],
    ) -> None:
        """Subscribe. `take` gets each snapshot and whether it is the first, `end` an error."""
        mine = SingleAssignmentDisposable()
        with self._lock:
            old, self._next = self._next, mine
            disposed = self._disposed
        if old is not None:
            old.dispose()
        if disposed:
            return

        def on_next(snapshot: Snapshot[Any]) -> None:
            known, first = self._adopt(mine)
            if known:
                take(snapshot, first)

        def on_error(error: Exception) -> None:
            if mine in (self._next, self._shown):
                end(error)

        mine.disposable = view.subscribe(on_next, on_error)

    def dispose(self) -> None:
        """End both subscriptions."""
        with self._lock:
            self._disposed = True
            ended = (self._shown, self._next)
            self._shown = self._next = None
        for subscription in ended:
            if subscription is not None:
                subscription.dispose()

    def _adopt(self, mine: abc.DisposableBase) -> tuple[bool, bool]:
        """Return whether the view is still subscribed to, and whether it is newly shown."""
        with self._lock:
            if self._shown is mine:
                return True, False
            if self._next is not mine:
                return False, False
            old, self._shown, self._next = self._shown, mine, None
        if old is not None:
            old.dispose()
        return True, True
