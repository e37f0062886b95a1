"""One browser tab: its panes, and the login they are seen with."""

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

__all__ = ["Page", "Wanted"]

log = logging.getLogger("rxbosbase.dashboard")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a page shows.

    Attributes:
        collections: their names.
        expand: relations to bring along, where a collection has them: ``"messages=author"``.
        hint: shown below the login form.
        start: makes the lease a new page begins with.
    """

    collections: Sequence[str]
    expand: dict[str, str]
    hint: str
    start: Callable[[], Lease]


class Page:
    """Made once for each session, on its document's thread.

    Args:
        attempts: counts the logins that are tried, on all pages.
    """

    def __init__(self, clients: Clients, wanted: Wanted, attempts: Attempts) -> None:
        self._clients = clients
        self._wanted = wanted
        self._attempts = attempts
        self._document: Any = pn.state.curdoc
        self._remote = str(self._document.session_context.request.remote_ip)
        self._lease = wanted.start()
        self._closed = False
        self._arriving: Lease | None = None
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
        """The tab is gone: frees what it has subscribed to."""
        self._closed = True
        for pane in self._panes:
            pane.stop()
        self._lease.release()
        if self._arriving is not None:
            self._arriving.release()

    def _pictures(self, lease: Lease) -> tuple[HeaderPicture, list[Picture]]:
        """What the identity of the lease may see, in the order of the panes."""
        wanted = self._wanted
        client = lease.client
        header = HeaderPicture(lease, self._log_in, self._log_out, wanted.hint)
        streams = [
            client.collection(name).observe("*", expand=wanted.expand.get(name), check=False)
            for name in wanted.collections
        ]
        events: Observable[RecordEvent[Any]] = reactivex.merge(*map(_forgiving, streams))
        inspector = InspectorsPicture(wanted.collections[0])
        tables = [
            CollectionPicture(
                client, name, wanted.expand.get(name), lease.is_guest,
                on_pick=partial(inspector.pick, name), on_view=partial(inspector.offer, name),
                on_ask=header.ask,
            )
            for name in wanted.collections
        ]  # fmt: skip
        shown = [TilesPicture(client, events), RatePicture(events), DelayPicture(events)]
        return header, [header, *shown, FeedPicture(events), inspector, *tables]

    def _become(self, lease: Lease) -> None:
        """The page of another identity: nothing of the old one stays."""
        if self._closed:
            lease.release()
            return
        self._header, pictures = self._pictures(lease)
        old, self._lease = self._lease, lease
        for pane, picture in zip(self._panes, pictures, strict=True):
            pane.replace(picture)
        old.release()

    # -- who looks at it

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
            except Exception as error:  # whatever it is, somebody waits for it
                self._soon(partial(self._refuse, error))
                return
            self._arriving = lease  # the tab may be closed before its document takes it
            if not self._soon(partial(self._enter, lease)):
                lease.release()

        # The document's thread must not wait for the server.
        threading.Thread(target=work, name="rxbosbase-login", daemon=True).start()

    def _enter(self, lease: Lease) -> None:
        self._arriving = None
        try:
            self._become(lease)
        except Exception as error:
            lease.release()
            self._refuse(error)

    def _refuse(self, error: Exception) -> None:
        log.debug("a login failed", exc_info=error)
        self._header.refuse(error_text(error))

    def _log_out(self) -> None:
        self._become(self._clients.guest())

    def _soon(self, call: Callable[[], None]) -> bool:
        """Has it called on the document's thread; False if the tab is gone."""
        if self._closed:
            return False
        self._document.add_next_tick_callback(call)
        return True


def _forgiving(stream: Observable[Any]) -> Observable[Any]:
    """Without the error that ends it: the collection's table tells it, and the others go on."""
    return stream.pipe(ops.catch(lambda *_: reactivex.never()))


def _columns(*parts: tuple[Any, int]) -> Any:
    """Side by side where there is room, in these proportions; else one below the other."""
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
