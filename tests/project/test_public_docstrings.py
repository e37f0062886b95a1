"""The docstrings of the public names are whole: what `help` shows is all that a user needs.

`lacking` says what a docstring lacks: the meaning of a parameter, the unit of a time, the result,
an error that the code raises, the source of a protocol's rule, or an example.
`tests/docs/test_docstrings.py` runs the examples.
"""

from __future__ import annotations

import ast
import builtins
import dataclasses
import importlib
import inspect
import re
import textwrap
import types
import typing
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from project.raised_errors import error_class, raised_by
from project.test_public_names import GIVEN, INTERNAL, MODULES, OURS

import rxbosbase
from rxbosbase import errors
from rxbosbase.auth.store import token_claims
from rxbosbase.errors import MissingExtraError
from rxbosbase.realtime.api import check_seconds
from rxbosbase.records.collections import Collections
from rxbosbase.records.requests import Records

UNIT = re.compile(r"second|times|as (?:in|for) ")
"""What the meaning of a number with a fraction has to name."""

NEVER = {
    ("BosBase.health", "TypeError"),  # it has no arguments
    ("BosBase.health", "ValueError"),
    ("EmbeddedServer.start", "ClientClosedError"),  # it restarts only a server that has a home
    ("VirtualClock.run", "ValueError"),  # 0 s are a valid time
}
"""Errors of a called function that the caller's arguments cannot cause."""

KNOWN = {**vars(builtins), **vars(errors)}
"""The errors that a docstring may name, among others."""

SOURCE = re.compile(
    r"^Source: (RFC \d+, \d|HTML Living Standard, \d|(PocketBase|fexpr), ``\S+\.go``, ``\w+``)",
    re.MULTILINE,
)
"""Where the rules of a protocol stand: a standard's section, or a function of the server."""

RULES = {
    r"2500 bytes|after 300 \(": r"PocketBase, ``\S+\.go``, ``\w+``",
    r"retry_after|Retry-After": r"RFC 9110, 10\.2\.3",
    r"``exp``": r"RFC 7519,\s+4\.1\.4",
}
"""The rules of a protocol that docstrings mention, and the source that each of them names."""

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


def unlisted(function: Callable[..., Any], owner: type | None, listed: str) -> Iterator[str]:
    """Yield ``Raises …`` for each error that neither it nor a base of it is listed.

    ``Exception`` stands for what a callback raises, and for no error of the library.
    """
    words = [error_class(KNOWN.get(word)) for word in re.findall(r"\w+", listed)]
    bases = tuple(word for word in words if word not in (Exception, BaseException))
    for name, error in sorted(raised_by(function, owner).items()):
        covered = name in listed or issubclass(error, bases)
        if not covered and (function.__qualname__, name) not in NEVER:
            yield f"Raises {name}"


# -- what is lacking


def lacking(item: Any, owner: type | None = None) -> list[str]:
    """Return what the docstring of a function, a class or a property lacks.

    An example of the class `owner` that calls the method is an example of the method, too.
    """
    doc = inspect.cleandoc(item.__doc__ or "")
    if not doc:
        return ["a docstring"]
    missing = [
        f"the source of {rule}"
        for rule, source in RULES.items()
        if re.search(rule, doc) and not re.search(source, doc)
    ]
    if isinstance(item, property):
        return [*missing, *(unlisted(item.fget, owner, doc) if item.fget else ())]
    if inspect.isclass(item):
        return [*missing, *of_class(item, doc)]
    shown = EXAMPLE.search(doc) or shows(owner, item.__name__)
    return [*missing, *of_function(item, doc, owner), *([] if shown else ["an example"])]


def shows(owner: type | None, method: str) -> bool:
    """Return True if the example of a class calls the method."""
    examples = re.findall(
        r"^ *(?:>>>|\.\.\.) .*", owner.__doc__ or "" if owner else "", re.MULTILINE
    )
    return any(f".{method}(" in line for line in examples)


def of_function(function: Callable[..., Any], doc: str, owner: type | None) -> Iterator[str]:
    """Yield what is lacking of a function's parameters, result and errors."""
    plain = inspect.signature(function)
    yield from of_parameters(plain, entries(section(doc, "Args")))
    says = re.search(r"\b[Rr]eturn|Yield", first_sentence(doc)) or section(doc, "Returns")
    if plain.return_annotation not in (None, "None", inspect.Signature.empty) and not says:
        yield "Returns"
    yield from unlisted(function, owner, section(doc, "Raises"))


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
        yield from unlisted(init, cls, section(doc, "Raises"))
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


def promised(module: types.ModuleType) -> Iterator[tuple[str, Any, type | None]]:
    """Yield each public class, function, method and property of a module: its name, itself, and
    the class that it is a member of."""
    for public in module.__all__:
        item = getattr(module, public)
        if inspect.isclass(item) and item.__module__.startswith(OURS):
            yield item.__qualname__, item, None
            for member, found in members(item):
                yield f"{item.__qualname__}.{member}", found, item
        elif inspect.isfunction(item):
            yield f"{module.__name__}.{public}", item, None


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
def public() -> dict[str, list[str]]:
    """What the docstring of each public name lacks, without those of a missing extra."""
    found: dict[str, list[str]] = {}
    for module in MODULES:
        try:
            items = promised(importlib.import_module(module))
        except MissingExtraError:
            continue
        found |= {name: lacking(item, owner) for name, item, owner in items}
    return found


@pytest.mark.parametrize("name", sorted(public()))
def test_a_docstring_is_whole(name: str) -> None:
    """A docstring has each parameter, the result, the errors and an example that runs."""
    assert not public()[name]


REQUEST_ERRORS = (
    "ClientResponseError",
    "RequestTimeoutError",
    "ConnectionFailedError",
    "ProtocolError",
    "ClientClosedError",
)


@pytest.mark.parametrize("cls", [Records, Collections])
def test_a_class_of_requests_names_what_each_request_raises(cls: type) -> None:
    """A class of requests names the errors of all of them, for the methods that refer to it."""
    assert [name for name in REQUEST_ERRORS if name not in (cls.__doc__ or "")] == []


@pytest.mark.parametrize(
    "method", [each for cls in (Records, Collections) for _, each in members(cls)]
)
def test_a_request_refers_to_the_errors_of_all_requests(method: Callable[..., Any]) -> None:
    """A method that makes a request lists that it can fail, in each of these ways."""
    assert "BosBaseError" in section(inspect.cleandoc(method.__doc__ or ""), "Raises")


# -- the modules that implement a protocol

PACKAGE = Path(rxbosbase.__file__).parent


def protocol_modules() -> Iterator[str]:
    """Yield the modules of `realtime/protocol`, those of `http` that find the other side's bytes
    at fault, and two elsewhere that follow the server's source."""
    for path in sorted([*PACKAGE.glob("realtime/protocol/*.py"), *PACKAGE.glob("http/*.py")]):
        at_fault = re.search(r"raise (ProtocolError|MalformedHead)\b", path.read_text())
        if path.stem != "__init__" and (path.parent.name == "protocol" or at_fault):
            yield path.relative_to(PACKAGE).as_posix()
    yield from ("realtime/session/topic_submission.py", "records/filters.py")


@pytest.mark.parametrize("name", [*protocol_modules()])
def test_a_protocol_names_its_source(name: str) -> None:
    """A module that implements a protocol names the standard or the server's file at its top."""
    doc = ast.get_docstring(ast.parse((PACKAGE / name).read_text())) or ""
    assert SOURCE.search(doc)


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
        ("a thing", "2500 bytes", "the source of 2500 bytes|after 300 \\("),
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

    assert set(raised_by(caller)) == {"TypeError", "ValueError"}


class Reader:
    """A class whose methods raise by private ones."""

    def read(self) -> None:
        """Read."""
        self._read()

    def _read(self) -> None:
        raise errors.ProtocolError("half")

    @property
    def size(self) -> int:
        """The size."""
        raise LookupError("none")


def tolerant(text: str) -> dict[str, Any]:
    """Return the claims."""
    return token_claims(text)


def test_the_errors_of_a_private_method_are_those_of_its_caller(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A method raises what the private methods raise that it calls; a base's name covers it."""
    monkeypatch.setattr(Reader._read, "__module__", f"{OURS}.reader")
    assert list(unlisted(Reader.read, Reader, "ValueError: no object")) == ["Raises ProtocolError"]
    assert list(unlisted(Reader.read, Reader, "Exception")) == ["Raises ProtocolError"]
    assert list(unlisted(Reader.read, Reader, "BosBaseError")) == []


def test_a_caught_error_is_not_raised() -> None:
    """A function does not raise what a function that it calls catches."""
    assert raised_by(tolerant) == {}


def test_the_errors_of_a_property_are_found() -> None:
    """A property names the errors that it raises."""
    assert lacking(vars(Reader)["size"], Reader) == ["Raises LookupError"]
