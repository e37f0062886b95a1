"""A member with a leading underscore is used in the subpackage that defines it alone."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "rxbosbase"

OTHERS = {
    *("_asdict", "_fields", "_make", "_replace"),  # of `NamedTuple`, public in spite of their names
    "_exit",  # of `os`
    "_original_response",  # of `urllib3`
    "_loaded",  # of Panel
}
"""Members that the package does not define."""

ROOT_MODULES = {"_renamed", "_runtime"}
"""Private to the package, not to a subpackage."""


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def subpackage_of(path: Path) -> str:
    """``live`` of ``live/engine/reducer.py``; the module itself where it lies in the root."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def defined_in(tree: ast.Module) -> Iterator[str]:
    """The private names that a module defines: functions, methods, attributes, variables."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name) | ast.AsyncFunctionDef(name) | ast.ClassDef(name):
                yield name
            case ast.Attribute(ast.Name("self" | "cls"), name, ast.Store()):
                yield name
            case ast.Name(name, ast.Store()) | ast.alias(name):
                yield name


def used_in(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """The private attributes that a module uses of other objects than ``self`` and ``cls``."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(ast.Name("self" | "cls"), _):
                pass
            case ast.Attribute(_, name) if is_private(name):
                yield node.lineno, name


def imported_in(tree: ast.Module, own: str) -> Iterator[tuple[int, str]]:
    """The private modules and names that a module imports from another subpackage."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rxbosbase."):
            parts = (node.module or "").split(".")[1:]
            names = [*parts, *(alias.name for alias in node.names)]
            if parts[0] != own and parts[0] not in ROOT_MODULES:
                yield from ((node.lineno, name) for name in names if is_private(name))


def strangers(sources: dict[Path, str]) -> list[str]:
    """Each use of a private member outside of the subpackage that defines it."""
    trees = {path: ast.parse(source) for path, source in sources.items()}
    defined: dict[str, set[str]] = defaultdict(set)
    for path, tree in trees.items():
        defined[subpackage_of(path)] |= {name for name in defined_in(tree) if is_private(name)}
    found = []
    for path, tree in trees.items():
        own = subpackage_of(path)
        uses = [use for use in used_in(tree) if use[1] not in defined[own] | OTHERS]
        for line, name in [*uses, *imported_in(tree, own)]:
            found.append(f"{path.relative_to(ROOT)}:{line}: {name}")
    return found


def test_no_private_member_of_another_subpackage_is_used() -> None:
    """No module uses or imports a name with a leading underscore of another subpackage."""
    sources = {path: path.read_text("utf-8") for path in sorted(PACKAGE.rglob("*.py"))}
    assert strangers(sources) == []


def test_the_check_sees_a_private_member_of_another_subpackage() -> None:
    """The check reports a foreign attribute and import, and neither an own nor a shared one."""
    one = PACKAGE / "one" / "module.py"
    two = PACKAGE / "two" / "module.py"
    uses = "from rxbosbase.one._inner import thing\nobject()._secret\nobject()._own\n"
    sources = {one: "class C:\n    def _secret(self): ...\n", two: f"{uses}_own = 1\n"}
    assert [use.rpartition(": ")[2] for use in strangers(sources)] == ["_secret", "_inner"]
