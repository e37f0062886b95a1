"""``rxbosbase doctor``: says what stands between you and your events."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Generator
from dataclasses import asdict
from typing import Annotated

import typer

from rxbosbase.cli import options
from rxbosbase.cli.console import expected_ends, say
from rxbosbase.cli.diagnosis import TIMEOUT, Finding, examine
from rxbosbase.encoding.control_characters import one_line

__all__ = ["doctor"]

MARKS = {"ok": "ok     ", "warning": "warning", "failure": "FAILURE"}


def doctor(
    url: Annotated[str, typer.Argument(metavar="URL", help="The server's address.")],
    collection: Annotated[
        str | None, typer.Option(help="Check also whether this one's events can be heard.")
    ] = None,
    identity: options.Identity = None,
    password_env: options.PasswordEnv = options.DEFAULT_PASSWORD_ENV,
    auth_collection: options.AuthCollection = "users",
    timeout: Annotated[float, typer.Option(help="Seconds each step may take.")] = TIMEOUT,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line a step.")] = False,
) -> None:
    """Check a server step by step, and say what is wrong and what to do.

    Exit code 0 only if all is well.
    """
    login = None
    if identity is not None:
        login = (auth_collection, identity, options.password_of(identity, password_env))
    well = True
    with expected_ends(), _findings_alone():
        for finding in examine(url, collection=collection, login=login, timeout=timeout):
            well = well and finding.state == "ok"
            say(json.dumps(asdict(finding)) if as_json else _line(finding))
    if not well:
        raise typer.Exit(1)


@contextlib.contextmanager
def _findings_alone() -> Generator[None]:
    """That the attempts are used up is what a finding says, with advice."""
    logger = logging.getLogger("rxbosbase.realtime")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


def _line(finding: Finding) -> str:
    line = one_line(f"{MARKS[finding.state]}  {finding.step}: {finding.detail}")
    return f"{line}\n         {one_line(finding.advice)}" if finding.advice else line
