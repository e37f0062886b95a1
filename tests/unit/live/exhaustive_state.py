"""States of sequences: how they are copied, and when two of them are the same.

The search of `exhaustive` goes on from each state once. Two states are the same if the same can
follow: so times count from now, and of a step, the reducer's clock without ties, counts only
whether it is after the read in flight was asked for, or the pass under way was begun. That is what
the rules compare. What is longer ago than `LONG_AGO` is equally old, as no rule looks back so far.
"""

from __future__ import annotations

import io
import marshal
import pickle
from collections import OrderedDict
from collections.abc import Callable
from functools import cache
from hashlib import blake2b
from typing import Any

from rxbosbase.live.engine.messages import Rules

__all__ = ["HORIZON", "PAGE", "digest", "freeze", "make_rules", "seen_from", "thaw"]

PAGE = 3  # rows, more than there are records
HORIZON = 100.0  # s in which any recheck has ended
NEVER = 1e6  # s between two reconciles: not within any sequence
LONG_AGO = 30.0  # s

PLAIN = frozenset({str, bool, int, type(None)})
UNSEEN = frozenset({"_rules", "_delay", "_step", "_now"})  # the same in all states, or counted from

SLOTS: dict[type, tuple[str, ...]] = {}


@cache
def make_rules(trusted: bool | None) -> Rules:
    """The rules of the views in all sequences, where no read fails."""
    return Rules(batch=2, page=PAGE, reconcile=NEVER, delay=float, trust_updated=trusted)


class _Pickler(pickle.Pickler):
    """Of the rules only what differs: pickling a dataclass costs more than all else."""

    dispatch_table = {Rules: lambda rules: (make_rules, (rules.trust_updated,))}  # noqa: RUF012


def freeze(state: object) -> bytes:
    """Return a copy as bytes, for `thaw`."""
    buffer = io.BytesIO()
    _Pickler(buffer, 5).dump(state)
    return buffer.getvalue()


def thaw(frozen: bytes) -> Any:
    """Return a new copy of what was frozen."""
    return pickle.loads(frozen)


def digest(state: Any) -> bytes:
    """16 bytes that are equal for equal values of the plainest types."""
    return blake2b(marshal.dumps(state, 2), digest_size=16).digest()


def seen_from(now: float, steps: tuple[float, ...]) -> Callable[[Any], Any]:
    """Gives the function that writes a value as it is seen at a time.

    Args:
        now: the time.
        steps: the reducer's steps at which the read in flight was asked for, and the pass under way
            was begun; ``inf`` where there is none.
    """

    def write(value: Any) -> Any:
        kind = type(value)
        if kind in PLAIN:
            return value
        if kind is float:
            age = now - value
            return round(age, 4) if -HORIZON <= age <= LONG_AGO else "old" if age > 0 else "far"
        if kind is dict or kind is OrderedDict:
            if "id" in value:
                return tuple(value.values())  # a row
            return tuple([(key, write(each)) for key, each in value.items() if key not in UNSEEN])
        if kind is list or kind is tuple:
            return tuple([each if type(each) in PLAIN else write(each) for each in value])
        if kind is set or kind is frozenset:
            return tuple(sorted(map(write, value), key=repr))
        names = _names(kind) or sorted(vars(value))
        return tuple(
            [
                _since(steps, getattr(value, name))
                if "step" in name
                else write(getattr(value, name))
                for name in names
                if name not in UNSEEN
            ]
        )

    return write


def _since(steps: tuple[float, ...], step: float) -> tuple[bool, ...]:
    return tuple([step > each for each in steps])


def _names(kind: type) -> tuple[str, ...]:
    """The slots of a class and its bases."""
    if kind not in SLOTS:
        bases = kind.__mro__
        SLOTS[kind] = tuple(name for base in bases for name in getattr(base, "__slots__", ()))
    return SLOTS[kind]
