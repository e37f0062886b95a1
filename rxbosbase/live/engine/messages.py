"""What the engine of a live view returns to its driver, and the numbers of its rules.

Every input of a reducer or a window returns one `Effects`. Times are seconds of any clock that
never goes back; the engine takes them as arguments and owns no clock itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, TypeAlias

from rxbosbase.encoding.record import Record
from rxbosbase.runtime.retry_delay import Delay, longest_wait

__all__ = (
    "DOUBLING_DELAY", "Edit", "Effects", "ReadIds", "ReadLiterals", "ReadOrder", "ReadPage",
    "ReadRequest", "ReadWindow", "Rules",
)  # fmt: skip

DOUBLING_DELAY: Delay = partial(longest_wait, initial=1.0, factor=2.0, maximum=30.0)
"""The wait after so many failures, without jitter: this module is pure. `factory` adds jitter."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The numbers of a live view. Seconds, unless noted.

    The defaults are the contract; tests make them small, and ``reconcile`` is the user's.
    """

    swap_window: float = 2.0
    """Two changes of a record received this close to one another may have arrived swapped."""
    quiet: float = 0.2
    """A record is rechecked once no event or hint of it was received for so long."""
    patience: float = 2.0
    """A record is rechecked after so long at the latest, however often events of it come."""
    spacing: float = 0.1
    """Rechecks begin at least this far apart, so that ids gather; unless the last was full."""
    remember: float = 5.0
    """How long a hint, an event or a tombstone counts against late frames."""
    before_loss: float = 10.0
    """An equal ``updated`` proves nothing for records changed so shortly before a loss."""
    recent: float = 5.0
    """A read of recent rows goes back so far behind the newest ``updated`` seen."""
    reconcile: float = 60.0
    """The whole view is compared with the server this often; ``math.inf`` for never."""
    delay: Delay = DOUBLING_DELAY
    """A failed read is made again after so long, by how many failed in a row."""
    batch: int = 100
    """Ids in one recheck: about what a filter of 3500 characters holds."""
    page: int = 1000
    """Rows in one page: the server's own limit."""
    trust_updated: bool | None = None
    """True: ``updated`` is known to move with every write. False: it is not. None: it is
    observed."""


@dataclass(frozen=True, slots=True)
class ReadIds:
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
        in_view_order: the first rows in the order of the view's own sort, instead of by ``id``.
    """

    after: str = ""
    whole: bool = True
    since: str = ""
    in_view_order: bool = False


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


ReadRequest: TypeAlias = ReadIds | ReadPage | ReadOrder | ReadLiterals | ReadWindow


@dataclass(frozen=True, slots=True)
class Edit:
    """One record of the view, before and after: ``None`` where it is not in the view.

    ``caught_up`` marks a change that was found by catching up after a gap instead of in the stream.
    """

    id: str
    before: Record | None
    record: Record | None
    caught_up: bool = False


class Effects(NamedTuple):
    """The effects of one input.

    Attributes:
        edits: what to show, in order; each ``before`` is what was shown last.
        read: a read to begin now. It stays the reducer's one read until it is answered, until it
            fails, or until an input reports lost frames: then it may be cancelled, and an answer to
            it is ignored.
        loaded: True once there is something to show: a first complete snapshot, empty or not.
        fresh: True if the view is connected and has caught up.
        wake: the time at which to call ``tick``, or None for "not before the next input". It
            replaces the one before, so that one timer is enough.
        rows: of a window, all rows to show now, if they were read again; for `Snapshot.with_rows`.
        caught_up: these were read to close a gap.
    """

    edits: tuple[Edit, ...]
    read: ReadRequest | None
    loaded: bool
    fresh: bool
    wake: float | None
    rows: tuple[Record, ...] | None = None
    caught_up: bool = False
