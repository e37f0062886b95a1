"""The fields a view cannot do without: requested beside the user's, and removed from its rows.
Pure.

A view needs the id and ``updated`` of each record and of what it expands, and what it sorts by. A
user who requested ``fields="title"`` gets just that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from rxbosbase.encoding.narrowing import is_array, is_object

__all__ = ("VERSION_FIELDS", "FieldPlan", "plan_fields")

Path: TypeAlias = tuple[str, ...]
"""The place of a value in a row: ``("expand", "author", "id")``."""

VERSION_FIELDS = ("id", "updated")
"""What a row, and each record it expands, is recognised and compared by."""


@dataclass(frozen=True, slots=True)
class FieldPlan:
    """The fields to request, and how to reduce the rows to the user's.

    Attributes:
        asked: the server's ``fields``; "" for all.
        strip: removes from a row what only the view needed; None if there is nothing.
        relations: where the records stand that a row may expand.
        alters_sort_field: the user has the server change a field that is sorted by
            (``title:excerpt(20)``), so that a row does not have the value it is sorted by.
        sorted_by: the ``fields`` of what a row is sorted by, and its id.
    """

    asked: str
    strip: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    relations: tuple[Path, ...] = ()
    alters_sort_field: bool = False
    sorted_by: str = "id"


def plan_fields(fields: str, sort: str = "", expand: str = "") -> FieldPlan:
    """Return the plan for a view's arguments.

    >>> plan = plan_fields("title", "-n")
    >>> plan.asked
    'title,id,updated,n'
    >>> plan.strip({"id": "a", "updated": "2026", "n": 1, "title": "x"})
    {'title': 'x'}
    """
    tokens = list(_split(fields))
    relations = tuple(_relation_places(expand))
    sorted_by = list(_sort_paths(sort))
    keys = ",".join(".".join(path) for path in dict.fromkeys([("id",), *sorted_by]))
    if not tokens:
        return FieldPlan("", None, relations, sorted_by=keys)
    given = [_path(token) for token in tokens]
    if not any(path[0] in ("*", "expand") for path in [*given, *sorted_by]):
        relations = ()  # what is expanded is not among the fields
    needed: list[Path] = [(name,) for name in VERSION_FIELDS] + sorted_by
    needed += [
        (*place, name) for place in relations for name in (*VERSION_FIELDS, "collectionName")
    ]
    own = [path for path in dict.fromkeys(needed) if not _is_covered(path, given)]
    asked = ",".join([*tokens, *(".".join(path) for path in own)])
    strip = _removal(own, given).strip if own else None
    alters_sort_field = any(":" in token and _path(token) in sorted_by for token in tokens)
    return FieldPlan(asked, strip, relations, alters_sort_field, keys)


def _relation_places(expand: str) -> Iterator[Path]:
    """Iterate over the places of the records of an ``expand``.

    >>> list(_relation_places("author.team"))
    [('expand', 'author'), ('expand', 'author', 'expand', 'team')]
    """
    seen: set[Path] = set()
    for path in expand.split(","):
        place: Path = ()
        for name in path.strip().split("."):
            place = (*place, "expand", name)
            if name and place not in seen:
                seen.add(place)
                yield place


@dataclass(frozen=True, slots=True)
class _Removal:
    """The names to remove from an object; one that becomes empty goes too, unless requested."""

    names: set[str] = field(default_factory=set[str])
    inside: dict[str, _Removal] = field(default_factory=dict[str, "_Removal"])
    is_requested: bool = False

    def strip(self, row: dict[str, Any]) -> dict[str, Any]:
        kept: dict[str, Any] = {}
        for name, value in row.items():
            if name in self.names:
                continue
            inner = self.inside.get(name)
            if inner is not None:
                value = inner.strip_any(value)
                if not value and not inner.is_requested:
                    continue
            kept[name] = value
        return kept

    def strip_any(self, value: Any) -> Any:
        if is_array(value):
            stripped = [self.strip_any(each) for each in value]
            return stripped if self.is_requested or any(stripped) else []
        return self.strip(value) if is_object(value) else value


def _removal(own: Iterable[Path], given: list[Path]) -> _Removal:
    root = _Removal()
    for path in own:
        node = root
        for depth, name in enumerate(path[:-1], 1):
            requested = any(each[:depth] == path[:depth] for each in given)
            node = node.inside.setdefault(name, _Removal(is_requested=requested))
        node.names.add(path[-1])
    return root


def _sort_paths(sort: str) -> Iterator[Path]:
    for key in sort.split(","):
        names = key.strip().lstrip("+-").split(".")
        if names != [""] and not names[0].startswith("@"):
            relations = [part for name in names[:-1] for part in ("expand", name)]
            yield (*relations, names[-1])
            for depth in range(1, len(names)):  # the relation itself: is there a related record?
                yield (*relations[: 2 * depth - 2], names[depth - 1])


def _is_covered(path: Path, given: Iterable[Path]) -> bool:
    """Return True if one of the given fields includes this one."""
    return any(_covers(each, path) for each in given)


def _covers(given: Path, path: Path) -> bool:
    *most, last = given
    if last == "*":
        return len(path) > len(most) and tuple(most) == path[: len(most)]
    return given == path[: len(given)]


def _path(token: str) -> Path:
    return tuple(token.partition(":")[0].strip().split("."))


def _split(fields: str) -> Iterator[str]:
    """Iterate over the fields, whose modifiers may hold commas: ``title:excerpt(20,true)``."""
    depth, start = 0, 0
    for at, character in enumerate(fields + ","):
        depth += (character == "(") - (character == ")")
        if character == "," and depth == 0:
            token = fields[start:at].strip()
            if token:
                yield token
            start = at + 1
