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

__all__ = ("Pane", "feed", "inspector", "rate_chart", "status", "table")


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
        >>> with FakeRealtime() as fake:
        ...     posts = fake.client.collection("posts")
        ...     table(posts.live(sort="-updated", limit=100), columns=["title", "updated"])
        <Pane of TablePicture, not shown yet>
    """
    return Pane(TablePicture(view, columns, title), per_second=per_second)


def status(client: BosBase, *, per_second: float = PER_SECOND) -> Pane:
    """Return the state of the client's connection, with the countdown to the next attempt.

    Args:
        client: the client; the status covers the connection of its live views, too.
        per_second: the most paints in a second.

    Raises:
        ValueError: `per_second` is not more than 0.

    Example:
        >>> with FakeRealtime() as fake:
        ...     status(fake.client)
        <Pane of StatusPicture, not shown yet>
    """
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

    Args:
        observable: a stream of events, such as ``posts.observe("*")``.
        keep: how many events are shown.
        title: above the events.
        per_second: the most paints in a second.

    Raises:
        ValueError: `keep` is not a positive int, or `per_second` is not more than 0.

    Example:
        >>> with FakeRealtime() as fake:
        ...     feed(fake.client.collection("posts").observe("*"), keep=20)
        <Pane of FeedPicture, not shown yet>
    """
    return Pane(FeedPicture(observable, keep, title), per_second=per_second)


def rate_chart(
    observable: Observable[RecordEvent[Any]],
    *,
    title: str = "Events a second",
    per_second: float = PER_SECOND,
) -> Pane:
    """Return the events of the last minute by action, a bar for each second.

    Args:
        observable: a stream of events, such as ``posts.observe("*")``.
        title: above the chart.
        per_second: the most paints in a second.

    Raises:
        ValueError: `per_second` is not more than 0.

    Example:
        >>> with FakeRealtime() as fake:
        ...     rate_chart(fake.client.collection("posts").observe("*"))
        <Pane of RatePicture, not shown yet>
    """
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
        view: ``collection.live(…)``.
        id: the record to show; None follows the last change, until a record is chosen in the pane.
        title: above the record.
        per_second: the most paints in a second.

    Raises:
        ValueError: `per_second` is not more than 0.

    Example:
        >>> with FakeRealtime() as fake:
        ...     inspector(fake.client.collection("posts").live(), id="post00000000001")
        <Pane of InspectorPicture, not shown yet>
    """
    picture = InspectorPicture(view, title)
    picture.pick(id)
    return Pane(picture, per_second=per_second)
