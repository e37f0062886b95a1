"""Warn, which fails the build, where a public name is missing from the reference."""

from __future__ import annotations

import importlib
from typing import Any

from sphinx.util import logging

log = logging.getLogger(__name__)

PUBLIC = (
    "rxbosbase",
    "rxbosbase.operators",
    "rxbosbase.aio",
    "rxbosbase.live",
    "rxbosbase.server",
    "rxbosbase.server.sample",
    "rxbosbase.dataframes",
    "rxbosbase.dashboard",
    "rxbosbase.testing",
)


DOCUMENTED_ELSEWHERE = {
    "rxbosbase.operators.Overflow",  # a Literal: each parameter of that type lists its values
    "rxbosbase.aio.Overflow",
    "rxbosbase.aio.BufferOverflowError",  # documented with the errors
    "rxbosbase.operators.BufferOverflowError",
    "rxbosbase.live.Change",  # documented as names of `rxbosbase`
    "rxbosbase.live.Snapshot",
    "rxbosbase.server.sample.ROOMS",  # the sample's data, printed by `rxbosbase serve`
    "rxbosbase.server.sample.SAMPLE_USERS",
}


def missing(documented: set[str]) -> list[str]:
    """Return the public names that are not in `documented`."""
    names = []
    for module in PUBLIC:
        names += [f"{module}.{name}" for name in importlib.import_module(module).__all__]
    return [name for name in names if name not in documented | DOCUMENTED_ELSEWHERE]


def check(_app: Any, env: Any) -> None:
    """Log a warning for each missing name, after all pages were read."""
    for name in missing(set(env.domaindata["py"]["objects"])):
        log.warning("%s is public and not in the reference: see docs/api", name)


def setup(app: Any) -> dict[str, Any]:
    """Register the extension; Sphinx calls this."""
    app.connect("env-check-consistency", check)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
