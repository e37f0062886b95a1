"""Operators for streams of record events: what RxPY lacks.

Use them as ``from rxbosbase import operators as rxb``. Each works on any ``reactivex.Observable``,
keeps its state per subscription, and releases it when disposed. The tests run the diagrams in the
docstrings; one character is one second::

    a1 +a1 ~a1   an update, a create, a delete of record "a" in its version 1
    (a1b1)       in the same moment
    | #          completion, error
    A … Z        another value, named below the diagram

Timed ones run on their ``scheduler=`` argument, else on the one given to ``subscribe`` (which
streams of this library do by themselves), else on RxPY's ``TimeoutScheduler``.
"""

from __future__ import annotations

from .bounded_observe_on import BufferOverflowError, Overflow, bounded_observe_on
from .changed import FieldChange, changed
from .conflate_by_id import conflate_by_id
from .debounce_by_id import debounce_by_id
from .distinct_record import distinct_record
from .of_action import of_action
from .rate import rate
from .records import records
from .retry_with_backoff import retry_with_backoff
from .to_state import to_state

__all__ = (
    "BufferOverflowError",
    "FieldChange",
    "Overflow",
    "bounded_observe_on",
    "changed",
    "conflate_by_id",
    "debounce_by_id",
    "distinct_record",
    "of_action",
    "rate",
    "records",
    "retry_with_backoff",
    "to_state",
)
