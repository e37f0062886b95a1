"""``rxbosbase view``: a query that stays true, as a table on a terminal or as JSON lines."""

from __future__ import annotations

import sys
from time import monotonic
from typing import Annotated, Any

import typer
from reactivex import operators as ops
from rich.console import RenderableType
from rich.live import Live

from rxbosbase import BosBase
from rxbosbase.cli import options
from rxbosbase.cli.console import expected_ends, say_json, until_end
from rxbosbase.cli.event_text import encoded_line
from rxbosbase.cli.status_messages import print_connection_changes
from rxbosbase.cli.terminal import Terminal
from rxbosbase.cli.view_table import Picture, draw, next_picture
from rxbosbase.live import Change, Snapshot
from rxbosbase.live.view import LiveView

__all__ = ["view"]

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
        typer.Option(min=0.1, help="Seconds until what the server never tells is seen."),
    ] = 60.0,
    url: options.Url = options.DEFAULT_URL,
    identity: options.Identity = None,
    password_env: options.PasswordEnv = options.DEFAULT_PASSWORD_ENV,
    auth_collection: options.AuthCollection = "users",
) -> None:
    """Show a query that stays true, until Ctrl-C.

    On a terminal: a table, whose rows light up when they change.

    Into a pipe: a JSON line for each change; what is there at first is "added".
    """
    password = options.password_of(identity, password_env)
    with expected_ends(interrupted=0), BosBase(url) as client:
        live = client.collection(collection).live(
            filter=filter, sort=sort, limit=limit, expand=expand, fields=fields,
            reconcile=reconcile,
        )  # fmt: skip
        if identity is not None:
            client.collection(auth_collection).auth_with_password(identity, password)
        asked = [filter, f"sort {sort}" if sort else None, f"limit {limit}" if limit else None]
        title = " · ".join(
            [f"{collection} at {client.base_url}", *(each for each in asked if each)]
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
        until_end(live.pipe(ops.do_action(screen.take)))


class _Screen:
    """The picture on the terminal, drawn by a thread of rich's own, however much changes."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._picture = Picture()
        self._console = Terminal()
        self.live = Live(
            console=self._console, get_renderable=self._draw, screen=False,
            refresh_per_second=FRAMES_PER_SECOND,
        )  # fmt: skip

    def take(self, snapshot: Snapshot[Any]) -> None:
        """Keeps the snapshot for the next frame."""
        self._picture = next_picture(self._picture, snapshot, monotonic())

    def _draw(self) -> RenderableType:
        return draw(self._picture, self._title, self._console.size, monotonic())


def _write_json(change: Change[Any]) -> None:
    content = {
        "type": change.type,
        "record": change.record,
        "before": change.before,
        "old_index": change.old_index,
        "new_index": change.new_index,
        "caught_up": change.caught_up,
    }
    say_json(encoded_line(content, "record", "before"))
