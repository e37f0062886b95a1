"""Panes: a picture in a page or a notebook cell, painted by frame and stopped by itself."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from reactivex import abc

from .cells import CELLS
from .markup import STYLE, Markup, pn
from .picture import Fields, Picture
from .throttle import Painters, Throttle

__all__ = ["PER_SECOND", "Pane"]

log = logging.getLogger("rxbosbase.dashboard")

PER_SECOND = 4.0
"""How often a pane is painted at most, unless told otherwise."""

STILL_SECONDS = 1.0
"""How long a notebook's cell waits for the first content, so that its still picture has one."""

PAINTERS = Painters()

STILL_STYLE = ".rxb {" + STYLE.replace(":host {", "& {").replace(".rxb", "&") + "}"
"""The style without a shadow to keep it in: nested, so that nothing else on the page has it."""


class Pane(pn.viewable.Viewer):  # type: ignore[misc]  # Panel has no types where it counts
    """One live picture. It runs from when it is shown until its page or cell is gone, or `stop`.

    Put it into any Panel layout, or leave it as the last line of a notebook's cell.
    """

    def __init__(self, picture: Picture, *, per_second: float = PER_SECOND) -> None:
        if not per_second > 0:
            raise ValueError(f"per_second must be more than 0, not {per_second!r}")
        super().__init__()
        self._picture = picture
        self._interval = 1 / per_second
        self._lock = threading.Lock()
        self._first = threading.Event()
        self._document: Any = None
        self._throttle: Throttle | None = None
        self._source: abc.DisposableBase | None = None
        self._stopped = False
        self._markup = Markup(self._act, sizing_mode="stretch_width")

    @property
    def is_running(self) -> bool:
        """True from when it is shown until it has stopped."""
        return self._throttle is not None and not self._stopped

    def stop(self) -> None:
        """Stops following its source; what it shows stays. May be called again, from any thread."""
        with self._lock:
            running, self._stopped = self.is_running, True
        if not running:
            return
        CELLS.remove(self)
        if self._throttle is not None:
            self._throttle.stop()
        if self._source is not None:
            self._source.dispose()
        PAINTERS.release()

    def replace(self, picture: Picture) -> None:
        """Shows another picture in this one's place. On the document's thread."""
        with self._lock:
            old, self._source = self._source, None
            self._picture = picture
        if old is not None:
            old.dispose()
        if self.is_running:
            self._follow()

    def __panel__(self) -> Any:
        self._start()
        return self._markup

    def _repr_html_(self) -> str:
        """The still picture."""
        return f'<style>{STILL_STYLE}</style><div class="rxb">{self._picture.html()}</div>'

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Any:
        """For a notebook: live where Panel is loaded there, and a still picture beneath."""
        self._start()
        CELLS.add(self)
        self._first.wait(STILL_SECONDS)
        still = {"text/html": self._repr_html_(), "text/plain": repr(self)}
        if not pn.extension._loaded:
            return still, {}
        self._show()
        shown = self._markup._repr_mimebundle_(include, exclude)
        data, metadata = shown if isinstance(shown, tuple) else (shown, {})
        if not data or "text/html" not in data:
            return (data or still), metadata
        # The still picture goes once the live one is there.
        hide = ".rxb-live:has([data-root-id] *) > .rxb-still { display: none }"
        data = dict(data)
        data["text/html"] = (
            f'<div class="rxb-live"><style>{hide}</style>'
            f'<div class="rxb-still">{still["text/html"]}</div>{data["text/html"]}</div>'
        )
        return data, metadata

    def __repr__(self) -> str:
        state = "running" if self.is_running else "stopped" if self._stopped else "not shown yet"
        return f"<{type(self._picture).__name__} pane, {state}>"

    def _start(self) -> None:
        with self._lock:
            if self._throttle is not None:
                return
            self._document = pn.state.curdoc if _is_served(pn.state.curdoc) else None
            self._throttle = Throttle(
                self._paint, self._interval, PAINTERS.acquire(), self._picture.period
            )
        if self._document is not None:
            self._document.on_session_destroyed(lambda _: self.stop())
        self._markup.html = self._picture.html()
        self._follow()

    def _follow(self) -> None:
        source = self._picture.start(self._mark)
        with self._lock:
            self._source = source
        if self._stopped:  # meanwhile
            source.dispose()
        if self._throttle is not None:
            self._throttle.mark()

    def _mark(self) -> None:
        self._first.set()
        if self._throttle is not None:
            self._throttle.mark()

    def _paint(self, done: Callable[[], None]) -> None:
        """On the painters' thread: hands over to the document's, or sends to the notebook."""

        def show() -> None:
            try:
                if not self._stopped:
                    self._show()
            except Exception:
                log.exception("a pane could not be painted")
            finally:
                done()

        if self._document is None:
            show()
            return
        try:
            self._document.add_next_tick_callback(show)
        except (RuntimeError, AttributeError):  # the page was closed, and taken apart, just now
            self.stop()

    def _show(self) -> None:
        html = self._picture.html()
        if html != self._markup.html:
            self._markup.html = html

    def _act(self, act: str, value: str, fields: Fields) -> None:
        self._picture.act(act, value, fields)
        self._show()  # at once: this is the document's thread, and somebody waits


def _is_served(document: Any) -> bool:
    return document is not None and document.session_context is not None
