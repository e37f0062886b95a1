"""Panes without a browser: start and stop, and their static HTML."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from reactivex.subject import Subject

from rxbosbase import dashboard
from rxbosbase.dashboard import cells
from rxbosbase.events import RecordEvent

Event = RecordEvent[dict[str, Any]]


@pytest.fixture
def events() -> Subject[Event]:
    return Subject()


@pytest.fixture
def panes() -> Iterator[list[dashboard.Pane]]:
    made: list[dashboard.Pane] = []
    yield made
    for pane in made:
        pane.stop()


def test_a_pane_subscribes_when_shown_and_unsubscribes_at_stop(
    events: Subject[Event], panes: list[dashboard.Pane]
) -> None:
    """A pane subscribes when it is shown and unsubscribes at `stop`, which may be repeated."""
    pane = dashboard.feed(events)
    panes.append(pane)
    states = [(len(events.observers), pane.is_running)]
    for step in (pane.__panel__, pane.stop, pane.stop):
        step()
        states.append((len(events.observers), pane.is_running))
    assert states == [(0, False), (1, True), (0, False), (0, False)]


def test_without_a_front_end_a_pane_is_static_html(
    events: Subject[Event], panes: list[dashboard.Pane]
) -> None:
    """A pane's MIME bundle has static HTML of its current content, without a script."""
    pane = dashboard.feed(events)
    panes.append(pane)
    pane.__panel__()
    events.on_next(RecordEvent("posts/*", "create", {"id": "a", "title": "Hello"}))
    data, _ = pane._repr_mimebundle_()
    assert "Hello" in data["text/html"]
    assert "<script" not in data["text/html"]


def test_a_pane_is_painted_on_its_own_thread(
    events: Subject[Event], panes: list[dashboard.Pane]
) -> None:
    """A pane is painted on the thread `rxbosbase-dashboard`, not on the source's thread."""
    pane = dashboard.feed(events, per_second=100)
    panes.append(pane)
    shown = pane.__panel__()
    painted, threads = threading.Event(), []

    def record_paint(change: Any) -> None:
        threads.append(threading.current_thread().name)
        if "Hello" in change.new:
            painted.set()

    shown.param.watch(record_paint, "html")
    events.on_next(RecordEvent("posts/*", "create", {"id": "a", "title": "Hello"}))
    assert painted.wait(5)
    assert set(threads) == {"rxbosbase-dashboard"}


def test_zero_paints_per_second_are_refused(events: Subject[Event]) -> None:
    """Raise ValueError for `per_second=0`."""
    with pytest.raises(ValueError, match="per_second must be more than 0"):
        dashboard.feed(events, per_second=0)


# -- cells of a notebook


class Shell:
    """The part of IPython's shell by which cells are identified."""

    def __init__(self) -> None:
        self.callbacks: list[Callable[[Any], None]] = []
        self.events = SimpleNamespace(register=lambda _, call: self.callbacks.append(call))
        self.user_ns = {"In": ["", "first"]}

    def run(self, id: str | None, text: str = "") -> None:
        for call in self.callbacks:
            call(SimpleNamespace(cell_id=id, raw_cell=text))


class StoppablePane:
    def __init__(self) -> None:
        self.stopped = False

    def stop(self) -> None:
        self.stopped = True


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch) -> Shell:
    shell = Shell()
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setattr(cells, "CELLS", cells.Cells())
    return shell


def test_running_a_cell_again_stops_its_panes_and_no_others(shell: Shell) -> None:
    """Running a notebook cell again stops the panes of that cell and no others."""
    cells.CELLS.add(StoppablePane())  # registers the callback
    first, second = StoppablePane(), StoppablePane()
    shell.run("1")
    cells.CELLS.add(first)
    shell.run("2")
    cells.CELLS.add(second)
    before = (first.stopped, second.stopped)
    shell.run("1")
    assert [before, (first.stopped, second.stopped)] == [(False, False), (True, False)]


def test_a_cell_without_an_id_is_identified_by_its_text(shell: Shell) -> None:
    """A notebook cell without an id is identified by its text."""
    pane = StoppablePane()
    cells.CELLS.add(pane)
    shell.run(None, "other")
    before = pane.stopped
    shell.run(None, "first")
    assert [before, pane.stopped] == [False, True]


def test_a_removed_pane_is_not_stopped_again(shell: Shell) -> None:
    """A pane that was removed is not stopped again when its cell runs again."""
    pane = StoppablePane()
    cells.CELLS.add(pane)
    cells.CELLS.remove(pane)
    shell.run(None, "first")
    assert not pane.stopped
