"""A pane shows a picture in a page or a notebook cell, and stops when that is gone."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any, cast

from reactivex import abc

from .cells import CELLS
from .markup import STYLE, Markup, pn
from .picture import Fields, Picture
from .throttle import PaintThread, Throttle

__all__ = ("PER_SECOND", "Pane")

log = logging.getLogger("rxbosbase.dashboard")

PER_SECOND = 4.0
"""Times a second that a pane is painted at most, by default."""

FIRST_CONTENT_SECONDS = 1.0
"""Seconds that a notebook's cell waits for the first content, to have it in the static HTML."""

PAINT_THREAD = PaintThread()

STILL_STYLE = ".rxb {" + STYLE.replace(":host {", "& {").replace(".rxb", "&") + "}"
"""The style outside of a shadow root: nested, so that it applies to nothing else on the page."""


class Pane(pn.viewable.Viewer):  # type: ignore[misc]  # Panel's class has no types
    """One live picture. It runs from when it is shown until its page or cell is gone, or `stop`.

    Make it by `table`, `feed` and the others. Put it into any Panel layout, or leave it as the
    last line of a notebook's cell.

    Args:
        picture: what it shows.
        per_second: the most paints in a second.

    Raises:
        ValueError: `per_second` is not more than 0.

    Example:
        >>> import panel
        >>> from rxbosbase import dashboard
        >>> with FakeRealtime() as fake:
        ...     pane = dashboard.table(fake.client.collection("posts").live())
        ...     page = panel.Column("# Posts", pane)
        ...     pane
        ...     pane.stop()
        ...     pane
        <Pane of TablePicture, running>
        <Pane of TablePicture, stopped>
    """

    def __init__(self, picture: Picture, *, per_second: float = PER_SECOND) -> None:
        if not per_second > 0:
            raise ValueError(f"per_second must be more than 0, not {per_second!r}")
        super().__init__()  # pyright: ignore[reportUnknownMemberType]
        self._picture = picture
        self._interval = 1 / per_second
        self._lock = threading.Lock()
        self._has_content = threading.Event()
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
        """End its subscription; what it shows stays. May be called again, from any thread.

        Example:
            >>> from rxbosbase import dashboard
            >>> with FakeRealtime() as fake:
            ...     pane = dashboard.feed(fake.client.collection("posts").observe("*"))
            ...     pane.stop()
            ...     pane.is_running
            False
        """
        with self._lock:
            running, self._stopped = self.is_running, True
        if not running:
            return
        CELLS.remove(self)
        if self._throttle is not None:
            self._throttle.stop()
        if self._source is not None:
            self._source.dispose()
        PAINT_THREAD.release()

    def replace(self, picture: Picture) -> None:
        """Show another picture instead. To be called on the document's thread.

        Args:
            picture: subscribed to if the pane runs; the old one is unsubscribed.

        Example:
            >>> from rxbosbase import dashboard
            >>> from rxbosbase.dashboard.pictures.status import StatusPicture
            >>> with FakeRealtime() as fake:
            ...     pane = dashboard.feed(fake.client.collection("posts").observe("*"))
            ...     pane.replace(StatusPicture(fake.client))
            ...     pane
            <Pane of StatusPicture, not shown yet>
        """
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
        """Return static HTML of the current content."""
        return f'<style>{STILL_STYLE}</style><div class="rxb">{self._picture.html()}</div>'

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Any:
        """Return the output in a notebook: live if Panel is loaded there, over static HTML."""
        self._start()
        CELLS.add(self)
        self._has_content.wait(FIRST_CONTENT_SECONDS)
        still = {"text/html": self._repr_html_(), "text/plain": repr(self)}
        if not pn.extension._loaded:
            return still, {}
        self._show()
        markup: Any = self._markup
        shown: Any = markup._repr_mimebundle_(include, exclude)
        data, metadata = cast("tuple[Any, Any]", shown if type(shown) is tuple else (shown, {}))
        if not data or "text/html" not in data:
            return (data or still), metadata
        # The static HTML is hidden once the live pane is rendered.
        hide = ".rxb-live:has([data-root-id] *) > .rxb-still { display: none }"
        data = dict(data)
        data["text/html"] = (
            f'<div class="rxb-live"><style>{hide}</style>'
            f'<div class="rxb-still">{still["text/html"]}</div>{data["text/html"]}</div>'
        )
        return data, metadata

    def __repr__(self) -> str:
        state = "running" if self.is_running else "stopped" if self._stopped else "not shown yet"
        return f"<Pane of {type(self._picture).__name__}, {state}>"

    def _start(self) -> None:
        with self._lock:
            if self._throttle is not None:
                return
            self._document = pn.state.curdoc if _is_served(pn.state.curdoc) else None
            self._throttle = Throttle(
                self._paint, self._interval, PAINT_THREAD.acquire(), self._picture.period
            )
        if self._document is not None:
            self._document.on_session_destroyed(self._stop_with_session)
        self._markup.html = self._picture.html()
        self._follow()

    def _stop_with_session(self, _: object) -> None:
        self.stop()

    def _follow(self) -> None:
        source = self._picture.start(self._mark)
        with self._lock:
            self._source = source
        if self._stopped:  # by another thread, during `start`
            source.dispose()
        if self._throttle is not None:
            self._throttle.mark()

    def _mark(self) -> None:
        self._has_content.set()
        if self._throttle is not None:
            self._throttle.mark()

    def _paint(self, done: Callable[[], None]) -> None:
        """Show the new HTML on the document's thread; in a notebook, here, on the paint thread."""

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
        self._show()  # at once: this is the document's thread, and the user waits


def _is_served(document: Any) -> bool:
    return document is not None and document.session_context is not None
