"""Live panes for a web page or a notebook's cell. Needs ``pip install 'rxbosbase[dashboard]'``.

Each function gives a `Pane`. It is live in a Panel page (``panel serve``, ``pn.serve``) and in a
notebook after ``pn.extension()``; elsewhere it shows a still picture. Panes are painted at most
four times a second unless told otherwise, the last state always; they run from when they are
shown until their page is closed or their cell is run again.

``rxbosbase dashboard`` is a whole page of them.
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
    """A live view as a table of its first 100 rows; what has changed lights up.

    Args:
        view: ``collection.live(…)``.
        columns: which fields, in which order; None: those that are there.
        title: above the table.
        per_second: how often it is painted at most.

    Example:
        ``table(posts.live(sort="-updated", limit=100), columns=["title", "updated"])``
    """
    return Pane(TablePicture(view, columns, title), per_second=per_second)


def status(client: BosBase, *, per_second: float = PER_SECOND) -> Pane:
    """The state of the client's connection, with the countdown to the next attempt."""
    return Pane(StatusPicture(client), per_second=per_second)


def feed(
    observable: Observable[RecordEvent[Any]],
    *,
    keep: int = 200,
    title: str = "Events",
    per_second: float = PER_SECOND,
) -> Pane:
    """The last `keep` events, the newest on top, with a button to pause.

    What comes in a pause waits, 2000 events at most, and is shown all together after it.

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
    """The events of the last minute by action, a bar for each second."""
    return Pane(RatePicture(observable, title), per_second=per_second)


def inspector(
    view: Observable[Snapshot[Any]],
    *,
    id: str | None = None,
    title: str = "Inspector",
    per_second: float = PER_SECOND,
) -> Pane:
    """One record with all fields, and what its last change has changed.

    Args:
        id: which record; None follows the last change, until one is asked for in the pane.
    """
    picture = InspectorPicture(view, title)
    picture.pick(id)
    return Pane(picture, per_second=per_second)
