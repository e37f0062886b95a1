"""Each type of the library in a public signature can be imported from a public module.

The table of ``test_public_names`` holds the signatures, so that no optional part has to be there.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from project.test_public_names import pinned

import rxbosbase

PACKAGE = Path(__file__).parents[2] / "rxbosbase"

NOT_EXPORTED: dict[str, str] = {}
"""Types that users cannot import, with the reason."""


def types_of(tree: ast.Module) -> Iterator[str]:
    """The names of the classes that a module defines, and of its other names for types."""
    for node in tree.body:
        match node:
            case ast.ClassDef(name):
                yield name
            case ast.AnnAssign(ast.Name(name), ast.Name("TypeAlias")):
                yield name
            case ast.Assign([ast.Name(name)], ast.Subscript() | ast.BinOp()):
                yield name


def annotations_of(tree: ast.Module) -> Iterator[ast.expr]:
    """The annotations of a table's functions and attributes, and what its aliases stand for."""
    for node in ast.walk(tree):
        match node:
            case ast.arg(_, ast.expr() as annotation) | ast.AnnAssign(_, annotation):
                yield annotation
            case ast.FunctionDef() | ast.AsyncFunctionDef() if node.returns is not None:
                yield node.returns
            case ast.Assign(_, annotation):
                yield annotation


def names_in(text: str) -> set[str]:
    """The names in all annotations of a part of the table."""
    nodes = (node for each in annotations_of(ast.parse(text)) for node in ast.walk(each))
    return {node.id for node in nodes if isinstance(node, ast.Name)}


PUBLIC = {name for _, name in pinned()}
OURS = {
    name
    for path in PACKAGE.rglob("*.py")
    for name in types_of(ast.parse(path.read_text(encoding="utf-8")))
}


@pytest.mark.parametrize(("module", "name"), pinned())
def test_the_types_of_a_signature_can_be_imported(module: str, name: str) -> None:
    """A public signature has no type of the library that no public module exports."""
    assert (names_in(pinned()[module, name]) & OURS) - PUBLIC - NOT_EXPORTED.keys() == set()


def test_the_walk_sees_parameters_results_attributes_and_aliases() -> None:
    """Types are found in parameters, results, attributes and aliases, below others too."""
    text = "class A:\n    a: B | None\n    def f(self, x: list[C]) -> D: ...\n"
    text += "E = F | G\nasync def g(**x: H) -> I: ...\n"
    assert names_in(text) == {*"BCDFGHI", "list"}
    assert {"LiveView", "Dialect", "StateName", "RealtimeService"} <= OURS


def test_no_exception_is_out_of_date() -> None:
    """Each type of `NOT_EXPORTED` is one of a public signature that no public module exports."""
    used = {name for text in pinned().values() for name in names_in(text)}
    assert NOT_EXPORTED.keys() <= (used & OURS) - PUBLIC


LATE = ("Change", "LiveView", "Snapshot")


@pytest.mark.parametrize("name", LATE)
def test_a_type_of_live_views_is_loaded_with_its_first_use(name: str) -> None:
    """`import rxbosbase` loads no live views; their types are there, and in `dir`, all the same."""
    code = (
        "import sys, rxbosbase\n"
        f"assert {name!r} in dir(rxbosbase)\n"
        "assert not [name for name in sys.modules if name.startswith('rxbosbase.live')]\n"
        f"from rxbosbase import {name}\n"
        f"assert {name} is rxbosbase.{name} is vars(rxbosbase)[{name!r}]\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_star_import_brings_exactly_the_public_names() -> None:
    """`from rxbosbase import *` imports each name of `__all__`, those of live views too."""
    names: dict[str, object] = {}
    exec("from rxbosbase import *", names)
    assert names.keys() - {"__builtins__"} == {*rxbosbase.__all__}


def test_an_unknown_name_of_the_root_is_refused() -> None:
    """`rxbosbase.Nothing` is an AttributeError that names the package."""
    with pytest.raises(AttributeError, match="'rxbosbase' has no attribute 'Nothing'"):
        _ = rxbosbase.Nothing  # type: ignore[attr-defined]
