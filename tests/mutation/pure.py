"""The pure modules: the architecture's tests keep them pure, and the mutation run includes each.

A module is pure by its place, in one of `PLACES`, or because its docstring has ``Pure.``: a claim
that the tests then hold it to.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

__all__ = ["PLACES", "PURE"]

ROOT = Path(__file__).parents[2]

PLACES = (
    "rxbosbase/encoding",
    "rxbosbase/live/engine",
    "rxbosbase/realtime/protocol",
    "rxbosbase/realtime/session",
)
NOT_TRIED = "rxbosbase/cli", "rxbosbase/dashboard", "rxbosbase/dataframes"
"""Their docstrings do not count: they may read a clock."""


def _pure() -> Iterator[str]:
    for path in sorted((ROOT / "rxbosbase").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        relative = path.relative_to(ROOT)
        has_code = path.name != "__init__.py"
        claims = "Pure." in (ast.get_docstring(ast.parse(text)) or "")
        is_free = relative.as_posix().startswith(NOT_TRIED)
        if has_code and (relative.parent.as_posix() in PLACES or (claims and not is_free)):
            yield ".".join(relative.with_suffix("").parts)


PURE = list(_pure())
