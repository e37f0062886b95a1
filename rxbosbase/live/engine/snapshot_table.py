"""A snapshot as a table of HTML, for notebooks. Pure.

Records hold text of other users: each name and each value is escaped, cut to a length, and without
control characters. There is no colour, so that it can be read on a light and on a dark page.
"""

from __future__ import annotations

import html
import reprlib
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from rxbosbase.encoding.control_characters import one_line
from rxbosbase.encoding.narrowing import is_mapping

__all__ = ("MAX_CELL", "MAX_COLUMNS", "MAX_ROWS", "html_table")

MAX_ROWS = 20
"""Rows shown; the others are counted below them."""

MAX_COLUMNS = 12
"""Columns shown; the others are counted beside them."""

MAX_CELL = 60
"""Characters of a name or a value."""

HIDDEN = frozenset({"collectionId", "collectionName", "expand"})

_CELL = "padding:2px 8px;border-bottom:1px solid rgba(128,128,128,.4);white-space:nowrap"
_TABLE = "border-collapse:collapse;color:inherit;font:inherit"  # not so by itself in old documents
_MUTED = "opacity:.65"


def html_table(title: str, records: Sequence[Any]) -> str:
    """Return the title, the first rows and the number of the others.

    Args:
        title: text above the table, not escaped yet.
        records: dicts, or instances of any model.
    """
    rows = [_fields(record) for record in islice(records, MAX_ROWS)]
    names = _columns(rows)
    numbers = {name for name in names[:MAX_COLUMNS] if _is_number(rows, name)}
    shown = [(name, "right" if name in numbers else "left") for name in names[:MAX_COLUMNS]]
    more = f"… and {_count(len(names) - MAX_COLUMNS)} more" if len(names) > MAX_COLUMNS else ""
    head = _row("th", [(_text(name), align) for name, align in shown], more)
    body = "".join(
        _row("td", [(_text(row.get(name)), align) for name, align in shown], "…" if more else "")
        for row in rows
    )
    left = len(records) - len(rows)
    rest = f'<div style="{_MUTED}">… and {_count(left)} more</div>' if left else ""
    table = f'<table style="{_TABLE}">{head}{body}</table>' if rows else ""
    above = f'<div style="{_MUTED}">{_escaped(title)}</div>'
    return f'<div style="overflow-x:auto">{above}{table}{rest}</div>'


def _row(tag: str, cells: Iterable[tuple[str, str]], more: str) -> str:
    texts = [f'<{tag} style="{_CELL};text-align:{align}">{text}</{tag}>' for text, align in cells]
    if more:
        texts.append(f'<{tag} style="{_CELL};{_MUTED}">{more}</{tag}>')
    return f"<tr>{''.join(texts)}</tr>"


def _columns(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the id, then the fields in the order of the first record, then those of others."""
    seen: dict[str, None] = {}
    for row in rows:
        seen.update(dict.fromkeys(row))
    names = [name for name in seen if name not in HIDDEN]
    return sorted(names, key=lambda name: name != "id")


def _fields(record: Any) -> Mapping[str, Any]:
    """Return the fields of a dict, a dataclass, a struct of msgspec, or any other model."""
    if is_mapping(record):
        return record
    kinds = ("__struct_fields__", "__dataclass_fields__", "__dict__")
    names = next((found for kind in kinds if (found := getattr(record, kind, None))), None)
    names = _slots(record) if names is None else names
    shown = [name for name in names if not name.startswith("_")]
    return {name: getattr(record, name, None) for name in shown} or {"value": record}


def _slots(record: object) -> list[str]:
    """Return the slots of an object's class and its bases, those of the bases first."""
    found = [vars(each).get("__slots__", ()) for each in reversed(type(record).__mro__)]
    return [name for slots in found for name in ([slots] if isinstance(slots, str) else slots)]


def _is_number(rows: Iterable[Mapping[str, Any]], name: str) -> bool:
    values = [row[name] for row in rows if row.get(name) is not None]
    return bool(values) and all(type(value) in (int, float) for value in values)


def _text(value: object) -> str:
    if value is None:
        return ""
    try:
        text = value if isinstance(value, str) else reprlib.repr(value)
    except Exception:  # of a model's `__repr__`, or of an integer with too many digits
        text = f"<{type(value).__name__}>"
    return _escaped(text if len(text) <= MAX_CELL else f"{text[: MAX_CELL - 1]}…")


def _escaped(text: str) -> str:
    return html.escape(one_line(text))


def _count(number: int) -> str:
    """Return the number with narrow spaces between thousands."""
    return f"{number:,}".replace(",", "\u202f")
