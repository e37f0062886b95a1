"""What a live view's pure core says to its driver, and the numbers it goes by.

Every input of a reducer or a window returns one `Effects`. Times are seconds of any clock that
never goes back; the core takes them as arguments and owns no clock itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, TypeAlias

from rxbosbase.runtime.retry_delay import Delay, longest_wait

__all__ = [
    "Ask", "Edit", "Effects", "ReadLiterals", "ReadOrder", "ReadPage", "ReadRequest", "ReadWindow",
    "Record", "Rules",
]  # fmt: skip

Record: TypeAlias = dict[str, Any]
"""A row as the server sent it. Shared by all who see it: never changed in place."""


DOUBLED: Delay = partial(longest_wait, initial=1.0, factor=2.0, maximum=30.0)
"""The wait after so many failures, without jitter: this module is pure. `make` adds jitter."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The numbers of a live view. Seconds, if not said otherwise.

    The defaults are the contract; tests make them small, and ``reconcile`` is the user's.
    """

    together: float = 2.0
    """Two changes of a record heard this close to one another may have arrived swapped."""
    quiet: float = 0.2
    """A record in doubt is asked about once nothing was heard of it for so long."""
    patience: float = 2.0
    """… and after so long at the latest, however often it is heard of."""
    spacing: float = 0.1
    """Questions begin at least this far apart, so that they gather; unless the last was full."""
    remember: float = 5.0
    """How long a hint, an event or a grave counts against late frames."""
    before_loss: float = 10.0
    """An equal ``updated`` proves nothing for records changed so shortly before a loss."""
    recent: float = 5.0
    """A read of recent rows goes back so far behind the newest ``updated`` seen."""
    reconcile: float = 60.0
    """The whole view is compared with the server this often; ``math.inf`` for never."""
    delay: Delay = DOUBLED
    """A failed read is made again after so long, by how many failed in a row."""
    batch: int = 100
    """Ids in one question: about what a filter of 3500 characters holds."""
    page: int = 1000
    """Rows in one page: the server's own limit."""
    trust_updated: bool | None = None
    """True: ``updated`` is known to move with every write. False: it is not. None: find out."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Read the rows of the view's query whose id is among ``ids`` (at most ``Rules.batch``)."""

    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReadPage:
    """Read at most ``Rules.page`` rows of the view's query, sorted by ``id``.

    Attributes:
        after: only rows whose id is greater; "" for the first page.
        whole: True for whole rows; False if ``id,updated`` are enough, and the same two of every
            expanded record.
        since: only rows whose ``updated`` is not before this; "" for all.
        arranged: the first rows in the order of the view's own sort, instead of by ``id``.
    """

    after: str = ""
    whole: bool = True
    since: str = ""
    arranged: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class ReadOrder:
    """Read all rows of the view's query in the order of its sort: of each its id and what it is
    sorted by."""


@dataclass(frozen=True, slots=True)
class ReadLiterals:
    """Read one row of the view's collection if ``condition`` is true, which names no field."""

    condition: str


@dataclass(frozen=True, slots=True, eq=False)
class ReadWindow:
    """Read the rows of the view's query, with its sort and limit."""


ReadRequest: TypeAlias = Ask | ReadPage | ReadOrder | ReadLiterals | ReadWindow


@dataclass(frozen=True, slots=True)
class Edit:
    """One record of the view, before and after: ``None`` where it is not in the view.

    ``caught_up`` marks what was learned by catching up after a gap instead of from the stream.
    """

    id: str
    before: Record | None
    record: Record | None
    caught_up: bool = False


class Effects(NamedTuple):
    """What one input brought about.

    Attributes:
        edits: what to show, in order; each ``before`` is what was shown last.
        read: a read to begin now. It stays the reducer's one read until it is answered, until it
            fails, or until an input says that frames were lost: then it may be cancelled, and an
            answer to it is ignored.
        loaded: True once there is something to show: a first complete snapshot, empty or not.
        fresh: True if the view may be trusted.
        wake: the time at which to call ``tick``, or None for "not before the next input". It
            replaces the one before, so that one timer is enough.
        rows: of a window, all rows to show now, if they were read anew; for `Snapshot.arrange`.
        caught_up: these were read to mend a gap.
    """

    edits: tuple[Edit, ...]
    read: ReadRequest | None
    loaded: bool
    fresh: bool
    wake: float | None
    rows: tuple[Record, ...] | None = None
    caught_up: bool = False
