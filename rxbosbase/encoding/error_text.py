"""Parts of an error's text that come from a server. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import islice
from typing import Any

from .narrowing import is_mapping

__all__ = ("fields_text", "target_text")

MAX_FIELDS = 20
"""Fields of an error's ``data`` that its text shows …"""

MAX_FIELD = 300
"""… and characters of each, and of the target of a redirect."""


def fields_text(data: Mapping[str, Any]) -> str:
    """Return the problems of the fields in an error's ``data``.

    >>> fields_text({"title": {"code": "validation_required", "message": "Cannot be blank."}})
    'title: Cannot be blank.'
    """
    return "; ".join(
        f"{name}: {_field_message(problem)}"[:MAX_FIELD]
        for name, problem in islice(data.items(), MAX_FIELDS)
    )


def _field_message(problem: Any) -> str:
    if is_mapping(problem):
        return str(problem.get("message") or problem.get("code") or dict(problem))
    return str(problem)


def target_text(target: str) -> str:
    """Return the target of a redirect without credentials, query and fragment: the query may be
    that of the request, with a file token.

    >>> target_text("https://user:secret@host/path?token=x")
    'https://host/path'
    """
    plain = re.split(r"[?#]", target, maxsplit=1)[0]
    return re.sub(r"^([^/\\]*[/\\]{2})[^/\\]*@", r"\1", plain)[:MAX_FIELD]
