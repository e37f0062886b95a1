"""The realtime service behind ``client.realtime`` and ``collection.observe``: it joins the rooms.

Topics live in the registry, connections in the links, decoding and isolation in delivery. Here
is what ties them: subscribing, unsubscribing, waiting, and the news that go to the user.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from time import monotonic, time

from rxbosbase.errors import BosBaseError, ClientClosedError, RequestTimeoutError
from rxbosbase.loop import LoopScheduler
from rxbosbase.process import check_process
from rxbosbase.streams import Latest
from rxbosbase.unreadable import UnreadableRecord

from .connection import CONNECT_TOPIC, Batch
from .delivery import Delivery, guarded, once_each
from .events import MalformedEvent, Message
from .lifecycle import State
from .link import Link
from .preflight import Preflight, Question
from .registry import Entry, Registry, Share, Subscriber
from .settings import Settings
from .stats import Stats
from .status import Status, summarize
from .topics import Topic

__all__ = ["RealtimeService"]

log = logging.getLogger("rxbosbase.realtime")

LOCAL_TOPICS = frozenset({CONNECT_TOPIC})


class RealtimeService:
    """Everything behind the facade. One lock guards the wanted set; it is never held while user
    code or I/O runs."""

    def __init__(self, settings: Settings, preflight: Preflight) -> None:
        self._settings = settings
        self._preflight = preflight
        self._changed = threading.Condition(threading.RLock())
        self._registry = Registry(LOCAL_TOPICS)
        self._links: list[Link] = []
        self._closed = False
        self._left: tuple[Subscriber, ...] = ()  # those that `finish` has to complete
        self._last_words: deque[Callable[[], object]] = deque()  # said, but not delivered yet
        self._process = os.getpid()
        self._identity = settings.identity()
        self._unreadable: tuple[UnreadableRecord, ...] = ()  # what live views leave out
        self._views_problem: Exception | None = None
        self._lost: Exception | None = None  # why the login is gone, until the next one
        self._delivery = Delivery(self._registry, self.detach, self.on_skipped)
        self.status: Latest[Status] = Latest(Status(since=time()), settings.delivery)
        self.on_disconnect: Callable[[list[str]], object] | None = None

    # -- subscribing -----------------------------------------------------------------------------

    def attach(
        self, topic: Topic, subscriber: Subscriber, question: Question | None, *, urgent: bool
    ) -> None:
        """Adds a subscriber; the topic goes up in the background. Never waits."""
        check_process(self._process)  # before the lock: a child may have inherited it taken
        with self._changed:
            self._check_open()
            if topic.wire == CONNECT_TOPIC:
                subscriber.on_next = once_each(subscriber.on_next)
            entry = self._registry.add(topic, subscriber)
            link = self._link_of(entry.share)
            if entry.version > link.acknowledged:
                link.touch(urgent=urgent)
            if topic.wire == CONNECT_TOPIC and link.is_open:
                now = Message(CONNECT_TOPIC, {"clientId": link.status.client_id})
                self._settings.delivery.post(lambda: subscriber.on_next(now))
        if question is not None and subscriber.check:
            self._preflight.ask(
                question, partial(self._judged, subscriber), lambda: subscriber.entry is not None
            )

    def detach(self, subscriber: Subscriber) -> None:
        """Removes a subscriber, and its topic with the last one. Never waits."""
        if os.getpid() != self._process:
            return  # in a child process there is nothing to end
        with self._changed:
            entry = self._registry.remove(subscriber)
            if entry is not None:
                self._links[entry.share.index].touch()
                self._changed.notify_all()

    def wait_acknowledged(self, subscriber: Subscriber, timeout: float) -> None:
        """Waits until the server has taken the subscriber's topic and the preflight passed.

        Raises:
            RequestTimeoutError: after `timeout` seconds; the subscriber stays.
            BosBaseError: what ended the subscriber in the meantime.
        """
        with self._changed:
            done = self._changed.wait_for(lambda: self._is_settled(subscriber), timeout)
            if subscriber.error is not None:
                raise subscriber.error
            self._check_open()
        if not done:
            raise self._late("the topic was not acknowledged", timeout)

    def _is_settled(self, subscriber: Subscriber) -> bool:
        if self._closed or subscriber.error is not None or subscriber.entry is None:
            return True
        entry = subscriber.entry
        link = self._links[entry.share.index]
        return subscriber.checked and entry.version <= link.acknowledged

    def wait_active(self, timeout: float) -> None:
        """Waits until every wanted topic is acknowledged; at once if none is wanted."""

        check_process(self._process)

        def is_active() -> bool:
            return self._closed or all(
                link.acknowledged == link.share.version
                for link in self._links
                if link.share.entries
            )

        with self._changed:
            awaited = [link for link in self._links if link.share.entries]
            done = self._changed.wait_for(is_active, timeout)
            self._check_open()
            for link in awaited:
                # Its topics are gone, so that none is wanted any more; active it is not.
                if link.status.state is State.FAILED and link.status.error is not None:
                    raise link.status.error
        if not done:
            raise self._late("the connection did not become active", timeout)

    def _late(self, what: str, timeout: float) -> RequestTimeoutError:
        status = self.status.value
        because = f" ({status.error})" if status.error is not None else ""
        return RequestTimeoutError(f"{what} within {timeout:g} s; it is {status.state}{because}")

    def _check_open(self) -> None:
        check_process(self._process)
        if self._closed:
            raise ClientClosedError("the client is closed; make a new one")

    def complete(self, wanted: Callable[[str], bool]) -> None:
        """Takes topics off the server by their name without options; their streams complete."""
        check_process(self._process)
        with self._changed:
            self._end(self._registry.matching(wanted), None)

    def listen(self, subscriber: Subscriber) -> None:
        """Adds one who hears every message, whoever asked for its topic."""
        check_process(self._process)
        with self._changed:
            self._check_open()
            self._registry.everything += (subscriber,)

    def unlisten(self, subscriber: Subscriber) -> None:
        """Removes one who heard every message."""
        subscriber.silence()
        if os.getpid() != self._process:
            return
        with self._changed:
            self._registry.everything = tuple(
                other for other in self._registry.everything if other is not subscriber
            )

    @property
    def scheduler(self) -> LoopScheduler:
        """The delivery thread's."""
        return self._settings.delivery

    @property
    def stats(self) -> Stats:
        """The counters, added up over all connections."""
        links = self._links
        waiting, size = self._settings.delivery.depth
        ages = [
            monotonic() - link.last_frame_at for link in links if link.last_frame_at is not None
        ]
        return Stats(
            frames=sum(link.frames for link in links),
            bytes=sum(link.bytes for link in links),
            events=self._delivery.events,
            skipped=self._delivery.skipped,
            connects=sum(link.opened for link in links),
            posts=sum(link.posts for link in links),
            queue_events=waiting,
            queue_bytes=size,
            last_event_age=min(ages, default=None),
            topics=len(self._registry.entries),
        )

    # -- the connections -------------------------------------------------------------------------

    def renew(self) -> None:
        """A new connection now: a wait is cut short, an open stream is begun anew."""
        check_process(self._process)
        with self._changed:
            self._check_open()
            for link in self._links:
                link.renew()

    def identity_changed(self) -> None:
        """Somebody logged in or out, or a token was renewed. Never waits."""
        with self._changed:
            before, self._identity = self._identity, self._settings.identity()
            if self._identity and self._lost is not None:
                lost, self._lost = self._lost, None
                self._replace_error(lost)
            for link in self._links:
                if before != self._identity and link.submitted_as is not None:
                    link.renew()
                elif before == self._identity:
                    link.resubmit()

    def close(self) -> bool:
        """Ends every connection; True if one was open. The streams end with `finish`."""
        with self._changed:
            if self._closed:
                return False
            self._closed = True
            was_open = [link.shut() for link in self._links]
            # Out of the routing table now: what a callback has before it is not delivered any more.
            self._left = self._take_out(list(self._registry)) + self._registry.everything
            self._registry.everything = ()
            self.status.close(Status(state="closed", since=time()))
            self._changed.notify_all()
        return any(was_open)

    def finish(self, was_open: bool) -> None:
        """Completes all streams, on the calling thread, once no event can come any more."""
        while self._last_words:  # the queue they waited in was discarded
            self._say_next()
        if was_open:
            self._call_on_disconnect([])
        gone, self._left = self._left, ()
        for subscriber in gone:
            guarded(subscriber.on_completed)
        self.status.end()

    @property
    def client_id(self) -> str:
        """The first connection's client id, "" while it has none."""
        return self.status.value.client_id

    @property
    def is_connected(self) -> bool:
        """True while every connection that is wanted has a client id."""
        return self.status.value.state in ("connected", "active")

    # -- what the links tell ---------------------------------------------------------------------

    def on_batch(self, batch: Batch) -> None:
        self._delivery.deliver(batch)

    def on_change(self) -> None:
        if self._closed:
            return
        # A link without topics is on its way out, or failed: it counts only where no other does.
        links = (
            [link for link in self._links if link.share.entries]
            or [link for link in self._links if link.status.state is not State.IDLE]
            or self._links[:1]
        )
        wanted = tuple(self._registry.entries)
        status = summarize([link.status for link in links], wanted)
        error = status.error or self._lost or self._views_problem
        self._publish(replace(status, error=error, unreadable=self._unreadable))

    def on_held(self, share: Share, version: int) -> None:
        """Nothing to do: whoever waits looks at the link itself."""

    def on_gap(self, share: Share) -> None:
        """Nothing to do: the user hears of a loss by `on_lost`, and of no routine end."""

    def on_lost(self, topics: list[str]) -> None:
        self._say(partial(self._call_on_disconnect, topics))

    def on_refused(self, share: Share, since: int, upto: int, error: Exception) -> None:
        with self._changed:
            # Those that came since were not in the POST; those the server took before are not
            # to blame, unless there are no others.
            asked = [entry for entry in share.entries.values() if entry.version <= upto]
            newer = [entry for entry in asked if entry.version > since] or asked
            self._end(newer, error)

    def report_lost(self, error: Exception) -> None:
        """Shows on the status that the login is lost, until somebody logs in."""
        with self._changed:
            self._lost = error
            self._publish(replace(self.status.value, error=error))

    def show_views(
        self, unreadable: tuple[UnreadableRecord, ...], problem: Exception | None
    ) -> None:
        """Shows on the status what the live views leave out, and why one of them cannot read."""
        with self._changed:
            before, self._views_problem = self._views_problem, problem
            self._unreadable = unreadable
            if self._closed:
                return
            self._publish(replace(self.status.value, unreadable=unreadable))
            self._replace_error(before)

    def _replace_error(self, ended: Exception | None) -> None:
        """What the status told is over: the next worst is told. A connection's own comes first."""
        if self.status.value.error is ended:
            error = self._lost or self._views_problem
            self._publish(replace(self.status.value, error=error))

    def fail_all(self, error: Exception) -> None:
        """Ends every stream with `error`."""
        with self._changed:
            self._end(self._registry, error)

    def on_failed(self, share: Share, error: Exception) -> None:
        self._end(list(share.entries.values()), error)

    def _judged(self, subscriber: Subscriber, error: BosBaseError | None) -> None:
        with self._changed:
            subscriber.checked = True
            if error is None or subscriber.entry is None:
                self._changed.notify_all()
                return
            on_error = subscriber.on_error
            self.detach(subscriber)
            subscriber.error = error
            self._say(partial(on_error, error))
            self._changed.notify_all()

    def on_skipped(self, error: MalformedEvent, records: tuple[Subscriber, ...]) -> None:
        """An event was left out that `records` would have got."""
        log.warning("%s", error)
        with self._changed:
            if not self._closed:
                self._publish(replace(self.status.value, error=error))

    # -- small parts -----------------------------------------------------------------------------

    def _link_of(self, share: Share) -> Link:
        if share.index == len(self._links):
            self._links.append(Link(share, self._registry, self._settings, self._changed, self))
        return self._links[share.index]

    def _take_out(self, entries: Iterable[Entry]) -> tuple[Subscriber, ...]:
        gone: tuple[Subscriber, ...] = ()
        for entry in entries:
            gone += self._registry.take_out(entry)
            self._links[entry.share.index].touch()
        return gone

    def _end(self, entries: Iterable[Entry], error: Exception | None) -> None:
        """Takes topics out, and tells their subscribers: of `error`, or of the completion. Runs
        under the lock, so that `close` comes before all of it or after."""
        for subscriber in self._take_out(entries):
            subscriber.error = error
            self._say(partial(_tell_end, subscriber))
        self._changed.notify_all()

    def _say(self, word: Callable[[], object]) -> None:
        """Queues what must be said behind the events that wait, also when those are discarded."""
        self._last_words.append(word)
        self._settings.delivery.post(self._say_next)

    def _say_next(self) -> None:
        guarded(self._last_words.popleft())

    def _publish(self, status: Status) -> None:
        if status != self.status.value:
            self.status.set(status)

    def _call_on_disconnect(self, topics: list[str]) -> None:
        callback = self.on_disconnect
        if callback is not None:
            guarded(partial(callback, topics))


def _tell_end(subscriber: Subscriber) -> None:
    if subscriber.error is not None:
        subscriber.on_error(subscriber.error)
    else:
        subscriber.on_completed()
