"""Snapshots and live views as DataFrames."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from reactivex import Observable

from rxbosbase.live.engine.snapshot import Change, Snapshot
from rxbosbase.live.view import LiveView

from .frame_builder import FrameBuilder
from .table import Table

__all__ = ("LiveFrame", "live_frame", "to_dataframe")


def to_dataframe(
    snapshot: Snapshot[Any] | Iterable[Mapping[str, Any]],
    columns: Iterable[str] | None = None,
    index: str | None = "id",
    *,
    categories: Iterable[str] = (),
) -> Any:
    """Return the records of a snapshot, in its order, as a DataFrame.

    Args:
        snapshot: a snapshot, or any iterable of records, such as `get_full_list`'s.
        columns: the fields, in this order; None: all but ``collectionId`` and
            ``collectionName``.
        index: the field that becomes the index; None: 0, 1, 2, …
        categories: the fields of dtype ``category``.

    Returns:
        a `pandas.DataFrame` with a row for each record; it is the caller's own.

    Raises:
        MissingExtraError: pandas is not installed.
        TypeError: a record is not a dict, or an argument has a wrong type.
        ValueError: a field in `categories` contains a list or an object.

    >>> to_dataframe([{"id": "a", "n": 1}, {"id": "b", "n": 2}]).n.sum()
    np.int64(3)
    """
    table = Table(columns, index, categories)
    table.append(list(snapshot.records if isinstance(snapshot, Snapshot) else snapshot))
    return table.frame()


class LiveFrame(FrameBuilder[Snapshot[Any]]):
    """A live view whose state is `df`, made by `live_frame`. Call `dispose`, or use ``with``.

    Example:
        >>> with FakeRealtime() as fake:
        ...     with live_frame(fake.client.collection("posts").live()) as frame:
        ...         _ = fake.push("posts", "create", {"id": "a", "n": 3})
        ...         print(frame.fresh, frame.df["n"].to_dict())
        True {'a': 3}
    """

    def __init__(self, view: Observable[Snapshot[Any]], table: Table) -> None:
        self._table = table
        self._latest: Snapshot[Any] | None = None
        self._built: Snapshot[Any] | None = None
        self._view = view
        super().__init__(view)

    @property
    def df(self) -> Any:
        """The current records, as a new DataFrame. From any thread.

        Its cost in Python grows with the changes since the last read; it copies the columns.

        Raises:
            BosBaseError: the error that ended the view, such as a refused filter.
            TypeError: a record is not a dict: the collection has a ``model=``.
            ValueError: a field in `categories` contains a list or an object.
        """
        return self.read()

    @property
    def fresh(self) -> bool:
        """False while the view is disconnected or catching up."""
        latest = self._latest
        return latest is not None and latest.fresh

    @property
    def version(self) -> int:
        """The version of the newest snapshot; 0 before the first."""
        latest = self._latest
        return latest.version if latest is not None else 0

    def wait_fresh(self, timeout: float = 10.0) -> Any:
        """Wait until the view is complete and connected, and return its `df`.

        Args:
            timeout: the longest wait in seconds.

        Raises:
            RequestTimeoutError: the view was not fresh within `timeout`.
            ClientResponseError: the query is refused.
            TypeError: the observable is no live view, or `timeout` no number; or as `df`.
            ValueError: `timeout` is not finite, or not more than 0; or as `df`.
            RuntimeError: the frame has been disposed.
            ClientClosedError: the client has been closed.

        Example:
            >>> with FakeRealtime() as fake:
            ...     fake.records["posts"] = {"a": {"id": "a", "n": 3}}
            ...     with live_frame(fake.client.collection("posts").live()) as frame:
            ...         print(frame.wait_fresh(timeout=5)["n"].to_dict())
            {'a': 3}
        """
        if not isinstance(self._view, LiveView):
            raise TypeError("wait_fresh() needs a live view, as collection.live() gives it")
        view: Any = self._view  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
        snapshot = view.wait_fresh(timeout)
        with self._lock:
            if self._latest is None or snapshot.version > self._latest.version:
                self._add(snapshot)
        return self.df

    def _add(self, value: Snapshot[Any]) -> None:
        # Only the latest is kept: the next read asks it for the changes since the last read.
        if self._latest is None or value.version >= self._latest.version:
            self._latest = value
            self.invalidate()

    def _summary(self) -> str:
        latest = self._latest
        return "of no snapshot yet" if latest is None else f"of {latest!r}"

    def _build(self) -> Any:
        latest = self._latest
        if latest is not None and latest is not self._built:
            self._table.apply(_changes(self._built, latest))
            self._built = latest
        return self._table.frame()


def _changes(older: Snapshot[Any] | None, newer: Snapshot[Any]) -> Iterable[Change[Any]]:
    if older is not None:
        return newer.since(older)
    return [Change("added", record, None, None, at) for at, record in enumerate(newer.records)]


def live_frame(
    view: Observable[Snapshot[Any]],
    columns: Iterable[str] | None = None,
    index: str | None = "id",
    categories: Iterable[str] = (),
) -> LiveFrame:
    """Follow a live view as a DataFrame, until disposed.

    Args:
        view: ``collection.live(…)``; subscribed to at once.
        columns, index, categories: as in `to_dataframe`.

    Returns:
        a `LiveFrame`, whose ``df`` is the current frame, for ``with``.

    Raises:
        MissingExtraError: pandas is not installed.
        TypeError: names that are no list, or an `index` that is no name.

    Example:
        >>> with FakeRealtime() as fake:
        ...     fake.records["posts"] = {"a": {"id": "a", "n": 3}, "b": {"id": "b", "n": 4}}
        ...     view = fake.client.collection("posts").live(sort="-n")
        ...     with live_frame(view, columns=["n"], index=None) as frame:
        ...         print(frame.wait_fresh()["n"].tolist())
        [4, 3]
    """
    return LiveFrame(view, Table(columns, index, categories))
