"""One browser tab: its panes, and the login they are seen with."""

from __future__ import annotations

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
from rxbosbase.errors import BosBaseError
from rxbosbase.realtime.events import RecordEvent

from .clients import Clients, Lease
from .collection import CollectionPicture
from .header import HeaderPicture
from .inspectors import InspectorsPicture
from .tiles import TilesPicture

__all__ = ["Page", "Wanted"]


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
    """Made once for each session, on its document's thread."""

    def __init__(self, clients: Clients, wanted: Wanted) -> None:
        self._clients = clients
        self._wanted = wanted
        self._document: Any = pn.state.curdoc
        self._panes: list[Pane] = []
        self._lease = wanted.start()
        self._header: HeaderPicture | None = None
        self._closed = False
        self.layout = pn.Column(sizing_mode="stretch_width", css_classes=["page"])
        self._fill()

    def close(self) -> None:
        """The tab is gone: frees what it has subscribed to."""
        self._closed = True
        self._empty()
        self._lease.release()

    # -- what is on it

    def _pane(self, picture: Picture) -> Pane:
        pane = Pane(picture)
        self._panes.append(pane)
        return pane

    def _fill(self) -> None:
        lease, wanted = self._lease, self._wanted
        client = lease.client
        self._header = HeaderPicture(lease, self._log_in, self._log_out, wanted.hint)
        streams = [
            client.collection(name).observe("*", expand=wanted.expand.get(name), check=False)
            for name in wanted.collections
        ]
        events: Observable[RecordEvent[Any]] = reactivex.merge(*map(_forgiving, streams))
        inspector = InspectorsPicture()
        tables = [
            CollectionPicture(
                client, name, wanted.expand.get(name), lease.is_guest,
                on_pick=partial(inspector.pick, name), on_view=partial(inspector.offer, name),
            )
            for name in wanted.collections
        ]  # fmt: skip
        self.layout.objects = [
            self._pane(self._header),
            self._pane(TilesPicture(client, events)),
            _columns((self._pane(RatePicture(events)), 3), (self._pane(DelayPicture(events)), 2)),
            _columns(
                (_stack(map(self._pane, tables)), 3),
                (_stack([self._pane(FeedPicture(events)), self._pane(inspector)]), 2),
            ),
        ]

    def _empty(self) -> None:
        panes, self._panes = self._panes, []
        for pane in panes:
            pane.stop()

    def _become(self, lease: Lease) -> None:
        """The page of another identity: nothing of the old one stays."""
        old, self._lease = self._lease, lease
        self._empty()
        self._fill()
        old.release()

    # -- who looks at it

    def _log_in(self, collection: str, identity: str, password: str) -> None:
        def work() -> None:
            try:
                lease = self._clients.log_in(collection, identity, password)
            except (BosBaseError, ValueError) as error:
                self._soon(partial(self._refuse, error))
                return
            if not self._soon(lambda: self._become(lease)):
                lease.release()

        # The document's thread must not wait for the server.
        threading.Thread(target=work, name="rxbosbase-login", daemon=True).start()

    def _refuse(self, error: Exception) -> None:
        if self._header is not None:
            self._header.refuse(error)

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
    return pn.FlexBox(*boxes, sizing_mode="stretch_width", align_items="flex-start", gap="14px")


def _stack(panes: Iterable[Pane]) -> Any:
    return pn.Column(*panes, sizing_mode="stretch_width", styles={"gap": "14px"})
