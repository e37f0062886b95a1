"""One inspector for several tables: it shows the record picked in any of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from reactivex import abc
from reactivex.disposable import SerialDisposable

from rxbosbase.dashboard.picture import Picture
from rxbosbase.dashboard.pictures.inspect import InspectorPicture
from rxbosbase.dashboard.text import escaped
from rxbosbase.live.view import LiveView

__all__ = ("InspectorsPicture",)

View = LiveView[dict[str, Any]]


class InspectorsPicture(Picture):
    """The inspector of the table with the last picked row; it follows that table's view.

    Args:
        first: the table to start with.
    """

    def __init__(self, first: str) -> None:
        self._first = first
        self._views: dict[str, View] = {}
        self._name = ""
        self._inner: InspectorPicture | None = None
        self._current = SerialDisposable()
        self._changed: Callable[[], None] | None = None

    def start(self, changed: Callable[[], None]) -> abc.DisposableBase:
        self._changed = changed
        return self._current

    def set_view(self, name: str, view: View) -> None:
        """Set the view that the table `name` shows now. From any thread."""
        self._views[name] = view
        picked = self._inner.picked if self._inner is not None else None
        if self._name in ("", name) or (name == self._first and picked is None):
            self._follow(name, picked)

    def pick(self, name: str, id: str) -> None:
        """Show the picked row of the table `name`."""
        if name != self._name:
            self._follow(name, id)
        elif self._inner is not None:
            self._inner.pick(id)
            self._mark()

    def act(self, act: str, value: str, fields: Mapping[str, str]) -> None:
        if self._inner is not None:
            self._inner.act(act, value, fields)

    def html(self) -> str:
        if self._inner is None:
            return '<section class="card"><h2>Inspector</h2><p class="empty">Loading…</p></section>'
        return self._inner.html()

    def _follow(self, name: str, id: str | None) -> None:
        view = self._views.get(name)
        if view is None:
            return
        self._name = name
        inner = InspectorPicture(view, f"Inspector · {escaped(name)}")
        inner.pick(id)
        self._inner = inner
        self._current.disposable = inner.start(self._mark)
        self._mark()

    def _mark(self) -> None:
        if self._changed is not None:
            self._changed()
