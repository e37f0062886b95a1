"""``rxbosbase doctor``: check a server step by step, and print what is wrong."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Generator
from dataclasses import asdict
from typing import Annotated

import typer

from rxbosbase.encoding.control_characters import one_line

from . import options
from .connection_checks import TIMEOUT, CheckResult, run_checks
from .console import clean_exit, write_text

__all__ = ("doctor",)

MARKS = {"ok": "ok     ", "warning": "warning", "failure": "FAILURE"}


def doctor(
    url: Annotated[str, typer.Argument(metavar="URL", help="The server's address.")],
    collection: Annotated[
        str | None, typer.Option(help="Also check that events of this collection can be received.")
    ] = None,
    identity: options.Identity = None,
    password_env: options.PasswordEnv = options.DEFAULT_PASSWORD_ENV,
    auth_collection: options.AuthCollection = "users",
    timeout: Annotated[float, typer.Option(help="Seconds each step may take.")] = TIMEOUT,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line a step.")] = False,
) -> None:
    """Check a server step by step, and print what is wrong and what to do.

    Exit code 0 only if all is well.
    """
    login = None
    if identity is not None:
        login = (auth_collection, identity, options.password_of(identity, password_env))
    is_ok = True
    with clean_exit(), _without_connection_log():
        for result in run_checks(url, collection=collection, login=login, timeout=timeout):
            is_ok = is_ok and result.state == "ok"
            write_text(json.dumps(asdict(result)) if as_json else _line(result))
    if not is_ok:
        raise typer.Exit(1)


@contextlib.contextmanager
def _without_connection_log() -> Generator[None]:
    """Suppress the log of the connection: a result reports the failed attempt, with advice."""
    logger = logging.getLogger("rxbosbase.realtime")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


def _line(result: CheckResult) -> str:
    line = one_line(f"{MARKS[result.state]}  {result.step}: {result.detail}")
    return f"{line}\n         {one_line(result.advice)}" if result.advice else line
