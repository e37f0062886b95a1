"""``changed``: only the updates that touch certain fields, with before and after."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic

from reactivex import Observable

from rxbosbase.encoding.narrowing import is_mapping, is_sequence
from rxbosbase.encoding.record import T
from rxbosbase.events import RecordEvent

from ._common import by_id

__all__ = ("FieldChange", "changed")


@dataclass(frozen=True, slots=True)
class FieldChange(Generic[T]):
    """An update that changed one of the fields asked for. `changed` emits it.

    Attributes:
        event: the update.
        before: the named fields as they were in the record's preceding event.
        after: the named fields as they are now. A field the record lacks is None.

    >>> saved = RecordEvent("posts/*", "update", {"id": "a", "n": 5, "by": "me"})
    >>> FieldChange(saved, {"n": 1, "by": "me"}, {"n": 5, "by": "me"}).fields
    ('n',)
    """

    event: RecordEvent[T]
    before: dict[str, Any]
    after: dict[str, Any]

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of the fields that differ."""
        return tuple(name for name, value in self.after.items() if value != self.before[name])


def changed(*fields: str) -> Callable[[Observable[RecordEvent[T]]], Observable[FieldChange[T]]]:
    """Emit a `FieldChange` for each update in which one of `fields` differs from before.

    The first event of a record, and each create, is stored and emits nothing, as there is no value
    before. A delete removes the record. Here ``v`` is saved again unchanged, then changed::

        source:  a1--a1--a2--~a2-a3--|
        call:    changed("v")
        result:  --------C-----------|
        where:   C = FieldChange(event("a2"), {"v": 1}, {"v": 2})

    Args:
        fields: names of fields, or of a model's attributes. A dot reaches into objects and
            expanded relations (``"expand.author.name"``), a number into lists (``"tags.0"``).

    Returns:
        an operator for ``pipe``: record events in, `FieldChange` out.

    Raises:
        ValueError: no field. An event without a record id is one in ``on_error``.

    >>> import reactivex
    >>> def save(n): return RecordEvent("posts/*", "update", {"id": "a", "n": n, "by": "me"})
    >>> reactivex.of(save(1), save(1), save(5)).pipe(changed("n")).run().after
    {'n': 5}
    """
    names: tuple[object, ...] = fields
    if not names or not all(isinstance(name, str) and name for name in names):
        raise ValueError("changed needs the names of fields, for example changed('status')")
    paths = {name: tuple(name.split(".")) for name in fields}

    def make() -> Callable[[RecordEvent[T], str], FieldChange[T] | None]:
        last: dict[str, dict[str, Any]] = {}

        def difference(event: RecordEvent[T], key: str) -> FieldChange[T] | None:
            if event.action == "delete":
                last.pop(key, None)
                return None
            before = last.get(key)
            after = {name: _reach(event.record, path) for name, path in paths.items()}
            last[key] = after
            if event.action != "update" or before is None or before == after:
                return None
            return FieldChange(event, dict(before), dict(after))

        return difference

    return by_id(make)


def _reach(value: Any, path: tuple[str, ...]) -> Any:
    for step in path:
        if is_mapping(value):
            value = value.get(step)
        elif is_sequence(value) and step.isdecimal():
            value = value[int(step)] if int(step) < len(value) else None
        elif type(value).__module__ != "builtins":
            value = getattr(value, step, None)  # of a model
        else:
            return None
    return value
