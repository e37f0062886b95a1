"""``rxbosbase tail``: print the events of collections as they arrive."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import Annotated

import typer
from reactivex import operators as ops

from rxbosbase import operators as rxb
from rxbosbase.client import BosBase
from rxbosbase.events import Event

from . import options
from .console import clean_exit, until_end, write_json
from .event_text import json_line, pretty_line
from .status_messages import print_connection_changes
from .terminal import Terminal

__all__ = ("Action", "Format", "tail")

MAX_ROWS = 2
"""Rows of the terminal for one event in the pretty form; a longer text is cut."""


class Format(StrEnum):
    """The formats of the output."""

    PRETTY = "pretty"
    JSON = "json"


class Action(StrEnum):
    """The actions of events."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


def tail(
    collections: Annotated[
        list[str],
        typer.Argument(
            metavar="COLLECTION", help="Collections, or single records as COLLECTION/ID."
        ),
    ],
    url: options.Url = options.DEFAULT_URL,
    filter: options.Filter = None,
    expand: options.Expand = None,
    fields: options.Fields = None,
    action: Annotated[list[Action] | None, typer.Option(help="Only these; repeatable.")] = None,
    format: Annotated[
        Format | None, typer.Option(help="By default pretty on a terminal, else JSON lines.")
    ] = None,
    identity: options.Identity = None,
    password_env: options.PasswordEnv = options.DEFAULT_PASSWORD_ENV,
    auth_collection: options.AuthCollection = "users",
) -> None:
    """Print the events of collections as they come, until Ctrl-C.

    Reconnects by itself and reports it on stderr.
    """
    password = options.password_of(identity, password_env)
    with clean_exit(interrupted=0), BosBase(url) as client:
        streams = [
            client.collection(name).observe(
                target or "*", filter=filter, expand=expand, fields=fields
            )
            for name, _, target in (entry.partition("/") for entry in dict.fromkeys(collections))
        ]
        events = streams[0].pipe(ops.merge(*streams[1:]), rxb.of_action(*(action or Action)))
        if identity is not None:
            client.collection(auth_collection).auth_with_password(identity, password)
        print_connection_changes(client, f"to {', '.join(collections)} at {client.base_url}")
        # Written on the delivery thread: a slow reader of the output slows the connection down, and
        # no event is stored or dropped. An exception of the writer ends the stream.
        until_end(events.pipe(ops.do_action(_writer(format))))


def _writer(format: Format | None) -> Callable[[Event], None]:
    pretty = format is Format.PRETTY if format is not None else sys.stdout.isatty()
    if not pretty:
        return lambda event: write_json(json_line(event))
    console = Terminal()
    # Not cut in a pipe; on a terminal one huge record must not scroll all others away.
    width = MAX_ROWS * console.width if console.is_terminal else None

    def write_pretty(event: Event) -> None:
        moment = datetime.now().astimezone().strftime("%H:%M:%S")
        console.print(pretty_line(event, moment, width), soft_wrap=True)

    return write_pretty
