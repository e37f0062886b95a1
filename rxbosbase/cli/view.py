"""``rxbosbase view``: a live view, as a table on a terminal or as JSON lines."""

from __future__ import annotations

import sys
from time import monotonic
from typing import Annotated, Any

import typer
from reactivex import operators as ops
from rich.console import RenderableType
from rich.live import Live

from rxbosbase.client import BosBase
from rxbosbase.live import Change, Snapshot
from rxbosbase.live.view import LiveView

from . import options
from .console import clean_exit, until_end, write_json
from .event_text import encoded_line
from .status_messages import print_connection_changes
from .terminal import Terminal
from .view_table import TableState, next_state, render

__all__ = ("view",)

FRAMES_PER_SECOND = 10


def view(
    collection: Annotated[str, typer.Argument(help="The collection.")],
    filter: options.Filter = None,
    sort: Annotated[str | None, typer.Option(help="Order, as in: -created,title")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only so many records.")] = None,
    expand: options.Expand = None,
    fields: options.Fields = None,
    reconcile: Annotated[
        float,
        typer.Option(min=0.1, help="Seconds within which changes without an event are found."),
    ] = 60.0,
    url: options.Url = options.DEFAULT_URL,
    identity: options.Identity = None,
    password_env: options.PasswordEnv = options.DEFAULT_PASSWORD_ENV,
    auth_collection: options.AuthCollection = "users",
) -> None:
    """Show a query that stays true, until Ctrl-C.

    On a terminal: a table, whose rows light up when they change.

    Into a pipe: a JSON line for each change; the records at the start are "added".
    """
    password = options.password_of(identity, password_env)
    with clean_exit(interrupted=0), BosBase(url) as client:
        live = client.collection(collection).live(
            filter=filter, sort=sort, limit=limit, expand=expand, fields=fields,
            reconcile=reconcile,
        )  # fmt: skip
        if identity is not None:
            client.collection(auth_collection).auth_with_password(identity, password)
        query = [filter, f"sort {sort}" if sort else None, f"limit {limit}" if limit else None]
        title = " · ".join(
            [f"{collection} at {client.base_url}", *(part for part in query if part)]
        )
        if sys.stdout.isatty():
            _show(live, title)
        else:
            what = f"to {collection} at {client.base_url}"
            print_connection_changes(client, what, catches_up=True)
            until_end(live.changes().pipe(ops.do_action(_write_json)))


def _show(live: LiveView[dict[str, Any]], title: str) -> None:
    screen = _Screen(title)
    with screen.live:
        until_end(live.pipe(ops.do_action(screen.update)))


class _Screen:
    """The table on the terminal; a thread of rich draws it at a fixed rate."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._state = TableState()
        self._console = Terminal()
        self.live = Live(
            console=self._console, get_renderable=self._draw, screen=False,
            refresh_per_second=FRAMES_PER_SECOND,
        )  # fmt: skip

    def update(self, snapshot: Snapshot[Any]) -> None:
        """Keep the snapshot for the next frame."""
        self._state = next_state(self._state, snapshot, monotonic())

    def _draw(self) -> RenderableType:
        return render(self._state, self._title, self._console.size, monotonic())


def _write_json(change: Change[Any]) -> None:
    content = {
        "type": change.type,
        "record": change.record,
        "before": change.before,
        "old_index": change.old_index,
        "new_index": change.new_index,
        "caught_up": change.caught_up,
    }
    write_json(encoded_line(content, "record", "before"))
