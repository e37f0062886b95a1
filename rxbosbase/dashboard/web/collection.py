"""A collection's table with a form for the filter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from reactivex import abc

from rxbosbase.client import BosBase
from rxbosbase.dashboard.pictures.table import TablePicture
from rxbosbase.dashboard.text import error_text, escaped
from rxbosbase.errors import BosBaseError, ClientResponseError
from rxbosbase.live.engine.snapshot import Snapshot
from rxbosbase.live.view import LiveView

from .view_switcher import ViewSwitcher

__all__ = ("ROWS", "CollectionPicture")

ROWS = 100
"""The records in a page's table: those that changed last."""

NEWEST_FIRST = "-updated"

View = LiveView[dict[str, Any]]


class CollectionPicture(TablePicture):
    """The records that changed last, of those that match the filter.

    If the server refuses a filter, the table shows why, and its view stays live.
    """

    def __init__(
        self,
        client: BosBase,
        name: str,
        expand: str | None,
        is_guest: bool,
        on_pick: Callable[[str], None],
        on_view: Callable[[View], None],
        on_login_needed: Callable[[], None],
    ) -> None:
        super().__init__(self._make(client, name, expand, None, NEWEST_FIRST), title=name)
        self._client = client
        self._name = name
        self._expand = expand
        self._is_guest = is_guest
        self._on_pick = on_pick
        self._on_view = on_view
        self._on_login_needed = on_login_needed
        self._filter = ""
        self._refused: Exception | None = None
        self._switcher = ViewSwitcher()
        self._changed: Callable[[], None] = _nothing

    @staticmethod
    def _make(
        client: BosBase, name: str, expand: str | None, filter: str | None, sort: str | None
    ) -> View:
        return client.collection(name).live(filter=filter, sort=sort, expand=expand, limit=ROWS)

    def start(self, changed: Callable[[], None]) -> abc.DisposableBase:
        self._changed = changed
        self._follow(None, NEWEST_FIRST)
        return self._switcher

    def act(self, act: str, value: str, fields: Mapping[str, str]) -> None:
        if act == "filter":
            self._filter = fields.get("filter", "").strip()
            self._follow(self._filter or None, NEWEST_FIRST)
        elif act == "ask":
            self._on_login_needed()
        else:
            super().act(act, value, fields)

    def _follow(self, filter: str | None, sort: str | None) -> None:
        """Switch to a new view, once it has a snapshot."""
        try:
            view = self._make(self._client, self._name, self._expand, filter, sort)
        except (BosBaseError, ValueError) as error:  # such as a filter that is too long
            self._refuse(error)
            return

        def take(snapshot: Snapshot[Any], first: bool) -> None:
            self._snapshot, self._error = snapshot, None
            if first:
                self._refused = None
                self._on_view(view)
            self._changed()

        def end(error: Exception) -> None:
            refused = isinstance(error, ClientResponseError) and error.status == 400
            if refused and sort is not None:
                self._follow(filter, None)  # a collection need not have `updated`
            else:
                self._refuse(error)

        self._switcher.follow(view, take, end)

    def _refuse(self, error: Exception) -> None:
        forbidden = isinstance(error, ClientResponseError) and error.status in (401, 403)
        if forbidden and self._is_guest:
            self._on_login_needed()
        if self._snapshot is None:
            self._error = error
        else:
            self._refused = error
        self._changed()

    def html(self) -> str:
        title = escaped(self._title)
        return (
            f'<section class="card" aria-label="{title}"><div class="head"><h2>{title}</h2>'
            f"{self.state()}<span class='grow'></span>{self._filter_form()}</div>"
            f"{self._message()}{self.body()}</section>"
        )

    def _filter_form(self) -> str:
        return (
            f'<form class="row filter" data-act="filter"><input name="filter" data-key="filter" '
            f'aria-label="Filter {escaped(self._name)}" '
            'placeholder="Filter, such as id ~ &#39;abc&#39;" '
            f'value="{escaped(self._filter)}" autocomplete="off" spellcheck="false">'
            '<button type="submit" data-key="apply">Apply</button></form>'
        )

    def _message(self) -> str:
        if self._refused is not None:
            text = escaped(error_text(self._refused))
            return f'<p class="problem" role="alert">{text} The rows below are those of before.</p>'
        if self._is_guest and self.is_empty and not self._filter:
            return (
                '<p class="small muted">There may be more for those who log in. '
                '<button type="button" data-key="more" data-act="ask">Log in</button></p>'
            )
        return ""


def _nothing() -> None:
    """Do nothing: the default before `start`."""
