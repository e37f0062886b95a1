"""Which errors a function of the package raises, as far as its syntax tree tells."""

from __future__ import annotations

import ast
import builtins
import inspect
import textwrap
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from project.test_public_names import OURS

from rxbosbase import errors

ITERATION = {"StopAsyncIteration", "StopIteration"}
"""How an iterator ends, which is no error."""


def tree_of(function: Callable[..., Any]) -> ast.Module:
    return ast.parse(textwrap.dedent(inspect.getsource(function)))


def raised_by(
    function: Callable[..., Any], owner: type | None = None, depth: int = 3
) -> dict[str, type[BaseException]]:
    """Return the errors that a function raises itself, or by what it calls of the package.

    It follows functions, and methods of `owner` by ``self``, `depth` calls deep. What an ``except``
    around a call catches is left out, unless it is raised again. What is raised from a variable, or
    by a method of another object, is not known here.
    """
    plain = inspect.unwrap(function)
    scope = {**vars(builtins), **vars(errors), **plain.__globals__}
    (top,) = tree_of(plain).body
    found = errors_in(ast.iter_child_nodes(top), scope, owner, depth)
    return {name: error for name, error in found.items() if name not in ITERATION}


def errors_in(
    nodes: Iterable[ast.AST], scope: Mapping[str, Any], owner: type | None, depth: int
) -> dict[str, type[BaseException]]:
    """Return the errors raised in these nodes, without those of the functions inside them."""
    found: dict[str, type[BaseException]] = {}
    for node in nodes:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
                continue
            case ast.Try():
                caught = caught_by(node, scope)
                tried = errors_in(node.body, scope, owner, depth)
                found |= {name: e for name, e in tried.items() if not issubclass(e, caught)}
                rest = [*node.handlers, *node.orelse, *node.finalbody]
                found |= errors_in(rest, scope, owner, depth)
                continue
            case ast.Raise(ast.Call(raised)) | ast.Raise(ast.Name() | ast.Attribute() as raised):
                name = ast.unparse(raised).rpartition(".")[2]
                if name[:1].isupper():
                    found[name] = error_class(scope.get(name))
            case ast.Call(called) if depth:
                other = called_function(called, scope, owner)
                found |= raised_by(other, owner, depth - 1) if other else {}
        found |= errors_in(ast.iter_child_nodes(node), scope, owner, depth)
    return found


def called_function(
    called: ast.expr, scope: Mapping[str, Any], owner: type | None
) -> Callable[..., Any] | None:
    """Return the function of the package that a call is of; None where it is another."""
    match called:
        case ast.Name(name):
            found = scope.get(name)
        case ast.Attribute(ast.Name("self"), name) if owner is not None:
            found = inspect.getattr_static(owner, name, None)
        case _:
            return None
    found = getattr(found, "__func__", found)
    return found if inspect.isfunction(found) and found.__module__.startswith(OURS) else None


def caught_by(node: ast.Try, scope: Mapping[str, Any]) -> tuple[type[BaseException], ...]:
    """Return the errors that a ``try`` keeps to itself."""
    found: list[type[BaseException]] = []
    for handler in node.handlers:
        if any(isinstance(each, ast.Raise) and each.exc is None for each in ast.walk(handler)):
            continue
        kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
        names = [each.id for each in kinds if isinstance(each, ast.Name)]
        found += [scope[name] for name in names if isinstance(scope.get(name), type)]
    return tuple(found)


def error_class(found: object) -> type[BaseException]:
    """Return an error's class; BaseException, which nothing covers, for one that is not known."""
    return found if isinstance(found, type) and issubclass(found, BaseException) else BaseException
