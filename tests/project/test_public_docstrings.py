"""The docstrings of the public names are whole: what `help` shows is all that a user needs.

`lacking` says what a docstring lacks: the meaning of a parameter, the unit of a time, the result,
an error that the code raises, or an example. `NOT_DONE` names those that lack something still.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import re
import textwrap
import types
import typing
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest
from project.test_public_names import GIVEN, INTERNAL, MODULES, OURS

from rxbosbase.errors import MissingExtraError
from rxbosbase.realtime.api import check_seconds

NOT_DONE: frozenset[str] = frozenset({
    "AuthState", "AuthStore.clear", "AuthStore.save", "BackoffPolicy", "BackoffPolicy.delay",
    "BackoffPolicy.exhausted", "BosBase", "BosBase.auto_refresh", "BosBase.close",
    "BosBase.collection", "BosBase.file_url", "BosBase.health", "BosBase.send", "Change",
    "Collection", "Collection.auth_refresh", "Collection.auth_with_password",
    "Collection.changes", "Collection.create", "Collection.delete", "Collection.events",
    "Collection.get_first_list_item", "Collection.get_full_list", "Collection.get_list",
    "Collection.get_one", "Collection.iter_records", "Collection.learn_filter_dialect",
    "Collection.live", "Collection.live_record", "Collection.observe", "Collection.subscribe",
    "Collection.unsubscribe", "Collection.update", "Collections", "Collections.create",
    "Collections.delete", "Collections.get", "Collections.get_list", "Collections.import_",
    "Collections.update", "EventIterator", "EventIterator.close", "FileAuthStore",
    "FileAuthStore.clear", "FileAuthStore.save", "Latest", "Latest.pipe", "Latest.run",
    "Latest.subscribe", "LiveView", "LiveView.changes", "LiveView.pipe", "LiveView.record",
    "LiveView.run", "LiveView.subscribe", "LiveView.wait_fresh", "MalformedEvent",
    "MissingExtraError", "Realtime", "Realtime.observe", "Realtime.reconnect_now",
    "Realtime.subscribe", "Realtime.unsubscribe", "Realtime.wait_active", "ReceivedAt",
    "Snapshot.since", "Stats", "Status", "Stream", "Stream.pipe", "Stream.run",
    "Stream.subscribe", "StreamLostError", "Unsubscribe", "Unsubscribe.dispose",
    "rxbosbase.live.apply_changes",
})  # fmt: skip
"""Public names whose docstrings lack a part. Take out what is done; add nothing."""

UNIT = re.compile(r"second|times|as (?:in|for) ")
"""What the meaning of a number with a fraction has to name."""

CHECKS = re.compile(r"check_|checked_|running_loop$|encodable$")
"""Functions that refuse an argument: their errors are those of the caller."""

EXAMPLE = re.compile(r"^ *>>> ", re.MULTILINE)


# -- what a docstring has


def section(doc: str, title: str) -> str:
    """Return the lines below a title such as ``Args:``; "" where there are none."""
    found = re.search(rf"^{title}::?\n((?:[ \t]+.*\n|\n)*)", doc + "\n", re.MULTILINE)
    return textwrap.dedent(found[1]) if found else ""


def entries(text: str) -> dict[str, str]:
    """Return the meanings in a section, by name; ``a, b: text`` has one for each."""
    found: dict[str, str] = {}
    for names, meaning in re.findall(r"^(\S.*?): +((?:.|\n(?=[ \t]|\n[ \t]))*)", text, re.M):
        found |= {name.strip(" *`"): meaning for name in names.split(",")}
    return found


def first_sentence(doc: str) -> str:
    """Return the docstring's beginning, up to a full stop or the end of the paragraph."""
    paragraph = " ".join(doc.split("\n\n")[0].split())
    return re.split(r"(?<=[.!?]) |: ", paragraph)[0]


# -- what the code does


def tree_of(function: Callable[..., Any]) -> ast.AST:
    return ast.parse(textwrap.dedent(inspect.getsource(function)))


def own_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of a function without those of the functions inside it."""
    (top,) = tree.body if isinstance(tree, ast.Module) else (tree,)
    waiting = list(ast.iter_child_nodes(top))
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            waiting += ast.iter_child_nodes(node)


def raised_by(function: Callable[..., Any]) -> set[str]:
    """Return the names of the errors that a function raises itself, or by a check that it calls.

    What a ``raise`` catches, and what is raised from a variable, is not known here.
    """
    found: set[str] = set()
    for node in own_nodes(tree_of(function)):
        match node:
            case ast.Raise(ast.Call(ast.Name(name)) | ast.Name(name)) if name[:1].isupper():
                found.add(name)
            case ast.Call(ast.Name(name)) if CHECKS.match(name):
                check = inspect.unwrap(function).__globals__.get(name)
                found |= raised_by(check) if inspect.isfunction(check) else set()
    return found - {"StopAsyncIteration", "StopIteration"}


# -- what is lacking


def lacking(item: Any) -> list[str]:
    """Return what the docstring of a function, a class or a property lacks."""
    doc = inspect.cleandoc(item.__doc__ or "")
    if not doc:
        return ["a docstring"]
    if isinstance(item, property):
        return []
    if inspect.isclass(item):
        return list(of_class(item, doc))
    return list(of_function(item, doc))


def of_function(function: Callable[..., Any], doc: str) -> Iterator[str]:
    """Yield what is lacking of a function's parameters, result, errors and example."""
    plain = inspect.signature(function)
    yield from of_parameters(plain, entries(section(doc, "Args")))
    says = re.search(r"\b[Rr]eturn|Yield", first_sentence(doc)) or section(doc, "Returns")
    if plain.return_annotation not in (None, "None", inspect.Signature.empty) and not says:
        yield "Returns"
    errors = section(doc, "Raises")
    yield from (f"Raises {name}" for name in sorted(raised_by(function)) if name not in errors)
    if not EXAMPLE.search(doc):
        yield "an example"


def of_class(cls: type, doc: str) -> Iterator[str]:
    """Yield what is lacking of a class: its constructor's parameters or its fields, an example.

    An error needs no example, the keywords of a call neither that nor more than a sentence, and a
    class that the library makes no parameters.
    """
    meanings = entries(section(doc, "Args")) | entries(section(doc, "Attributes"))
    init = inspect.getattr_static(cls, "__init__")
    if typing.is_typeddict(cls):
        return
    if dataclasses.is_dataclass(cls) or hasattr(cls, "__struct_fields__"):
        fields = set(inspect.get_annotations(cls)) - set(meanings)
        yield from (f"the field {name}" for name in sorted(fields) if not name.startswith("_"))
    elif cls.__name__ not in GIVEN and inspect.isfunction(init) and init.__module__[:9] == OURS:
        plain = inspect.signature(init)
        yield from of_parameters(plain, meanings)
        errors = section(doc, "Raises")
        yield from (f"Raises {name}" for name in sorted(raised_by(init)) if name not in errors)
    if issubclass(cls, (Exception, dict)) or EXAMPLE.search(doc):
        return
    yield "an example"


def of_parameters(plain: inspect.Signature, meanings: dict[str, str]) -> Iterator[str]:
    for parameter in plain.parameters.values():
        if parameter.name in ("self", "cls"):
            continue
        if parameter.name not in meanings:
            yield f"the parameter {parameter.name}"
        elif is_number(parameter) and not UNIT.search(meanings[parameter.name]):
            yield f"the unit of {parameter.name}"


def is_number(parameter: inspect.Parameter) -> bool:
    """Return True for a parameter that takes a number with a fraction, and no function of one."""
    annotation = str(parameter.annotation)
    return "float" in annotation and "Callable" not in annotation


# -- the public names


def promised(module: types.ModuleType) -> Iterator[tuple[str, Any]]:
    """Yield each public class, function, method and property of a module, with its full name."""
    for public in module.__all__:
        item = getattr(module, public)
        if inspect.isclass(item) and item.__module__.startswith(OURS):
            yield item.__qualname__, item
            yield from ((f"{item.__qualname__}.{member}", found) for member, found in members(item))
        elif inspect.isfunction(item):
            yield f"{module.__name__}.{public}", item


def members(cls: type) -> Iterator[tuple[str, Any]]:
    """Yield the methods and properties of a class that need a docstring of their own.

    An override of one that is documented does the same, and needs none.
    """
    hidden = {name for base in cls.__mro__ for name in INTERNAL.get(base.__name__, ())}
    for name in sorted(set(dir(cls)) - hidden):
        owner = next((base for base in cls.__mro__ if name in vars(base)), object)
        if name.startswith("_") or not owner.__module__.startswith(OURS):
            continue
        found = inspect.getattr_static(cls, name)
        found = getattr(found, "__func__", found)
        if not (isinstance(found, property) or inspect.isfunction(found)):
            continue
        bases = (vars(base).get(name) for base in owner.__mro__[1:])
        if found.__doc__ or not any(base is not None and base.__doc__ for base in bases):
            yield name, found


@cache
def public() -> dict[str, Any]:
    """The public items by name, without those of a missing extra."""
    found: dict[str, Any] = {}
    for name in MODULES:
        try:
            found |= promised(importlib.import_module(name))
        except MissingExtraError:
            continue
    return found


@pytest.mark.parametrize("name", sorted(public()))
def test_a_docstring_is_whole(name: str) -> None:
    """A docstring has each parameter, the result, the errors and an example that runs."""
    missing = lacking(public()[name])
    if name in NOT_DONE:
        assert missing, f"{name} is done: take it out of NOT_DONE"
    else:
        assert not missing


def test_only_public_names_are_not_done() -> None:
    """The list of what is not done names public objects alone."""
    assert not {name for name in NOT_DONE if name not in public()}


# -- the rules themselves


def wait(timeout: float, what: str) -> bool:
    """Wait for a thing, and return whether it came.

    Args:
        timeout: the longest wait in seconds.
        what: the name
            of the thing.

    Raises:
        ValueError: `what` is empty.

    >>> wait(1.0, "it")
    True
    """
    if not what:
        raise ValueError(what)
    return timeout > 0


def test_a_whole_docstring_lacks_nothing() -> None:
    """A docstring with all parts lacks nothing."""
    assert lacking(wait) == []


@pytest.mark.parametrize(
    ("part", "other", "expected"),
    [
        ("        what: the name\n            of the thing.\n", "", "the parameter what"),
        ("wait in seconds", "wait", "the unit of timeout"),
        (", and return whether it came", "", "Returns"),
        ("ValueError", "TypeError", "Raises ValueError"),
        (">>> wait", "wait", "an example"),
    ],
)
def test_what_a_docstring_lacks_is_found(part: str, other: str, expected: str) -> None:
    """A docstring without one of its parts lacks exactly that part."""
    assert wait.__doc__ is not None
    copy = types.FunctionType(wait.__code__, wait.__globals__, "wait", wait.__defaults__)
    copy.__annotations__ = wait.__annotations__
    copy.__doc__ = wait.__doc__.replace(part, other)
    assert copy.__doc__ != wait.__doc__
    assert lacking(copy) == [expected]


def test_the_errors_of_a_check_are_those_of_its_caller() -> None:
    """A function raises what a check of its arguments raises, and not what a callback raises."""

    def caller(seconds: float) -> Callable[[], None]:
        check_seconds("seconds", seconds)

        def callback() -> None:
            raise KeyError(seconds)

        return callback

    assert raised_by(caller) == {"TypeError", "ValueError"}
