"""A member with a leading underscore is used in the subpackage that defines it alone."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "rxbosbase"

OTHERS = {
    *("_asdict", "_fields", "_make", "_replace"),  # of `NamedTuple`, public in spite of their names
    "_exit",  # of `os`
    "_original_response",  # of `urllib3`
    "_loaded",  # of Panel
}
"""Members that the package does not define."""

ROOT_MODULES = {"_extras", "_renamed", "_runtime"}
"""Private to the package, not to a subpackage."""


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def subpackage_of(path: Path) -> str:
    """Return ``live`` of ``live/engine/reducer.py``; of a module in the root its name."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imports_of(tree: ast.Module, path: Path) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yield the line and the path below the package of each import from the package."""
    here = path.relative_to(PACKAGE).parts
    for node in ast.walk(tree):
        match node:
            case ast.Import(names):
                found = [tuple(alias.name.split(".")) for alias in names]
                yield from ((node.lineno, p[1:]) for p in found if p[0] == "rxbosbase" and p[1:])
            case ast.ImportFrom(module, names, level):
                base = tuple((module or "").split(".")) if module else ()
                if level:
                    base = ("rxbosbase", *here[: len(here) - level], *base)
                if base[:1] == ("rxbosbase",):
                    yield from ((node.lineno, (*base[1:], alias.name)) for alias in names)


def defined_in(tree: ast.AST) -> set[str]:
    """Return the private names that a module or class defines, local variables included."""
    found = set()
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name) | ast.AsyncFunctionDef(name) | ast.ClassDef(name):
                found.add(name)
            case ast.Attribute(ast.Name("self" | "cls"), name, ast.Store()):
                found.add(name)
            case ast.Name(name, ast.Store()):
                found.add(name)
    return {name for name in found if is_private(name)}


def used_in(node: ast.AST, own: frozenset[str] = frozenset()) -> Iterator[tuple[int, str]]:
    """Yield the private attributes of objects other than ``self`` and ``cls``.

    An attribute that the enclosing class defines, too, is left out: the object is another of it.
    """
    match node:
        case ast.ClassDef():
            own = own | defined_in(node)
        case ast.Attribute(ast.Name("self" | "cls"), _):
            pass
        case ast.Attribute(_, name, _) if is_private(name) and name not in own:
            yield node.lineno, name
    for child in ast.iter_child_nodes(node):
        yield from used_in(child, own)


def foreign_uses(sources: dict[Path, str]) -> list[str]:
    """Return each use of a private member that is, or may be, of another subpackage.

    The type of an object is not known here. A name that two subpackages define counts as foreign
    in a module of the one that imports from the other.
    """
    trees = {path: ast.parse(source) for path, source in sources.items()}
    defined: dict[str, set[str]] = defaultdict(set)
    for path, tree in trees.items():
        defined[subpackage_of(path)] |= defined_in(tree)
    found = []
    for path, tree in trees.items():
        own = subpackage_of(path)
        imported = [(line, names) for line, names in imports_of(tree, path) if names[:1] != (own,)]
        known = defined[own] - {n for _, names in imported for n in defined[names[0]]} | OTHERS
        uses = [(line, name) for line, name in used_in(tree) if name not in known]
        for line, names in imported:
            if names[0] not in ROOT_MODULES:
                uses += [(line, name) for name in names if is_private(name)]
        found += [f"{path.relative_to(ROOT)}:{line}: {name}" for line, name in uses]
    return found


def test_no_private_member_of_another_subpackage_is_used() -> None:
    """No module uses or imports a name with a leading underscore of another subpackage."""
    sources = {path: path.read_text("utf-8") for path in sorted(PACKAGE.rglob("*.py"))}
    assert foreign_uses(sources) == []


ONE = "class One:\n    def __init__(self): self._secret = self._both = 1\n"


@pytest.mark.parametrize(
    ("path", "source", "names"),
    [
        ("two/a.py", "from rxbosbase.one.a import One\nOne()._secret", ["_secret"]),
        ("two/a.py", "from ..one.a import One\n_both = 1\nOne()._both", ["_both"]),
        ("two/a.py", "class Two:\n    _both = 1\n    def f(self, o): o._both", []),
        ("two/a.py", "_own = 1\nobject()._own", []),
        ("two/a.py", "self.one._secret", ["_secret"]),
        ("two/a.py", "self._secret", []),
        ("two/a.py", "from rxbosbase.one._inner import name", ["_inner"]),
        ("two/a.py", "from ..one import _inner", ["_inner"]),
        ("two/a.py", "import rxbosbase.one._inner", ["_inner"]),
        ("two/a.py", "from rxbosbase._runtime import name\nfrom ._inner import name", []),
        ("two.py", "from .one._inner import name", ["_inner"]),
        ("one/b.py", "from .a import One\nOne()._secret", []),
    ],
)
def test_the_check_reports_foreign_members_alone(path: str, source: str, names: list[str]) -> None:
    """The check reports members of another subpackage, and none of its own subpackage."""
    sources = {PACKAGE / "one" / "a.py": ONE, PACKAGE / path: source}
    assert [use.rpartition(": ")[2] for use in foreign_uses(sources)] == names
