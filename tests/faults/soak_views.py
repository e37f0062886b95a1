"""The live views of the soak, and its login: they stay in spite of refusals that are none."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Generic, TypeVar

from reactivex import Observable

from rxbosbase import AuthState, BosBase, Collection
from rxbosbase.live import Snapshot

from .error_log import ErrorLog

__all__ = ["RecordWatch", "ViewWatch", "Watch", "watch_login", "watch_views"]

Record = dict[str, Any]
T = TypeVar("T")

RED = "kind = 'red'"
NEWEST_FIRST = "-n,id"
WINDOW = 5


class Watch(Generic[T]):
    """A subscriber of a view.

    Attributes:
        newest: the largest number that it has shown.
        received: how many times it was called.
        ended: True after its completion.
    """

    def __init__(self, name: str, truth: Callable[[], Any], problems: ErrorLog) -> None:
        self.name = name
        self.newest = 0
        self.received = 0
        self.ended = False
        self._truth = truth
        self._problems = problems
        self._shown: Any = None

    def on_next(self, value: T) -> None:
        self.received += 1
        self._take(value)

    def on_error(self, error: Exception) -> None:
        self._problems.add(f"{self.name}: on_error {error!r}")

    def on_completed(self) -> None:
        self.ended = True

    def forget(self) -> None:
        """Do nothing: unlike a list of events, what a view shows does not grow."""

    def is_true(self) -> bool:
        """Return True if it shows what a read returns now."""
        return bool(self._shown == self._truth())

    def _take(self, value: T) -> None:
        raise NotImplementedError


class ViewWatch(Watch[Snapshot[Record]]):
    """Checks that a view always has the record `kept`, which nobody deletes."""

    kept = ""

    def _take(self, value: Snapshot[Record]) -> None:
        self._shown = list(value.records)
        self.newest = max([self.newest, *(int(each["n"]) for each in self._shown)])
        if self.kept and self.kept not in value.by_id:
            self._problems.add(f"{self.name}: {value} lacks a record that nobody deleted")


class RecordWatch(Watch[Record | None]):
    """Checks that a record that nobody deletes is never shown as deleted."""

    def _take(self, value: Record | None) -> None:
        self._shown = value
        if value is None:
            self._problems.add(f"{self.name}: shown as deleted")
        else:
            self.newest = max(self.newest, int(value["n"]))


def watch_login(client: BosBase, problems: ErrorLog) -> None:
    """Check from now on that the client stays logged in."""

    def check(state: AuthState) -> None:
        if not state.token:
            problems.add("the login was lost")

    client.auth_store.changes.subscribe(check)


def watch_views(
    client: BosBase, reader: BosBase, targets: list[tuple[str, str]], problems: ErrorLog
) -> list[ViewWatch | RecordWatch]:
    """Subscribe to views of each kind; `reader` asks for what they should show."""
    watches: list[ViewWatch | RecordWatch] = []
    for name, kept in targets:
        stem = name.partition("_")[0]
        records, asked = client.collection(name), reader.collection(name)
        read_red = partial(asked.get_full_list, filter=RED, sort=NEWEST_FIRST)
        whole = ViewWatch(f"{stem} view", asked.get_full_list, problems)
        red = ViewWatch(f"{stem} red view", read_red, problems)
        whole.kept = red.kept = kept
        window = ViewWatch(f"{stem} window", partial(_read_window, asked), problems)
        one = RecordWatch(f"{stem} record", partial(asked.get_one, kept), problems)
        _subscribe(whole, records.live())
        _subscribe(red, records.live(filter=RED, sort="-n"))
        _subscribe(window, records.live(sort="-n", limit=WINDOW))
        _subscribe(one, records.live_record(kept))
        watches += [whole, red, window, one]
    return watches


def _read_window(records: Collection[Record]) -> list[Record]:
    return list(records.get_list(1, WINDOW, sort=NEWEST_FIRST)["items"])


def _subscribe(watch: Watch[T], view: Observable[T]) -> None:
    view.subscribe(watch.on_next, watch.on_error, watch.on_completed)
