"""When a refusal (400, 401, 403, 404) is the server's answer, and when a sign of trouble. Pure.

A server whose database is away refuses what it would answer otherwise. Measured on BosBase: lists
get 400, a superuser's list of a locked collection 403, single records 404, and ``auth-refresh``
401. So a refusal is believed where nothing but the question can be its reason. `CONTROLS` is the
table of the control questions that show it; `RefusalCount` counts.

- At first use, one refusal is final if it is believed. After a control question that is answered
  well, the question is asked again, and has to be refused with the same status each time,
  `ATTEMPTS` in all: the database may have come back between the two, and each of the server's
  connections to it may fail once (after a restart, and after a change of a collection's fields).
- Once the server has accepted a question, so many refusals of one status are final, each of them
  believed, over so many seconds: `REFUSALS`, `REFUSAL_SECONDS`.
- All else is trouble: the question is asked again later.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

__all__ = (
    "ATTEMPTS", "CONTROLS", "OK", "REFUSALS", "REFUSAL_SECONDS", "REPEAT_SECONDS", "STATUSES",
    "Control", "Kind", "RefusalCount", "is_believed",
)  # fmt: skip

ATTEMPTS = 3
"""Equal refusals in a row, with a control question in between, that are one believed refusal. At
most two connections to the database in a row were seen to fail."""

REFUSALS = 3
"""Refusals of a question that had been accepted, after which it counts as refused …"""

REFUSAL_SECONDS = 30.0
"""… and the seconds that are between the first and the last of them at least."""

REPEAT_SECONDS = 10.0
"""Seconds after which a refused question that had been accepted is asked again."""

OK = 200
"""The status of a control question that is answered."""


class Kind(Enum):
    """The kinds of questions."""

    LIST = "a list of records"
    RECORD = "one record"
    LOGIN = "auth-refresh"


class Control(Enum):
    """What shows that a refusal is the server's answer."""

    NOTHING = "nothing: it is believed at once"
    LIST = "the collection's list, with perPage=1 alone, is answered with 200"
    ANY_LIST = "that list, or another, is answered with 200, or all are refused and believed"
    LOGIN = "auth-refresh is answered with 200"


CONTROLS: dict[tuple[Kind, int], tuple[Control, Control]] = {
    # a question, and its refusal: what shows it for a guest, and for a login
    (Kind.LIST, 404): (Control.NOTHING, Control.NOTHING),
    (Kind.LIST, 403): (Control.NOTHING, Control.LOGIN),
    (Kind.LIST, 400): (Control.LIST, Control.LIST),
    (Kind.RECORD, 404): (Control.ANY_LIST, Control.ANY_LIST),
    (Kind.RECORD, 403): (Control.NOTHING, Control.LOGIN),
    (Kind.RECORD, 400): (Control.LIST, Control.LIST),
    (Kind.LOGIN, 400): (Control.LIST, Control.LIST),
    (Kind.LOGIN, 401): (Control.LIST, Control.LIST),
    (Kind.LOGIN, 403): (Control.LIST, Control.LIST),
    (Kind.LOGIN, 404): (Control.LIST, Control.LIST),
}
"""The control question of each refusal. What is not in the table is trouble."""

STATUSES = frozenset(status for _, status in CONTROLS)
"""The statuses of refusals."""


def is_believed(kind: Kind, status: int, *, has_login: bool, ask: Callable[[Control], int]) -> bool:
    """Return True if a refusal with this status is the server's answer.

    Args:
        has_login: True if the question was asked with a token.
        ask: asks a control question, `Control.LIST` or `Control.LOGIN`; returns the status of the
            answer, 0 where there is none.

    >>> is_believed(Kind.LIST, 404, has_login=True, ask=lambda control: 0)
    True
    >>> is_believed(Kind.RECORD, 404, has_login=True, ask=lambda control: 400)
    False
    """
    controls = CONTROLS.get((kind, status))
    if controls is None:
        return False
    control = controls[has_login]
    if control is Control.NOTHING:
        return True
    if control is Control.ANY_LIST:
        answer = ask(Control.LIST)
        if answer in (403, 404):
            return is_believed(Kind.LIST, answer, has_login=has_login, ask=ask)
        return answer == OK
    return ask(control) == OK


class RefusalCount:
    """Whether a question is refused for good, by the answers to it so far.

    Attributes:
        is_accepted: True once the server has accepted the question.

    >>> refusals = RefusalCount(is_accepted=True)
    >>> [refusals.refused(400, now) for now in (0.0, 15.0, 29.0, 30.0)]
    [False, False, False, True]
    >>> RefusalCount().refused(400, now=0.0)
    True
    """

    def __init__(self, *, is_accepted: bool = False) -> None:
        self.is_accepted = is_accepted
        self._status = 0
        self._refusals = 0
        self._refused_at = 0.0  # the first of them

    def accepted(self) -> None:
        """Note that the server has accepted the question."""
        self.is_accepted = True
        self._refusals = 0

    def troubled(self) -> None:
        """Note that the question could not be answered: the refusals before count no more."""
        self._refusals = 0

    def refused(self, status: int, now: float) -> bool:
        """Note a refusal that is believed; return True if the question is refused for good."""
        if status != self._status or not self._refusals:
            self._status, self._refusals, self._refused_at = status, 0, now
        self._refusals += 1
        if not self.is_accepted:
            return True
        return self._refusals >= REFUSALS and now - self._refused_at >= REFUSAL_SECONDS
