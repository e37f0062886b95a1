"""Bursts: the panes are painted a few times a second, so that the page stays responsive."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from reactivex.subject import Subject
from support.browser_fixtures import Tab

from rxbosbase.events import RecordEvent
from rxbosbase.server._ports import free_port, is_free

pytest_plugins = ["support.browser_fixtures"]

PER_SECOND = 5000
SECONDS = 4.0
START_SECONDS = 20.0
LONGEST_FREEZE = 0.75
"""Seconds without a frame, while other programs use the processors."""

Event = RecordEvent[dict[str, Any]]


@pytest.fixture
def served(browser: Any) -> Iterator[tuple[str, Subject[Event]]]:
    """A page of a feed and a chart, made as in a user's program."""
    pn = pytest.importorskip("panel")
    from rxbosbase import dashboard

    events: Subject[Event] = Subject()

    def page() -> Any:
        return pn.Column(dashboard.rate_chart(events), dashboard.feed(events))

    port = free_port()
    server = pn.serve(
        {"/": page}, port=port, address="127.0.0.1", show=False, threaded=True, verbose=False,
        websocket_origin=f"127.0.0.1:{port}",
    )  # fmt: skip
    deadline = time.monotonic() + START_SECONDS
    while is_free(port) and time.monotonic() < deadline:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{port}/", events
    server.stop()


def burst(events: Subject[Event], stop: threading.Event) -> int:
    """Emit events at a steady rate until `stop` is set; return their number."""
    sent, began = 0, time.monotonic()
    while not stop.is_set():
        due = int((time.monotonic() - began) * PER_SECOND)
        for _ in range(due - sent):
            events.on_next(RecordEvent("orders/*", "update", {"id": f"r{sent}", "n": sent}))
            sent += 1
        time.sleep(0.01)
    return sent


def test_a_burst_of_5000_events_a_second_leaves_the_page_responsive(
    served: tuple[str, Subject[Event]], open_tab: Callable[..., Tab]
) -> None:
    """At 5000 events a second the page freezes for less than 0.75 s and reacts to clicks."""
    url, events = served
    tab = open_tab(url)
    tab.card("Events").wait_for()
    tab.page.evaluate(WATCH_FRAMES)
    stop, sent = threading.Event(), [0]
    writer = threading.Thread(target=lambda: sent.__setitem__(0, burst(events, stop)))
    writer.start()
    tab.page.wait_for_timeout(SECONDS * 1000)
    began = time.monotonic()
    tab.card("Events").get_by_role("button", name="Pause").click()
    tab.card("Events").get_by_role("button", name="Resume").wait_for()
    clicked = time.monotonic() - began
    stop.set()
    writer.join()
    longest = tab.page.evaluate("window.longestFreeze") / 1000
    print(f"{sent[0]} events; longest freeze {longest:.2f} s; pause took {clicked:.2f} s")
    assert sent[0] > PER_SECOND * SECONDS * 0.5
    assert longest < LONGEST_FREEZE
    assert clicked < 1.5
    # The last state is shown: the count includes all events.
    tab.card("Events").get_by_text(f"{sent[0]:,} so far".replace(",", "\u202f")).wait_for()


WATCH_FRAMES = """() => {
    window.longestFreeze = 0
    let last = performance.now()
    const look = (now) => {
        window.longestFreeze = Math.max(window.longestFreeze, now - last)
        last = now
        requestAnimationFrame(look)
    }
    requestAnimationFrame(look)
}"""
