"""Live panes for a web page or a notebook's cell. Needs ``pip install 'rxbosbase[dashboard]'``.

Each function returns a `Pane`. It is live in a Panel page (``panel serve``, ``pn.serve``) and in
a notebook after ``pn.extension()``; elsewhere it shows static HTML. Panes are painted at most
four times a second by default, and the last state is always painted. They run from when they are
shown until their page is closed or their cell is run again.

The command ``rxbosbase dashboard`` serves a page of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reactivex import Observable

from rxbosbase.client import BosBase
from rxbosbase.dashboard.pictures.feed import FeedPicture
from rxbosbase.dashboard.pictures.inspect import InspectorPicture
from rxbosbase.dashboard.pictures.rates import RatePicture
from rxbosbase.dashboard.pictures.status import StatusPicture
from rxbosbase.dashboard.pictures.table import TablePicture
from rxbosbase.events import RecordEvent
from rxbosbase.live.engine.snapshot import Snapshot

from .pane import PER_SECOND, Pane

__all__ = ["Pane", "feed", "inspector", "rate_chart", "status", "table"]


def table(
    view: Observable[Snapshot[Any]],
    *,
    columns: Sequence[str] | None = None,
    title: str = "",
    per_second: float = PER_SECOND,
) -> Pane:
    """Return a live view as a table of its first 100 rows; changed cells are highlighted.

    Args:
        view: ``collection.live(…)``.
        columns: the fields, in this order; None: those of the records.
        title: above the table.
        per_second: the most paints in a second.

    Raises:
        ValueError: `per_second` is not more than 0.

    Example:
        ``table(posts.live(sort="-updated", limit=100), columns=["title", "updated"])``
    """
    return Pane(TablePicture(view, columns, title), per_second=per_second)


def status(client: BosBase, *, per_second: float = PER_SECOND) -> Pane:
    """Return the state of the client's connection, with the countdown to the next attempt."""
    return Pane(StatusPicture(client), per_second=per_second)


def feed(
    observable: Observable[RecordEvent[Any]],
    *,
    keep: int = 200,
    title: str = "Events",
    per_second: float = PER_SECOND,
) -> Pane:
    """Return the last `keep` events, the newest on top, with a button to pause.

    Events received in a pause are kept, 2000 at most, and shown when it ends.

    Raises:
        ValueError: `keep` is not a positive int, or `per_second` is not more than 0.

    Example:
        ``feed(posts.observe("*"))``
    """
    return Pane(FeedPicture(observable, keep, title), per_second=per_second)


def rate_chart(
    observable: Observable[RecordEvent[Any]],
    *,
    title: str = "Events a second",
    per_second: float = PER_SECOND,
) -> Pane:
    """Return the events of the last minute by action, a bar for each second."""
    return Pane(RatePicture(observable, title), per_second=per_second)


def inspector(
    view: Observable[Snapshot[Any]],
    *,
    id: str | None = None,
    title: str = "Inspector",
    per_second: float = PER_SECOND,
) -> Pane:
    """Return one record with all fields, and what its last change has changed.

    Args:
        id: the record to show; None follows the last change, until a record is chosen in the pane.
    """
    picture = InspectorPicture(view, title)
    picture.pick(id)
    return Pane(picture, per_second=per_second)
