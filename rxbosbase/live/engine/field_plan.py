"""The fields a view cannot do without: asked for beside the user's, and taken away again. Pure.

A view needs the id and the age of each record and of what it expands, and what it sorts by. The
user who asked for ``fields="title"`` gets just that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

__all__ = ["AGE", "FieldPlan", "plan_fields"]

Path: TypeAlias = tuple[str, ...]
"""Where a value stands in a row: ``("expand", "author", "id")``."""

AGE = ("id", "updated")
"""What a row, and each record it expands, is recognised and compared by."""


@dataclass(frozen=True, slots=True)
class FieldPlan:
    """What to ask for, and what to make of it.

    Attributes:
        asked: the server's ``fields``; "" for all.
        strip: takes away from a row what only the view needed; None if there is nothing.
        relations: where the records stand that a row may expand.
        blurs: the user has the server change a field that is sorted by (``title:excerpt(20)``),
            so that a row does not tell its place.
        sorted_by: the ``fields`` of what a row is sorted by, and its id.
    """

    asked: str
    strip: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    relations: tuple[Path, ...] = ()
    blurs: bool = False
    sorted_by: str = "id"


def plan_fields(fields: str, sort: str = "", expand: str = "") -> FieldPlan:
    """The plan for a view's arguments.

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
    needed: list[Path] = [(name,) for name in AGE] + sorted_by
    needed += [(*place, name) for place in relations for name in (*AGE, "collectionName")]
    own = [path for path in dict.fromkeys(needed) if not _is_covered(path, given)]
    asked = ",".join([*tokens, *(".".join(path) for path in own)])
    strip = _hidden(own, given).strip if own else None
    blurs = any(":" in token and _path(token) in sorted_by for token in tokens)
    return FieldPlan(asked, strip, relations, blurs, keys)


def _relation_places(expand: str) -> Iterator[Path]:
    """Where each record of an ``expand`` stands.

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
class _Hidden:
    """What to take out of an object; what is left empty goes too, unless it was asked for."""

    names: set[str] = field(default_factory=set)
    inside: dict[str, _Hidden] = field(default_factory=dict)
    is_wanted: bool = False

    def strip(self, row: dict[str, Any]) -> dict[str, Any]:
        kept = {}
        for name, value in row.items():
            if name in self.names:
                continue
            inner = self.inside.get(name)
            if inner is not None:
                value = inner.strip_any(value)
                if not value and not inner.is_wanted:
                    continue
            kept[name] = value
        return kept

    def strip_any(self, value: Any) -> Any:
        if isinstance(value, list):
            stripped = [self.strip_any(each) for each in value]
            return stripped if self.is_wanted or any(stripped) else []
        return self.strip(value) if isinstance(value, dict) else value


def _hidden(own: Iterable[Path], given: list[Path]) -> _Hidden:
    root = _Hidden()
    for path in own:
        node = root
        for depth, name in enumerate(path[:-1], 1):
            wanted = any(each[:depth] == path[:depth] for each in given)
            node = node.inside.setdefault(name, _Hidden(is_wanted=wanted))
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
    """True if one of the given fields brings this one along."""
    return any(_covers(each, path) for each in given)


def _covers(given: Path, path: Path) -> bool:
    *most, last = given
    if last == "*":
        return len(path) > len(most) and tuple(most) == path[: len(most)]
    return given == path[: len(given)]


def _path(token: str) -> Path:
    return tuple(token.partition(":")[0].strip().split("."))


def _split(fields: str) -> Iterator[str]:
    """The fields, whose modifiers may hold commas: ``title:excerpt(20,true)``."""
    depth, start = 0, 0
    for at, character in enumerate(fields + ","):
        depth += (character == "(") - (character == ")")
        if character == "," and depth == 0:
            token = fields[start:at].strip()
            if token:
                yield token
            start = at + 1
