"""The public names and signatures, pinned: a change to them is on purpose, and shows in review.

``python -m tests.project.test_public_names`` writes ``public_names.txt`` anew; read its diff.
"""

from __future__ import annotations

import ast
import importlib.util
import inspect
import re
import sys
import textwrap
import typing
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest

from rxbosbase.errors import MissingExtraError

ROOT = Path(__file__).parents[2]
FILE = Path(__file__).with_name("public_names.txt")
OURS = "rxbosbase"
WIDTH = 96

MODULES = (
    "rxbosbase",
    "rxbosbase.operators",
    "rxbosbase.live",
    "rxbosbase.aio",
    "rxbosbase.dataframes",
    "rxbosbase.dashboard",
    "rxbosbase.server",
    "rxbosbase.server.sample",
    "rxbosbase.testing",
    "rxbosbase.testing.collation",
    "pytest_rxbosbase",
)
"""What users import from. A name that several of them have is described at the first."""

GIVEN = frozenset({
    "AsyncEvents", "AsyncLiveView", "AsyncSubscription", "Collection", "Collections",
    "EventIterator", "EventWindow", "Latest", "LiveFrame", "LiveView", "Pane", "RateFrame",
    "Realtime", "SerialScheduler", "Snapshot", "Stream", "Unsubscribe",
})  # fmt: skip
"""Classes that the library makes and users do not: how they are made is no promise."""

INTERNAL = {
    "BosBase": {
        *("dialect", "live_manager", "service"),  # by these the collections use their client
        *("single_flight", "topic_headers", "transport"),
    },
    "FrameBuilder": {"invalidate", "read"},  # `df` reads it
    "Latest": {"close", "end", "set"},  # whose value the library sets
    "Pane": {"name", "replace"},  # Panel's own; what the page's panes do
    "SerialScheduler": {
        *("as_scheduled", "call_later", "cancelled", "check_wait", "close", "condition", "depth"),
        *("feed", "hold_back", "is_closed", "is_current", "join", "post", "release", "time"),
        *("wait", "wall_time"),
        *("schedule", "schedule_absolute", "schedule_relative"),  # as RxPY describes them
    },
    "Snapshot": {"advance", "empty", "refreshed", "with_rows"},  # how a view makes the next one
    "VirtualScheduler": {"run"},  # as the clock runs it
}
"""Members that other modules of the library use, and users do not: they are no promise."""

DUNDERS = frozenset({
    "__aenter__", "__aiter__", "__anext__", "__call__", "__enter__", "__getitem__", "__init__",
    "__iter__", "__next__",
})  # fmt: skip

_UNNAMED = re.compile(r"<(?:built-in |bound )?(?:function|method) ([\w.]+)[^<>]*>")
NAMED = r"\1"
_MODULE = re.compile(r"~|\b(?:collections\.abc|typing)\.")


class _Bare(str):
    """An annotation without quotes, however the module it comes from spelt it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _bare(annotation: Any) -> Any:
    if isinstance(annotation, typing.ForwardRef):
        annotation = annotation.__forward_arg__
    if not isinstance(annotation, str) and annotation is not inspect.Signature.empty:
        annotation = _MODULE.sub("", inspect.formatannotation(annotation))
    return _Bare(annotation) if isinstance(annotation, str) else annotation


# -- one module, class or function as text


def described(module: ModuleType, seen: dict[int, str]) -> Iterator[tuple[str, str]]:
    """Each public name of the module, and what it is, as in a stub file."""
    for name in module.__all__:
        item = getattr(module, name)
        known = seen.setdefault(id(item), module.__name__)
        if known != module.__name__:
            yield name, f"from {known} import {name}"
        elif inspect.isclass(item):
            yield name, "\n".join(class_lines(item))
        elif inspect.isfunction(item):
            yield name, "\n".join(function_lines(name, item))
        elif module.__name__.startswith("pytest_"):
            yield name, "@pytest.fixture\n" + signature(name, inspect.unwrap(item))
        else:
            yield name, value_of(module.__name__, name) or f"{name}: {type(item).__name__}"


def class_lines(cls: type) -> Iterator[str]:
    """The class's bases, and its public members."""
    bases = [base.__name__ for base in cls.__bases__ if is_promised(base)]
    if typing.is_typeddict(cls):
        bases = ["TypedDict"] if vars(cls)["__total__"] else ["TypedDict", "total=False"]
    named = ", ".join(bases)
    yield f"class {cls.__name__}({named}):" if named else f"class {cls.__name__}:"
    lines = [textwrap.indent(text, "    ") for text in members(cls)]
    yield from lines or ["    pass"]


def is_promised(base: type) -> bool:
    """True for a base that `isinstance` may be asked for."""
    if base.__module__.startswith(OURS):
        return base in exported()
    return base.__name__ not in ("Generic", "Struct", "object")


@cache
def exported() -> frozenset[type]:
    """The classes of the root."""
    root = importlib.import_module(OURS)
    found = [getattr(root, name) for name in root.__all__]
    return frozenset(item for item in found if inspect.isclass(item))


def members(cls: type) -> Iterator[str]:
    """The public members of the class, without those that another class of the table shows."""
    fields = {name: text for base in reversed(own(cls)) for name, text in annotated(base)}
    hidden = {name for base in cls.__mro__ for name in INTERNAL.get(base.__name__, ())}
    for name in sorted({*dir(cls), *fields} - hidden):
        owner = next((base for base in cls.__mro__ if name in vars(base)), None)
        if name.startswith("_") and name not in DUNDERS:
            continue
        if name == "__init__" and cls.__name__ in GIVEN:
            continue
        if name == "__init__" and isinstance(cls, msgspec.StructMeta):
            yield struct_signature(name, cls)
        elif owner in own(cls):
            yield from member(name, inspect.getattr_static(cls, name), fields.get(name, name))
        elif name in fields:
            yield fields[name]


def own(cls: type) -> list[type]:
    """The class and those of its bases that this library defines and the table lacks."""
    shown = {base for public in exported() & {*cls.__mro__[1:]} for base in public.__mro__}
    return [b for b in cls.__mro__ if b.__module__.startswith(OURS) and b not in shown]


def annotated(cls: type) -> Iterator[tuple[str, str]]:
    """The fields and attributes that a class sets or annotates itself, with their types."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(cls)))
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef):
            yield from attributes(function)
    for name, annotation in inspect.get_annotations(cls).items():
        yield name, f"{name}: {_bare(annotation)}"
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for each in node.body:
                if isinstance(each, ast.AnnAssign):  # more exact than what msgspec needs
                    yield ast.unparse(each.target), ast.unparse(each)


def attributes(function: ast.FunctionDef) -> Iterator[tuple[str, str]]:
    """The attributes that a method sets, with their types as far as they are written."""
    given = {arg.arg: arg.annotation for arg in (*function.args.args, *function.args.kwonlyargs)}
    for node in ast.walk(function):
        annotation: ast.expr | None = None
        match node:
            case ast.AnnAssign(ast.Attribute(ast.Name("self"), name)):
                annotation = node.annotation
            case ast.Assign([ast.Attribute(ast.Name("self"), name)], ast.Name(value)):
                annotation = given.get(value)
            case ast.Assign([ast.Attribute(ast.Name("self"), name)]):
                pass
            case _:
                continue
        yield name, f"{name}: {ast.unparse(annotation)}" if annotation else name


def member(name: str, found: Any, field: str) -> Iterator[str]:
    """One member as text; `field` is that of one which is neither callable nor a property."""
    if isinstance(found, (staticmethod, classmethod)):
        yield f"@{type(found).__name__}"
        yield from function_lines(name, found.__func__)
    elif isinstance(found, property):
        assert found.fget is not None
        settable = ", settable" if found.fset else ""
        result = _bare(inspect.signature(found.fget).return_annotation)
        yield f"{name}: {result}  # property{settable}"
    elif inspect.isroutine(found) and not inspect.ismethoddescriptor(found):
        yield from function_lines(name, found)
    else:
        yield field


def function_lines(name: str, function: Any) -> Iterator[str]:
    """The signature, and those that type checkers see instead of it."""
    yield signature(name, function)
    for overload in typing.get_overloads(function):
        yield "@overload"
        yield signature(name, overload)


def signature(name: str, function: Any) -> str:
    """The function's signature, the same on every run and every Python."""
    plain = inspect.signature(function)
    parameters = [p.replace(annotation=_bare(p.annotation)) for p in plain.parameters.values()]
    bare = plain.replace(parameters=parameters, return_annotation=_bare(plain.return_annotation))
    begin = "async def" if inspect.iscoroutinefunction(function) else "def"
    return written(f"{begin} {name}", bare)


def written(begin: str, bare: inspect.Signature) -> str:
    """A signature in one line, or in one for each parameter."""
    short = _UNNAMED.sub(NAMED, str(bare)).replace(" = Ellipsis", " = ...")
    text = f"{begin}{short.replace('<factory>', '{}')}: ..."  # a struct's new dict
    return text if len(text) <= WIDTH else one_a_line(text)


def struct_signature(name: str, cls: type) -> str:
    """The constructor of a struct, which is no function, by the annotations of its fields."""
    self = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    fields = {
        field: _bare(text.partition(": ")[2])
        for base in reversed(own(cls))
        for field, text in annotated(base)
    }

    given = inspect.signature(cls).parameters.values()
    parameters = [p.replace(annotation=fields[p.name]) for p in given]
    return written(f"def {name}", inspect.Signature([self, *parameters], return_annotation=None))


def one_a_line(text: str) -> str:
    """A long signature with each parameter in a line of its own, so that a diff is short."""
    begin, _, rest = text.partition("(")
    lines, depth, line = [f"{begin}("], 0, ""
    for at, letter in enumerate(rest):
        depth += (letter in "([{") - (letter in ")]}")
        if depth < 0:
            return "\n".join([*lines, f"    {line.strip()},", rest[at:]])
        if letter == "," and not depth:
            lines.append(f"    {line.strip()},")
            line = ""
        else:
            line += letter
    raise AssertionError(f"no end of the parameters in {text!r}")


@cache
def tree_of(module: str) -> ast.Module:
    source = inspect.getsource(sys.modules[module])
    return ast.parse(source)


def value_of(module: str, name: str) -> str:
    """The definition of a type's other name, such as a `Literal`; "" for any other value."""
    package = module if hasattr(sys.modules[module], "__path__") else module.rpartition(".")[0]
    for node in tree_of(module).body:
        match node:
            case ast.AnnAssign(ast.Name(found), ast.Name("TypeAlias")) | ast.Assign(
                [ast.Name(found)], ast.Subscript() | ast.BinOp()
            ) if found == name:
                assert node.value is not None
                return f"{name} = {ast.unparse(node.value)}"
            case ast.ImportFrom(source, names, level) if name in [alias.name for alias in names]:
                relative = "." * level + (source or "")
                return value_of(importlib.util.resolve_name(relative, package), name)
    return ""


# -- the table

Table = dict[tuple[str, str], str]
"""By module and name."""


@cache
def actual() -> tuple[Table, dict[str, str]]:
    """The table as the code has it; and the modules whose optional part is missing, and why."""
    table: Table = {}
    missing: dict[str, str] = {}
    seen: dict[int, str] = {}
    for name in MODULES:
        try:
            module = importlib.import_module(name)
        except MissingExtraError as error:
            missing[name] = str(error)
            continue
        table |= {(name, public): text for public, text in described(module, seen)}
    return table, missing


@cache
def pinned() -> Table:
    """The table as the file has it."""
    table: Table = {}
    module = ""
    for block in FILE.read_text(encoding="utf-8").strip().split("\n\n"):
        if block.startswith("# -- "):
            module = block.removeprefix("# -- ")
        elif not block.startswith("#"):
            (node,) = ast.parse(block).body[:1]
            table[module, next(defined(node))] = block
    return table


def defined(node: ast.stmt) -> Iterator[str]:
    """The name that a statement of the file defines."""
    match node:
        case ast.ClassDef(name) | ast.FunctionDef(name) | ast.AsyncFunctionDef(name):
            yield name
        case ast.Assign([ast.Name(name)]) | ast.AnnAssign(ast.Name(name)):
            yield name
        case ast.ImportFrom(_, [alias]):
            yield alias.name


def rewrite() -> None:
    """Write the file anew. What is of a missing optional part stays as it is."""
    table, missing = actual()
    kept = {key: text for key, text in pinned().items() if key[0] in missing}
    blocks = [HEAD]
    for module in MODULES:
        blocks.append(f"# -- {module}")
        blocks += [text for key, text in (table | kept).items() if key[0] == module]
    FILE.write_text("\n\n".join(blocks) + "\n", encoding="utf-8")
    for reason in missing.values():
        print(f"kept as it was: {reason}")


HEAD = "# What users are promised: every public name, with its members and signatures."


def of_missing(module: str) -> None:
    """Skip the test where the module's optional part is not installed."""
    if reason := actual()[1].get(module):
        pytest.skip(reason)


@pytest.mark.parametrize(("module", "name"), sorted({*actual()[0], *pinned()}))
def test_a_public_name_is_as_the_table_has_it(module: str, name: str) -> None:
    """A public name has exactly the members and signatures that the table shows."""
    of_missing(module)
    found = actual()[0].get((module, name), "")
    assert found.splitlines() == pinned().get((module, name), "").splitlines()


def test_the_table_has_all_modules_that_users_import_from() -> None:
    """The table has a part for each public module, in this order."""
    assert tuple(dict.fromkeys(module for module, _ in pinned())) == MODULES


def test_each_attribute_has_a_type() -> None:
    """No public attribute is without a type in the table: it is annotated where it is set."""
    nodes = [node for text in pinned().values() for node in ast.walk(ast.parse(text))]
    bare = [node.value for node in nodes if isinstance(node, ast.Expr)]
    assert [ast.unparse(node) for node in bare if isinstance(node, ast.Name)] == []


@pytest.mark.parametrize("cls", sorted(INTERNAL))
def test_what_is_no_promise_is_there(cls: str) -> None:
    """Each member that the table leaves out as internal exists, so that the list stays short."""
    found = [base for base in bases() if base.__name__ == cls]
    if not found:
        of_missing("rxbosbase.dashboard")
        of_missing("rxbosbase.dataframes")
    there = {*dir(found[0]), *(name for name, _ in annotated(found[0]))}
    assert INTERNAL[cls] - there == set()


def bases() -> Iterator[type]:
    """The classes of the table that can be imported here, and their bases."""
    for module, name in actual()[0]:
        item = getattr(sys.modules[module], name)
        yield from inspect.getmro(item) if inspect.isclass(item) else ()


@pytest.mark.parametrize("name", sorted(GIVEN))
def test_what_the_library_makes_is_public(name: str) -> None:
    """Each class whose constructor is no promise is in the table."""
    assert name in {public for _, public in pinned()}


def functions() -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    """The functions and methods of the table, without those whose overloads users see instead."""
    found = [
        node
        for node in ast.walk(ast.parse("\n\n".join(pinned().values())))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    hidden = {id(n) for n, after in pairwise(found) if overloads(after) and not overloads(n)}
    return [node for node in found if id(node) not in hidden]


def overloads(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return [ast.unparse(decorator) for decorator in node.decorator_list] == ["overload"]


def test_keywords_are_named_but_for_the_values_of_a_filter() -> None:
    """No public signature takes any keyword: `filter` alone has names that callers choose."""
    keywords = [(node.name, node.args.kwarg) for node in functions()]
    loose = [name for name, each in keywords if each and ast.unparse(each).endswith(": Any")]
    assert loose == ["filter"]


if __name__ == "__main__":
    rewrite()
