"""The Typer application: its options, and the list of the commands."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

import typer

from rxbosbase.cli.demo.command import demo

from .console import write_text
from .dashboard import dashboard
from .doctor import doctor
from .serve import serve
from .tail import tail
from .view import view

__all__ = ("app",)

app = typer.Typer(
    help="Realtime records of a BosBase or PocketBase server, on the command line.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # a defect is shown with Python's own traceback
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(value: bool) -> None:
    if value:
        try:
            write_text(f"rxbosbase {version('rxbosbase')}")
        except PackageNotFoundError:  # run from a checkout
            write_text("rxbosbase, not installed")
        raise typer.Exit


@app.callback()
def root(
    _: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show it and exit."),
    ] = False,
) -> None:
    """Realtime records of a BosBase or PocketBase server, on the command line."""


for command in (demo, tail, view, serve, dashboard, doctor):
    app.command()(command)
