"""What drives one live view: it feeds the brain, makes its reads, and tells its screen.

All of it happens on the hub's thread, which runs no user code, bar the reads themselves, which are
made on the pool's. What users see is the screen's.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Generic, TypeVar

from rxbosbase.errors import BosBaseError, ClientClosedError, ClientResponseError, ProtocolError
from rxbosbase.events import RecordEvent
from rxbosbase.live.engine.engine import Engine, RecordEngine
from rxbosbase.live.engine.messages import Effects, ReadLiterals, ReadRequest, Record
from rxbosbase.live.engine.ordering import UnorderableError
from rxbosbase.live.engine.row_versions import expanded_records, updated_of
from rxbosbase.live.engine.snapshot import Snapshot
from rxbosbase.realtime.protocol.topics import Topic
from rxbosbase.realtime.session.registry import Subscriber, TopicEntry, TopicShard
from rxbosbase.runtime.retry_delay import asked_to_wait

from .manager import LiveViewManager
from .publisher import Publisher
from .source import Source, watch_topic

__all__ = ["ViewDriver"]

log = logging.getLogger("rxbosbase.live")

MAX_WATCHED = 100
"""Collections of expanded records that a view listens to; beyond that `reconcile` finds changes."""

MAX_READS = 2
"""Reads of a view under way: the one that counts, and one that no longer does."""

AT_ONCE = 4
"""So often a read that was answered 400 is made again at once, of a view whose query was answered
before: BosBase answers one read on each of its connections to the database with 400 after the
fields of a collection have changed."""

MAX_REFUSALS = 3
"""So many reads in a row that were refused all the same end the view."""

LOSS_PAUSE = 0.25
"""Seconds between a read and one that a loss asks for: a stream of frames that cannot be read must
not become a stream of requests."""

T = TypeVar("T")

Event = RecordEvent[Record]


class ViewDriver(Generic[T]):
    """One shared view, alive while it has `users`.

    Where a record turns out not to tell its place, the brain that `arranged` makes takes over.
    """

    def __init__(
        self,
        hub: LiveViewManager,
        source: Source,
        brain: Engine,
        empty: Snapshot[T],
        arranged: Callable[[Snapshot[T]], Engine] | None = None,
    ) -> None:
        self.users = 0
        self.problem: Exception | None = None  # why the last read failed
        self.screen = Publisher(
            brain, empty, hub.delivery, self._undone, self._state, hub.show_trouble
        )
        self._hub = hub
        self._now = hub.loop.time
        self._source = source
        self._brain = brain
        self._arranged = arranged
        self._expands = bool(source.query.plan.relations)
        self._topics: list[Subscriber] = []
        self._watched: set[str] = set()
        self._wake_at: float | None = None
        self._acknowledged = False
        self._is_late = False  # rows were read before their related collections were listened to
        self._ended = False
        self._wanted: ReadRequest | None = None  # the read whose answer counts
        self._waiting: ReadRequest | None = None  # the same, while it has not begun
        self._reading = 0  # reads under way, one of which may be the wanted one
        self._read_at = self._not_before = 0.0  # when the last one began, and the next one may
        self._is_pausing = False
        self._was_answered = False
        self._refusals = 0  # in a row

    # -- beginning and end -----------------------------------------------------------------------

    def begin(self) -> None:
        """Listens from now on, so that whoever waits for all topics waits for these, too; the
        reads begin once the server has taken them."""
        topics = [(self._source.topic(), self._on_event)]
        watch = self._source.watch()
        if watch is not None:
            topics.append((watch, self._on_hint))
        # The hub's thread sees all of them at once, or none. The list stays the same one: a
        # refusal may be emptying it just now.
        self._topics += [
            subscriber
            for topic, on_next in topics
            if (subscriber := self._attach(topic, on_next)) is not None
        ]
        self._hub.loop.post(self._begun)

    def end(self) -> None:
        """Takes the topics off the server; what is under way is ignored."""
        self._ended = True
        self.screen.end()
        self._hub.loop.post(self._unlisten)

    def complete(self) -> None:
        """Completes the observers, on the calling thread."""
        self.end()
        self.screen.complete()

    def _begun(self) -> None:
        if self._ended:  # one of its topics was refused, before the others were there
            self._unlisten()
        self._heed(self._hub.taken)

    def _attach(self, topic: Topic, on_next: Callable[[Event], None]) -> Subscriber | None:
        """None once the client is closed."""
        subscriber = Subscriber(on_next, self._fail, _nothing, keeps=True)
        try:
            self._hub.service.attach(topic, subscriber, None, urgent=False)
        except ClientClosedError:
            return None
        return subscriber

    def _unlisten(self) -> None:
        while self._topics:
            self._hub.service.detach(self._topics.pop())

    def _fail(self, error: Exception) -> None:
        """Ends the view with an error that retrying cannot mend."""
        if self._ended:
            return
        log.info("a live view of %r ended: %s", self._source.query.collection, error)
        self._hub.forget(self)
        self.screen.fail(error)
        self.end()

    def _undone(self, error: Exception) -> None:
        """A snapshot could not be made."""
        then = self._hand_over if isinstance(error, UnorderableError) else self._fail
        self._hub.loop.post(partial(then, error))

    def _state(self) -> object:
        return self._hub.service.status.value.state

    # -- the hub's thread: what the stream tells -------------------------------------------------

    def topics_held(self, share: TopicShard, held: Mapping[TopicShard, int]) -> None:
        """The server has taken topics of this share."""
        if any(entry.share is share for entry in self._entries()):
            self._heed(held)

    def _heed(self, held: Mapping[TopicShard, int]) -> None:
        """Once the server has all of our topics, reads may begin.

        It may have them already, for another view: then nobody is told anything.
        """
        entries = self._entries()
        if not entries or any(entry.version > held.get(entry.share, -1) for entry in entries):
            return
        is_late = self._is_late and self._acknowledged
        self._acknowledged, self._is_late = True, False
        heed = self._brain.skipped if is_late else self._brain.acknowledged
        self._apply(heed(self._now()))

    def topics_lost(self, share: TopicShard) -> None:
        """The connection of `share` ended."""
        if any(entry.share is share for entry in self._entries()):
            self._acknowledged = False
            self._apply(self._brain.lost(self._now()))

    def _entries(self) -> list[TopicEntry]:
        return [topic.entry for topic in self._topics if topic.entry is not None]

    def frame_skipped(self, name: str) -> None:
        """A frame could not be read; where its topic is not known, it may have been ours."""
        names = {entry.name for entry in self._entries()}
        if name in names or "/" not in name:
            self._apply(self._brain.skipped(self._now()), hurries=False)

    def reset(self) -> None:
        """Somebody else is logged in: what was seen may not be theirs to see."""
        if not self._ended:
            self._acknowledged = False
            self._apply(self._brain.reset(self._now()))

    def _on_event(self, event: Event) -> None:
        record = event.record
        if isinstance(record.get("id"), str):
            self._apply(self._brain.event(event.action, record, self._now()))
            self._watch_related((record,))

    def _on_hint(self, event: Event) -> None:
        id = event.record.get("id")
        if isinstance(id, str):
            updated = updated_of(event.record)
            self._apply(self._brain.hint(event.action, id, updated, self._now()))

    def _on_related(self, event: Event) -> None:
        id = event.record.get("id")
        if isinstance(id, str):
            self._apply(self._brain.related(id, self._now()))

    def _watch_related(self, rows: Iterable[Record]) -> None:
        """Listens to the collections of what the rows expand: nothing else tells of a change
        there. Where they may not be read, that stays silent and `reconcile` finds it. What changed
        there before we listen is looked for once we do."""
        if not self._expands or not self._topics:
            return  # an event that came while `begin` was at work: the first read shows its record
        known = len(self._watched)
        for row in rows:
            for related in expanded_records(row):
                name = related.get("collectionName")
                if isinstance(name, str) and name not in self._watched:
                    self._watch_collection(name)
        if len(self._watched) > known:
            self._is_late = True
            self._heed(self._hub.taken)

    def _watch_collection(self, name: str) -> None:
        if len(self._watched) >= MAX_WATCHED:
            return  # no schema has so many: somebody makes names up
        self._watched.add(name)
        try:
            topic = watch_topic(name, self._source.query.headers)
        except (ValueError, ClientResponseError) as error:
            log.info("changes of %r are found by `reconcile` alone: %s", name, error)
            return
        subscriber = None if self._ended else self._attach(topic, self._on_related)
        if subscriber is not None:
            self._topics.append(subscriber)

    # -- the hub's thread: reads and time --------------------------------------------------------

    def _apply(self, effects: Effects, *, hurries: bool = True) -> None:
        if self._ended:
            return
        if effects.read is not None:
            at_once = hurries and self._wanted is None  # else it overtakes one: a loss, too
            self._not_before = 0.0 if at_once else self._read_at + LOSS_PAUSE
            self._wanted = self._waiting = effects.read
            self._begin_read()
        self._set_timer(effects.wake)
        self.screen.show(effects)

    def _set_timer(self, wake: float | None) -> None:
        # A timer that fires too early only ticks once more; one for each event would cost more.
        if wake is None or (self._wake_at is not None and self._wake_at <= wake):
            return
        self._wake_at = wake
        self._hub.loop.call_later(max(0.0, wake - self._now()), partial(self._tick, wake))

    def _tick(self, due: float) -> None:
        if self._wake_at == due:
            self._wake_at = None
            self._apply(self._brain.tick(self._now()))

    def _begin_read(self) -> None:
        read = self._waiting
        if read is None or self._reading == MAX_READS or self._is_pausing:
            return
        pause = self._not_before - self._now()
        if pause > 0:
            self._is_pausing = True
            self._hub.loop.call_later(pause, self._pause_is_over)
            return
        self._waiting = None
        self._reading += 1
        self._read_at = self._now()
        self._hub.pool.submit(partial(self._read, read))

    def _pause_is_over(self) -> None:
        self._is_pausing = False
        self._begin_read()

    def _read(self, request: ReadRequest) -> None:
        """On a thread of the pool."""
        if not self._ended:
            self._hub.loop.post(partial(self._done, request, self._outcome(request)))

    def _outcome(self, request: ReadRequest) -> Callable[[], None]:
        try:
            rows, last = self._rows(request)
        except ClientClosedError:
            return _nothing
        except BosBaseError as error:
            if isinstance(error, ClientResponseError) and error.status in (400, 403, 404):
                return partial(self._refused, request, error)
            return partial(self._failed, request, error)
        except Exception as error:  # whatever it is: the view must not wait for an answer for ever
            log.exception("a read of a live view could not be made")
            return partial(self._failed, request, error)
        return partial(self._answered, request, rows, last)

    def _rows(self, request: ReadRequest) -> tuple[list[Record], bool]:
        for _ in range(AT_ONCE if self._was_answered and not self._refusals else 0):
            try:
                return self._source.rows(request)
            except ClientResponseError as error:
                if error.status != 400:
                    raise
        return self._source.rows(request)

    def _done(self, request: ReadRequest, tell: Callable[[], None]) -> None:
        self._reading -= 1
        if request is self._wanted:  # else a newer read has replaced it
            self._wanted = None
            tell()
        self._begin_read()

    def _refused(self, request: ReadRequest, error: ClientResponseError) -> None:
        self._refusals += 1
        if error.status == 400 and self._was_answered and self._refusals < MAX_REFUSALS:
            self._failed(request, error)
        else:
            self._fail(error)

    def _failed(self, request: ReadRequest, error: Exception) -> None:
        level = logging.WARNING if self.problem is None else logging.INFO
        log.log(level, "a read of a live view failed: %s", error)
        self._tell_problem(error)
        self._apply(self._brain.failed(request, self._now(), asked_to_wait(error)))

    def _answered(self, request: ReadRequest, rows: list[Record], last: bool) -> None:
        if not isinstance(request, ReadLiterals):  # that is answered whatever the server says
            self._was_answered, self._refusals = True, 0
        known = self._hub.text_order.by_bytes
        try:
            effects = self._brain.read_done(request, rows, last, self._now())
        except ProtocolError as error:
            self._failed(request, error)
            return
        if effects.fresh:
            self._tell_problem(None)
        self._apply(effects)
        self._watch_related(rows)
        if self._hub.text_order.by_bytes != known:
            self._hub.order_learned()

    def order_learned(self) -> None:
        """Another view has found out how the server sorts text."""
        self._apply(self._brain.tick(self._now()))

    def _tell_problem(self, error: Exception | None) -> None:
        if error is not self.problem:
            self.problem = error
            self._hub.show_trouble()

    def _hand_over(self, why: Exception) -> None:
        """Only the server can order the rows: the same view goes on as it arranges them."""
        if self._ended or self._arranged is None:
            return
        log.info("the server sorts a live view of %r: %s", self._source.query.collection, why)
        was_emptied = isinstance(self._brain, RecordEngine) and not self._brain.has_rows
        self._brain = self.screen.use(self._arranged)
        if was_emptied:  # somebody else is logged in
            self._apply(Effects((), None, loaded=True, fresh=False, wake=None, rows=()))
        now = self._now()
        self._apply(self._brain.acknowledged(now) if self._acknowledged else self._brain.lost(now))


def _nothing() -> None:
    """The views' topics complete only with the client."""
