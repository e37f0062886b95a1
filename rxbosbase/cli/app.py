"""The command line's frame: what all commands share, and the list of them."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

import typer

from rxbosbase.cli.console import say
from rxbosbase.cli.dashboard import dashboard
from rxbosbase.cli.demo.command import demo
from rxbosbase.cli.doctor import doctor
from rxbosbase.cli.serve import serve
from rxbosbase.cli.tail import tail
from rxbosbase.cli.view import view

__all__ = ["app"]

app = typer.Typer(
    help="Realtime records of a BosBase or PocketBase server, on the command line.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # what is unexpected deserves Python's own traceback
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        try:
            say(f"rxbosbase {version('rxbosbase')}")
        except PackageNotFoundError:  # run from a checkout
            say("rxbosbase, not installed")
        raise typer.Exit


@app.callback()
def everything(
    _: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Tell and exit."),
    ] = False,
) -> None:
    """Realtime records of a BosBase or PocketBase server, on the command line."""


for command in (demo, tail, view, serve, dashboard, doctor):
    app.command()(command)
