"""The driver of one live view: it feeds the engine, makes its reads, and passes on its effects.

It runs on the manager's scheduler, which runs no user code; the reads run on the pool. The
publisher makes the snapshots and calls the observers.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Generic, TypeVar

from rxbosbase.access.questions import BelievedRefusal, is_refusal
from rxbosbase.access.refusals import REPEAT_SECONDS, RefusalCount
from rxbosbase.encoding.record import Record
from rxbosbase.encoding.unreadable import UnreadableRecord
from rxbosbase.errors import BosBaseError, ClientClosedError, ClientResponseError, ProtocolError
from rxbosbase.events import Event
from rxbosbase.live.engine.engine import Engine
from rxbosbase.live.engine.messages import Effects, ReadLiterals, ReadRequest
from rxbosbase.live.engine.ordering import UnorderableError
from rxbosbase.live.engine.row_versions import expanded_records, updated_of
from rxbosbase.live.engine.snapshot import Snapshot
from rxbosbase.realtime.protocol.topics import Topic
from rxbosbase.realtime.session.registry import Subscriber, TopicEntry, TopicShard
from rxbosbase.runtime.retry_delay import asked_to_wait

from .manager import LiveViewManager
from .publisher import Publisher
from .source import Source, lacks_shown_rows, watch_topic

__all__ = ("ViewDriver",)

log = logging.getLogger("rxbosbase.live")

MAX_WATCHED = 100
"""Collections of expanded records that a view subscribes to; `reconcile` finds other changes."""

MAX_READS = 2
"""Reads of a view in flight: the one that counts, and one that a newer one has replaced."""

LOSS_PAUSE = 0.25
"""Seconds between a read and the next one after a loss: a stream of frames that cannot be read must
not become a stream of requests."""

T = TypeVar("T")


class ViewDriver(Generic[T]):
    """One shared view, alive while it has `users`.

    Once only the server can order the rows, the engine that `make_window` returns takes over.
    """

    def __init__(
        self,
        manager: LiveViewManager,
        source: Source,
        engine: Engine,
        empty: Snapshot[T],
        make_window: Callable[[Snapshot[T]], Engine] | None = None,
    ) -> None:
        self.users = 0
        self.problem: Exception | None = None  # why the last read failed
        self.publisher = Publisher(
            engine, empty, manager.delivery, self._on_build_failed, self._state,
            manager.report_problems,
        )  # fmt: skip
        self._manager = manager
        self._now = manager.scheduler.time
        self._source = source
        self._engine = engine
        self._make_window = make_window
        self._expands = bool(source.query.plan.relations)
        self._topics: list[Subscriber] = []
        self._watched: set[str] = set()
        self._wake_at: float | None = None
        self._acknowledged = False
        self._is_late = False  # rows were read before the topics of their related collections
        self._ended = False
        self._expected: ReadRequest | None = None  # the read whose response counts
        self._pending: ReadRequest | None = None  # the same, while it has not begun
        self._reading = 0  # reads in flight, one of which may be the expected one
        self._read_at = self._not_before = 0.0  # when the last one began, and when the next one may
        self._is_pausing = False
        self._refusals = RefusalCount()

    @property
    def unreadable(self) -> Iterable[UnreadableRecord]:
        """The records that the view leaves out."""
        return self.publisher.unreadable

    # -- beginning and end -----------------------------------------------------------------------

    def start(self) -> None:
        """Subscribe at once, so that a wait for all topics includes these; the reads start once the
        server has acknowledged them."""
        on_event = self._on_event if self._source.is_query else self._on_record_event
        topics = [(self._source.topic(), on_event)]
        watch = self._source.watch()
        if watch is not None:
            topics.append((watch, self._on_hint))
        # The manager's scheduler sees all of them at once, or none. The list stays the same object:
        # a refusal may be emptying it just now.
        self._topics += [
            subscriber
            for topic, on_next in topics
            if (subscriber := self._attach(topic, on_next)) is not None
        ]
        self._manager.scheduler.post(self._on_started)

    def end(self) -> None:
        """Remove the topics; what is in flight is ignored."""
        self._ended = True
        self.publisher.end()
        self._manager.scheduler.post(self._detach_all)

    def complete(self) -> None:
        """Complete the observers, on the calling thread."""
        self.end()
        self.publisher.complete()

    def _on_started(self) -> None:
        if self._ended:  # one of its topics was refused, before the others were there
            self._detach_all()
        self._check_acknowledged(self._manager.acknowledged)

    def _attach(self, topic: Topic, on_next: Callable[[Event], None]) -> Subscriber | None:
        """Subscribe to a topic; return None once the client is closed."""
        subscriber = Subscriber(on_next, self._fail, _nothing, keep_on_error=True)
        try:
            self._manager.service.attach(topic, subscriber, None, urgent=False)
        except ClientClosedError:
            return None
        return subscriber

    def _detach_all(self) -> None:
        while self._topics:
            self._manager.service.detach(self._topics.pop())

    def _fail(self, error: Exception) -> None:
        """End the view with an error that a retry cannot fix."""
        if self._ended:
            return
        log.info("a live view of %r ended: %s", self._source.query.collection, error)
        self._manager.forget(self)
        self.publisher.fail(error)
        self.end()

    def _on_build_failed(self, error: Exception) -> None:
        """Handle that a snapshot could not be made."""
        then = self._replace_engine if isinstance(error, UnorderableError) else self._fail
        self._manager.scheduler.post(partial(then, error))

    def _state(self) -> object:
        return self._manager.service.status.value.state

    # -- on the manager's scheduler: the stream --------------------------------------------------

    def topics_acknowledged(self, shard: TopicShard, versions: Mapping[TopicShard, int]) -> None:
        """Handle the server's acknowledgement of topics of this shard."""
        if any(entry.shard is shard for entry in self._entries()):
            self._check_acknowledged(versions)

    def _check_acknowledged(self, versions: Mapping[TopicShard, int]) -> None:
        """Let reads start once the server has acknowledged all topics of this view.

        It may have done so before, for another view: then no acknowledgement follows.
        """
        entries = self._entries()
        if not entries or any(entry.version > versions.get(entry.shard, -1) for entry in entries):
            return
        is_late = self._is_late and self._acknowledged
        self._acknowledged, self._is_late = True, False
        handle = self._engine.skipped if is_late else self._engine.acknowledged
        self._apply(handle(self._now()))

    def topics_lost(self, shard: TopicShard) -> None:
        """Handle that events of `shard` may be lost."""
        if any(entry.shard is shard for entry in self._entries()):
            self._acknowledged = False
            self._apply(self._engine.lost(self._now()))

    def _entries(self) -> list[TopicEntry]:
        return [topic.entry for topic in self._topics if topic.entry is not None]

    def frame_skipped(self, name: str) -> None:
        """Handle an undecodable frame; one without a known topic may be of this view."""
        names = {entry.name for entry in self._entries()}
        if name in names or "/" not in name:
            self._apply(self._engine.skipped(self._now()), may_read_now=False)

    def reset(self) -> None:
        """Empty the view: another identity is logged in, which may not view the rows."""
        if not self._ended:
            self._acknowledged = False
            self._refusals = RefusalCount()
            self._apply(self._engine.reset(self._now()))

    def _on_event(self, event: Event) -> None:
        record = event.record
        if isinstance(record.get("id"), str):
            self._apply(self._engine.event(event.action, record, self._now()))
            self._watch_related((record,))

    def _on_record_event(self, event: Event) -> None:
        """Handle an event of the one record; after its deletion a 404 is as good as at first."""
        if event.action == "delete":
            self._refusals = RefusalCount()
        self._on_event(event)

    def _on_hint(self, event: Event) -> None:
        id = event.record.get("id")
        if isinstance(id, str):
            updated = updated_of(event.record)
            self._apply(self._engine.hint(event.action, id, updated, self._now()))

    def _on_related(self, event: Event) -> None:
        id = event.record.get("id")
        if isinstance(id, str):
            self._apply(self._engine.related(id, self._now()))

    def _watch_related(self, rows: Iterable[Record]) -> None:
        """Subscribe to the collections of the records that the rows expand: no other event reports
        a change there. Where they may not be read, no event comes; `reconcile` finds the change.
        What changed before the topics were acknowledged is read after that."""
        if not self._expands or not self._topics:
            return  # an event during `start`: the first read shows its record
        known = len(self._watched)
        for row in rows:
            for related in expanded_records(row):
                name = related.get("collectionName")
                if isinstance(name, str) and name not in self._watched:
                    self._watch_collection(name)
        if len(self._watched) > known:
            self._is_late = True
            self._check_acknowledged(self._manager.acknowledged)

    def _watch_collection(self, name: str) -> None:
        if len(self._watched) >= MAX_WATCHED:
            return  # no schema has so many: the names are not of collections
        self._watched.add(name)
        try:
            topic = watch_topic(name, self._source.query.headers)
        except (ValueError, ClientResponseError) as error:
            log.info("changes of %r are found by `reconcile` alone: %s", name, error)
            return
        subscriber = None if self._ended else self._attach(topic, self._on_related)
        if subscriber is not None:
            self._topics.append(subscriber)

    # -- on the manager's scheduler: reads and time ----------------------------------------------

    def _apply(self, effects: Effects, *, may_read_now: bool = True) -> None:
        if self._ended:
            return
        if effects.read is not None:
            at_once = may_read_now and self._expected is None  # else it replaces a read: a loss too
            self._not_before = 0.0 if at_once else self._read_at + LOSS_PAUSE
            self._expected = self._pending = effects.read
            self._begin_read()
        self._set_timer(effects.wake)
        incomplete = self._manager.incomplete
        if incomplete and any(entry.shard in incomplete for entry in self._entries()):
            effects = effects._replace(fresh=False)  # a node is missing
        self.publisher.show(effects)

    def _set_timer(self, wake: float | None) -> None:
        # A timer that fires too early costs one tick; a timer for each event would cost more.
        if wake is None or (self._wake_at is not None and self._wake_at <= wake):
            return
        self._wake_at = wake
        self._manager.scheduler.call_later(max(0.0, wake - self._now()), partial(self._tick, wake))

    def _tick(self, due: float) -> None:
        if self._wake_at == due:
            self._wake_at = None
            self._apply(self._engine.tick(self._now()))

    def _begin_read(self) -> None:
        read = self._pending
        if read is None or self._reading == MAX_READS or self._is_pausing:
            return
        pause = self._not_before - self._now()
        if pause > 0:
            self._is_pausing = True
            self._manager.scheduler.call_later(pause, self._pause_is_over)
            return
        self._pending = None
        self._reading += 1
        self._read_at = self._now()
        self._manager.pool.submit(partial(self._read, read))

    def _pause_is_over(self) -> None:
        self._is_pausing = False
        self._begin_read()

    def _read(self, request: ReadRequest) -> None:
        """Make a read, on a thread of the pool."""
        if not self._ended:
            self._manager.scheduler.post(partial(self._done, request, self._outcome(request)))

    def _outcome(self, request: ReadRequest) -> Callable[[], None]:
        questions, source = self._manager.questions, self._source
        ask = partial(questions.ask, source.question, partial(source.rows, request))
        try:
            rows, last = ask()
            # A server that cannot look up a token for a moment answers as to a guest.
            shown = self.publisher.made.by_id
            if questions.has_login and lacks_shown_rows(request, rows, last=last, shown=shown):
                rows, last = ask()
        except ClientClosedError:
            return _nothing
        except BelievedRefusal as refused:
            return partial(self._refused, request, refused.error)
        except BosBaseError as error:
            return partial(self._troubled, request, error)
        except Exception as error:  # of any kind: the view must not wait without end
            log.exception("a read of a live view could not be made")
            return partial(self._troubled, request, error)
        return partial(self._accepted, request, rows, last)

    def _done(self, request: ReadRequest, apply: Callable[[], None]) -> None:
        self._reading -= 1
        if request is self._expected:  # else a newer read has replaced it
            self._expected = None
            apply()
        self._begin_read()

    def _refused(self, request: ReadRequest, error: ClientResponseError) -> None:
        if isinstance(request, ReadLiterals) and error.status == 400:
            self._answered(request, [], last=True)  # a server that compares no literals
        elif not self._refusals.refused(error.status, self._now()):
            self._failed(request, error, REPEAT_SECONDS)
        elif self._source.is_query or error.status == 400:
            self._fail(error)
        else:  # the record does not exist, or may not be viewed
            self._refusals = RefusalCount()
            self._answered(request, [], last=True)

    def _troubled(self, request: ReadRequest, error: Exception) -> None:
        if is_refusal(error):
            self._refusals.troubled()
        self._failed(request, error)

    def _failed(self, request: ReadRequest, error: Exception, wait: float = 0.0) -> None:
        level = logging.WARNING if self.problem is None else logging.INFO
        log.log(level, "a read of a live view failed: %s", error)
        self._set_problem(error)
        wait = max(wait, asked_to_wait(error))
        self._apply(self._engine.failed(request, self._now(), wait))

    def _accepted(self, request: ReadRequest, rows: list[Record], last: bool) -> None:
        if not isinstance(request, ReadLiterals):  # which the server answers for any query
            self._refusals.accepted()
        self._answered(request, rows, last)

    def _answered(self, request: ReadRequest, rows: list[Record], last: bool) -> None:
        known = self._manager.text_order.by_bytes
        try:
            effects = self._engine.read_done(request, rows, last, self._now())
        except ProtocolError as error:
            self._troubled(request, error)
            return
        if effects.fresh:
            self._set_problem(None)
        self._apply(effects)
        self._watch_related(rows)
        if self._manager.text_order.by_bytes != known:
            self._manager.order_learned()

    def order_learned(self) -> None:
        """Sort again: another view has learned how the server sorts text."""
        self._apply(self._engine.tick(self._now()))

    def _set_problem(self, error: Exception | None) -> None:
        if error is not self.problem:
            self.problem = error
            self._manager.report_problems()

    def _replace_engine(self, why: Exception) -> None:
        """Replace the engine, since only the server can order the rows."""
        if self._ended or self._make_window is None:
            return
        log.info("the server sorts a live view of %r: %s", self._source.query.collection, why)
        was_emptied = not self._engine.has_rows
        self._engine = self.publisher.use(self._make_window)
        self._make_window = None
        if was_emptied:  # another identity is logged in
            self._apply(Effects((), None, loaded=True, fresh=False, wake=None, rows=()))
        now = self._now()
        self._apply(
            self._engine.acknowledged(now) if self._acknowledged else self._engine.lost(now)
        )


def _nothing() -> None:
    """Do nothing at the client's close, which completes topics and ends reads."""
