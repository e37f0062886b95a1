"""``of_action``: only creates, only updates, only deletes, or any two of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar, runtime_checkable

from reactivex import Observable
from reactivex import operators as ops

from rxbosbase.events import RecordEvent

__all__ = ("of_action",)

R = TypeVar("R")

ACTIONS = ("create", "update", "delete")


@runtime_checkable
class _Narrowable(Protocol):
    """A source that can leave other actions out before they are decoded."""

    def only(self, actions: frozenset[str]) -> Observable[Any]: ...


def of_action(
    *actions: str,
) -> Callable[[Observable[RecordEvent[R]]], Observable[RecordEvent[R]]]:
    """Pass only the events whose action is one of `actions`.

    On a stream of a collection the others are dropped before their records are decoded::

        source:  +a1--a2-+b1--~a2--#
        call:    of_action("create", "delete")
        result:  +a1-----+b1--~a2--#

    Args:
        actions: one or more of ``"create"``, ``"update"``, ``"delete"``.

    Returns:
        an operator for ``pipe``: record events in, fewer of them out.

    Raises:
        ValueError: no action, or an unknown one.

    >>> import reactivex
    >>> new = RecordEvent("posts/*", "create", {"id": "a"})
    >>> gone = RecordEvent("posts/*", "delete", {"id": "a"})
    >>> reactivex.of(new, gone).pipe(of_action("delete")).run()
    RecordEvent(delete on 'posts/*', id='a')
    """
    if not actions:
        raise ValueError("of_action needs at least one of 'create', 'update', 'delete'")
    for action in actions:
        if action not in ACTIONS:
            raise ValueError(f"an action is 'create', 'update' or 'delete', not {action!r}")
    wanted = frozenset(actions)

    def is_wanted(event: RecordEvent[R]) -> bool:
        return event.action in wanted

    def operator(source: Observable[RecordEvent[R]]) -> Observable[RecordEvent[R]]:
        if isinstance(source, _Narrowable):
            return source.only(wanted)  # close to the wire: dropped events are not decoded
        return source.pipe(ops.filter(is_wanted))

    return operator
