"""One browser tab: its panes, and its login."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import reactivex
from reactivex import Observable
from reactivex import operators as ops

from rxbosbase.dashboard.markup import pn
from rxbosbase.dashboard.pane import Pane
from rxbosbase.dashboard.picture import Picture
from rxbosbase.dashboard.pictures.delay import DelayPicture
from rxbosbase.dashboard.pictures.feed import FeedPicture
from rxbosbase.dashboard.pictures.rates import RatePicture
from rxbosbase.dashboard.text import error_text
from rxbosbase.events import RecordEvent

from .attempts import Attempts
from .clients import Clients, Lease
from .collection import CollectionPicture
from .header import HeaderPicture
from .inspectors import InspectorsPicture
from .tiles import TilesPicture

__all__ = ("Page", "PageOptions")

log = logging.getLogger("rxbosbase.dashboard")


@dataclass(frozen=True, slots=True)
class PageOptions:
    """What a page shows.

    Attributes:
        collections: their names.
        expand: relations to expand, where a collection has them: ``"messages=author"``.
        hint: shown below the login form.
        start: returns the lease of a new page.
    """

    collections: Sequence[str]
    expand: dict[str, str]
    hint: str
    start: Callable[[], Lease]


class Page:
    """One browser tab. Made on its document's thread.

    Args:
        attempts: counts the login attempts of all pages.
    """

    def __init__(self, clients: Clients, options: PageOptions, attempts: Attempts) -> None:
        self._clients = clients
        self._options = options
        self._attempts = attempts
        self._document: Any = pn.state.curdoc
        self._remote = str(self._document.session_context.request.remote_ip)
        self._lease = options.start()
        self._closed = False
        self._new_lease: Lease | None = None
        self._header, pictures = self._pictures(self._lease)
        self._panes = [Pane(picture) for picture in pictures]
        header, tiles, rates, delay, feed, inspector, *tables = self._panes
        self.layout = pn.Column(
            header,
            tiles,
            _columns((rates, 3), (delay, 2)),
            _columns((_stack(tables), 3), (_stack([feed, inspector]), 2)),
            sizing_mode="stretch_width",
            css_classes=["page"],
        )

    def close(self) -> None:
        """End the subscriptions of a tab that is closed."""
        self._closed = True
        for pane in self._panes:
            pane.stop()
        self._lease.release()
        if self._new_lease is not None:
            self._new_lease.release()

    def _pictures(self, lease: Lease) -> tuple[HeaderPicture, list[Picture]]:
        """Return the header and all pictures for the lease's identity, in the order of panes."""
        options = self._options
        client = lease.client
        header = HeaderPicture(lease, self._log_in, self._log_out, options.hint)
        streams = [
            client.collection(name).observe("*", expand=options.expand.get(name), check=False)
            for name in options.collections
        ]
        events: Observable[RecordEvent[Any]] = reactivex.merge(*map(_without_error, streams))
        inspector = InspectorsPicture(options.collections[0])
        tables = [
            CollectionPicture(
                client, name, options.expand.get(name), lease.is_guest,
                on_pick=partial(inspector.pick, name), on_view=partial(inspector.set_view, name),
                on_login_needed=header.open_form,
            )
            for name in options.collections
        ]  # fmt: skip
        shown = [TilesPicture(client, events), RatePicture(events), DelayPicture(events)]
        return header, [header, *shown, FeedPicture(events), inspector, *tables]

    def _switch_to(self, lease: Lease) -> None:
        """Replace all pictures by those of another identity."""
        if self._closed:
            lease.release()
            return
        self._header, pictures = self._pictures(lease)
        old, self._lease = self._lease, lease
        for pane, picture in zip(self._panes, pictures, strict=True):
            pane.replace(picture)
        old.release()

    # -- the login ------

    def _log_in(self, collection: str, identity: str, password: str) -> None:
        wait = self._attempts.take(self._remote)
        if wait:
            self._header.refuse(
                f"Too many logins from {self._remote}: wait {math.ceil(wait)} s, and try again."
            )
            return

        def work() -> None:
            try:
                lease = self._clients.log_in(collection, identity, password)
            except Exception as error:  # any error is shown: the user waits for a result
                self._schedule(partial(self._refuse, error))
                return
            self._new_lease = lease  # the tab may close before its document uses it
            if not self._schedule(partial(self._finish_login, lease)):
                lease.release()

        # The document's thread must not wait for the server.
        threading.Thread(target=work, name="rxbosbase-login", daemon=True).start()

    def _finish_login(self, lease: Lease) -> None:
        self._new_lease = None
        try:
            self._switch_to(lease)
        except Exception as error:
            lease.release()
            self._refuse(error)

    def _refuse(self, error: Exception) -> None:
        log.debug("a login failed", exc_info=error)
        self._header.refuse(error_text(error))

    def _log_out(self) -> None:
        self._switch_to(self._clients.guest())

    def _schedule(self, call: Callable[[], None]) -> bool:
        """Call it on the document's thread; return False if the tab is closed."""
        if self._closed:
            return False
        self._document.add_next_tick_callback(call)
        return True


def _without_error(stream: Observable[Any]) -> Observable[Any]:
    """Return the stream without its error: the collection's table shows that."""
    return stream.pipe(ops.catch(_nothing))


def _columns(*parts: tuple[Any, int]) -> Any:
    """Return a row in these proportions, which wraps on a narrow page."""
    boxes = [
        pn.Column(
            part,
            sizing_mode="stretch_width",
            styles={"flex": f"{share} 1 {share * 170}px", "min-width": "0"},
        )
        for part, share in parts
    ]
    # Panel's own FlexBox is made by `eval`, which the page's policy forbids.
    wrapped = {"display": "flex", "flex-flow": "row wrap", "align-items": "flex-start"}
    return pn.Row(*boxes, sizing_mode="stretch_width", styles={**wrapped, "gap": "14px"})


def _stack(panes: Iterable[Pane]) -> Any:
    return pn.Column(*panes, sizing_mode="stretch_width", styles={"gap": "14px"})


def _nothing(error: Exception, stream: Observable[Any]) -> Observable[Any]:
    return reactivex.never()
