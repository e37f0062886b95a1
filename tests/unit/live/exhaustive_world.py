"""One sequence of `exhaustive` as it goes: the server, the network and the driver, move by move.

A move is a write, the arrival of a frame, a step of the trouble, the moment or the answer of the
slow read, or time. Moves other than time take none, so that whatever can happen at once does, in
every order. Time goes in three ways: to the reducer's next ``wake``; to the last moment at which
some frame may come; or on by a long `PAUSE`, longer than everything that the rules remember.

Whether a topic gets the frame of a write is decided some time after it, on the table as it is then.
Those moments are no moves: a frame may come if any moment since its write would have sent it, and
may fail to come if any would not have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from math import inf
from typing import Any, TypeAlias

from rxbosbase.encoding.record import Record
from rxbosbase.live.engine.messages import Effects, ReadIds, ReadPage, ReadRequest, Rules
from rxbosbase.live.engine.ordering import Order
from rxbosbase.live.engine.reducer import Reducer

from .exhaustive_setups import IN, NONE, SUBJECTS, Scope, Setup
from .exhaustive_state import HORIZON, PAGE, digest, freeze, make_rules, seen_from, thaw

__all__ = ["PAUSE", "Broken", "Make", "Move", "World", "make_reducer"]

Make: TypeAlias = Callable[[Rules, Order | None, float], Reducer]
"""As for the model: from the rules, the view's order and its interval, which no sequence has."""

Move: TypeAlias = tuple[str, int]
"""What happens next, and to which write or frame, if to one."""

PAUSE = 12.0  # s, longer than any of the rules' numbers but `reconcile`
BURST = 20.0  # s between the timestamps before and after a pause
BEGINNING = 1000.0
NOT_QUITE = 0.001  # s before the bound on late frames, which says "less than"
STEP = 0.01  # s between two timestamps
TICK = 2.0  # s: two writes further apart than that neither tie nor fall
SOON = 3.0  # s: longer than a recheck waits; shorter than a reconcile

OLD = datetime(2026, 1, 1, tzinfo=UTC)
TIME = ("tick", "brink", "pause")


def make_reducer(rules: Rules, order: Order | None, interval: float) -> Reducer:
    """The reducer as it is."""
    return Reducer(rules)


class Broken(Exception):
    """A promise of the view is broken: what, in a sentence."""


class _Frame:
    """What one topic may send of one write."""

    __slots__ = ("can", "cannot", "is_event", "last", "write")

    def __init__(self, write: int, is_event: bool, last: float) -> None:
        self.write = write
        self.is_event = is_event
        self.last = last  # the latest moment at which it comes
        self.can = False  # some moment since the write would have sent it
        self.cannot = False  # some moment since the write would not have

    def __reduce__(self) -> tuple[Any, ...]:
        fields = (self.write, self.is_event, self.last, self.can, self.cannot)
        return _frame, fields


def _frame(write: int, is_event: bool, last: float, can: bool, cannot: bool) -> _Frame:
    frame = _Frame(write, is_event, last)
    frame.can, frame.cannot = can, cannot
    return frame


def _timestamp(seconds: float) -> str:
    """The server's text for a moment of virtual time."""
    return f"{OLD + timedelta(seconds=seconds):%Y-%m-%d %H:%M:%S.%f}"[:-3] + "Z"


class World:
    """The state of a sequence. `freeze` and `thaw` copy it; equal bytes are equal states.

    Attributes:
        log: what happened, one line each; None if it is not logged.
    """

    def __init__(self, setup: Setup, scope: Scope, make: Make = make_reducer) -> None:
        self.setup = setup
        self.scope = scope
        self.make = make
        self.log: list[str] | None = None
        self.waits = scope.waits
        self.reducer = make(make_rules(setup.trusted), None, 0.0)
        self.now = BEGINNING
        self.wake: float | None = None
        self.loaded = self.fresh = False
        self.shown: dict[str, Record] = {}
        self.table: dict[str, Record] = {}
        self.records: list[Record] = []  # what each write's frames hold
        self.matched: list[bool] = []  # of a delete: whether the view's topic has its event
        self.written: list[float] = []
        self.timestamps: list[float] = []
        self.frames: list[_Frame] = []
        self.line = "down"  # up, broken (and not noticed), early (subscribed, not acknowledged)
        self.troubled = False
        self.counts = True  # False: as it is now, the sequence is another one written differently
        self.read: ReadRequest | None = None  # asked, and not yet begun
        self.slow: ReadRequest | None = None
        self.slow_rows: list[Record] | None = None
        self.had_slow = False
        self.current: ReadRequest | None = None  # what the reducer waits for
        self.asked = 0  # the reducer's step when it asked for that
        self.bursts = 0  # how many pauses there were
        self.timed = ""  # the last move, if it was time
        self._begin()

    def _begin(self) -> None:
        for id, place in zip(SUBJECTS, self.setup.start, strict=False):
            if place != NONE:
                self.table[id] = self._row(id, place, 0, 0.0, 0.0)
        if self.setup.trouble != "start":
            self.line = "up"
            self.had_slow = True  # nothing is slow while it begins
            self.apply(self.reducer.acknowledged(self.now))
            self.pass_time(PAUSE)
        self.had_slow = not self.scope.slow

    def _row(self, id: str, place: str, n: int, created: float, updated: float) -> Record:
        row = {"id": id, "match": place == IN, "n": n, "created": _timestamp(created)}
        if self.setup.clock != "absent":
            row["updated"] = _timestamp(created if self.setup.clock == "frozen" else updated)
        return row

    # -- Copies

    def freeze(self) -> bytes:
        """A copy of the state, for `thaw`."""
        return freeze({**self._state(), "reducer": vars(self.reducer)})

    def thaw(self, frozen: bytes) -> World:
        """Another world in the state that was frozen."""
        world = object.__new__(World)
        vars(world).update(vars(self))
        state = thaw(frozen)
        reducer = object.__new__(type(self.reducer))
        vars(reducer).update(state["reducer"])
        vars(world).update(state, reducer=reducer)
        return world

    def _state(self) -> dict[str, Any]:
        constant = ("setup", "scope", "make", "log")
        return {name: each for name, each in vars(self).items() if name not in constant}

    def key(self) -> bytes:
        """The same for states with the same future."""
        now = self.now
        slow: tuple[Any, ...] | None = None
        if self.slow is not None:
            rows = None if self.slow_rows is None else [[*row.values()] for row in self.slow_rows]
            slow = str(self.slow), self.slow is self.current, rows
        asked = inf if self.current is None else self.asked
        pass_ = self.reducer._pass
        steps = (asked, inf if pass_ is None else pass_.step)
        return digest((
            self.line, self.troubled, self.counts, self.had_slow, self.timed, self.bursts,
            self.waits, self.loaded, self.fresh, str(self.read), self.current is None,
            None if self.wake is None else round(self.wake - now, 4),
            [(f.write, f.is_event, round(f.last - now, 4), f.can, f.cannot) for f in self.frames],
            [now - written < TICK for written in self.written], slow, self.timestamps,
            [(id, row["n"]) for id, row in sorted(self.table.items())],
            [(id, row["n"]) for id, row in sorted(self.shown.items())],
            seen_from(now, steps)(vars(self.reducer)),
        ))  # fmt: skip

    # -- What may happen next

    def moves(self) -> list[Move]:
        """Every move that is possible; ``end`` is one."""
        if self.read is not None:
            return [("at once", 0), ("slow", 0)]
        moves = [
            *self._network_moves(),
            *self._trouble_moves(),
            *self._read_moves(),
        ]
        if self._may_end():
            moves.append(("end", 0))
        if self.waits and not self._is_over():
            moves += self._time_moves()
        return moves

    def _network_moves(self) -> Iterator[Move]:
        done = len(self.written)
        if done < len(self.setup.writes) and self._may_write(done):
            yield "write", done
        if self.line in ("up", "early"):
            for at, frame in enumerate(self.frames):
                if frame.can:
                    yield "frame", at

    def _may_write(self, at: int) -> bool:
        """Return False where too much time has passed for a timestamp that ties or falls."""
        for earlier in self._earlier_timestamps(at):
            is_later = self.setup.timestamps[at] > self.setup.timestamps[earlier]
            if not is_later and self.now - self.written[earlier] >= TICK:
                return False
        return True

    def _earlier_timestamps(self, at: int) -> list[int]:
        record, place = self.setup.writes[at]
        if place == NONE or self.setup.clock != "moves":
            return []
        writes = enumerate(self.setup.writes[:at])
        return [i for i, (other, place) in writes if other == record and place != NONE]

    def _trouble_moves(self) -> Iterator[Move]:
        trouble = self.setup.trouble
        if trouble in ("loss", "start") and self.line in ("down", "early"):
            if self.line == "down" and self.scope.breaks:
                yield "subscribed", 0
            if self.counts:
                yield "acknowledged", 0
        if self.line == "broken" and self.counts:
            yield "lost", 0
        if self.troubled or self.line != "up":
            return
        if trouble == "loss":
            yield "lost", 0
            if self.scope.breaks:
                yield "broken", 0
        elif trouble == "skip":
            yield from (("skip", at) for at, frame in enumerate(self.frames) if frame.can)
        elif trouble in ("resubmit", "compare"):
            yield trouble, 0

    def _read_moves(self) -> Iterator[Move]:
        if self.slow is not None:
            yield ("look", 0) if self.slow_rows is None else ("answer", 0)

    def _time_moves(self) -> Iterator[Move]:
        if self.wake is not None and self.wake <= self.now + SOON:
            if self._may_pass(self.wake):
                yield "tick", 0
            return
        coming = [frame.last for frame in self.frames if frame.can and frame.last > self.now]
        if coming and self._may_pass(min(coming)):
            yield "brink", 0
        if not self.bursts and self._may_pass(self.now + PAUSE):
            yield "pause", 0

    def _may_pass(self, time: float) -> bool:
        return all(frame.cannot or frame.last >= time for frame in self.frames)

    def _is_over(self) -> bool:
        """True if nothing is left to wait for."""
        has_trouble = self.troubled or self.setup.trouble == "calm"
        waits = self.slow is not None or any(frame.can for frame in self.frames)
        done = len(self.written) == len(self.setup.writes)
        return done and has_trouble and self.line == "up" and not waits

    def _may_end(self) -> bool:
        has_trouble = self.troubled or self.setup.trouble == "calm"
        done = len(self.written) == len(self.setup.writes) and self.slow is None
        gone = all(frame.cannot for frame in self.frames)
        return done and has_trouble and self.line == "up" and gone and not self.timed

    # -- What happens

    def do(self, move: Move) -> None:
        """The move happens.

        Raises:
            Broken: the reducer does what it must not.
        """
        kind, at = move
        self.timed = kind if kind in TIME else ""
        self.waits -= bool(self.timed)
        getattr(self, "_" + kind.replace(" ", "_"))(at)

    def _write(self, at: int) -> None:
        index, place = self.setup.writes[at]
        id = SUBJECTS[index]
        before = self.table.get(id)
        self.written.append(self.now)
        timestamp = self._next_timestamp(at)
        self.timestamps.append(timestamp)
        if place == NONE:
            assert before is not None
            record = self.table.pop(id)
            self.matched.append(record["match"] or not self.setup.filtered)
        else:
            created = timestamp if before is None else 0.0
            record = self._row(id, place, at + 1, created, timestamp)
            if before is not None:
                record["created"] = before["created"]
                if self.setup.clock == "frozen":
                    record["updated"] = before["updated"]
            self.table[id] = record
            self.matched.append(True)
        self.records.append(record)
        self._log(f"write {at + 1}: {self._what(at, before)}")
        if place != NONE or self.matched[at]:
            self.frames.append(_Frame(at, True, self.now + self.setup.late - NOT_QUITE))
        if self.setup.filtered:
            self.frames.append(_Frame(at, False, self.now + self.setup.late - NOT_QUITE))
        self._decide()

    def _what(self, at: int, before: Record | None) -> str:
        index, place = self.setup.writes[at]
        id, record = SUBJECTS[index], self.records[at]
        if place == NONE:
            return f"{id} is deleted, updated {record.get('updated')}"
        what = "created" if before is None else "updated"
        return f"{id} is {what}, {place} the query, updated {record.get('updated')}"

    def _next_timestamp(self, at: int) -> float:
        """The timestamp of a write, so that it has its place among those of its record."""
        mine, ranks = self._earlier_timestamps(at), self.setup.timestamps
        equal = [self.timestamps[i] for i in mine if ranks[i] == ranks[at]]
        if equal:
            return equal[0]
        later = [self.timestamps[i] for i in mine if ranks[i] > ranks[at]]
        past = [self.timestamps[i] for i in mine if ranks[i] < ranks[at]]
        if later:
            low = max(past) if past else min(later) - 2 * STEP
            return (min(later) + low) / 2
        start = BEGINNING + self.bursts * BURST
        return max([start, *(timestamp + STEP for timestamp in self.timestamps)])

    def _decide(self) -> None:
        """The present moment may be the one at which frames are decided."""
        connected = self.line in ("up", "early")
        for frame in self.frames:
            if connected and self._sends(frame):
                frame.can = True
            else:
                frame.cannot = True
        self.frames = [
            frame for frame in self.frames if frame.can or not frame.cannot or self._may_be(frame)
        ]

    def _sends(self, frame: _Frame) -> bool:
        index, place = self.setup.writes[frame.write]
        if place == NONE:
            return True
        row = self.table.get(SUBJECTS[index])
        return row is not None and (row["match"] or not (frame.is_event and self.setup.filtered))

    def _may_be(self, frame: _Frame) -> bool:
        """True if a later moment may still send the frame."""
        rest = self.setup.writes[len(self.written) :]
        changes = any(record == self.setup.writes[frame.write][0] for record, _ in rest)
        return changes or (self.line != "up" and self._sends(frame))

    def _take(self, at: int) -> _Frame:
        if self.line == "early":
            self.counts = True
        return self.frames.pop(at)

    def _frame(self, at: int) -> None:
        frame = self._take(at)
        record = self.records[frame.write]
        action = self._action(frame.write)
        kind = "event" if frame.is_event else "hint"
        self._log(f"the {kind} of write {frame.write + 1} comes")
        if frame.is_event:
            self.apply(self.reducer.event(action, record, self.now))
        else:
            updated = record.get("updated", "")
            self.apply(self.reducer.hint(action, record["id"], updated, self.now))

    def _action(self, at: int) -> str:
        index, place = self.setup.writes[at]
        if place == NONE:
            return "delete"
        earlier = [place for other, place in self.setup.writes[:at] if other == index]
        before = earlier[-1] if earlier else self.setup.start[index]
        return "create" if before == NONE else "update"

    # -- The trouble

    def _skip(self, at: int) -> None:
        frame = self._take(at)
        kind = "event" if frame.is_event else "hint"
        self._log(f"the {kind} of write {frame.write + 1} is skipped")
        self.troubled = True
        self.apply(self.reducer.skipped(self.now))

    def _compare(self, _: int) -> None:
        self._log("a reconcile falls due")
        self.troubled = True
        passes = self.reducer._schedule
        passes._compare_at = passes._page_check_at = self.now
        self.apply(self.reducer.tick(self.now))

    def _resubmit(self, _: int) -> None:
        self._log("the topics are submitted again")
        self.troubled = True
        for frame in self.frames:
            frame.cannot = True
        self.apply(self.reducer.acknowledged(self.now))

    def _broken(self, _: int) -> None:
        self._log("the link breaks, and the client does not notice")
        self.troubled, self.counts = True, False
        self._cut("broken")

    def _lost(self, _: int) -> None:
        self._log("the connection is lost")
        self.troubled = True
        self._cut("down")
        self.apply(self.reducer.lost(self.now))

    def _cut(self, line: str) -> None:
        self.line = line
        for frame in self.frames:
            frame.can = False
        self._decide()

    def _subscribed(self, _: int) -> None:
        self._log("the server takes the topics of a new connection")
        self.counts = False  # until a frame comes, as it makes no difference before
        self.line = "early"
        self._decide()

    def _acknowledged(self, _: int) -> None:
        self._log("the topics are acknowledged")
        self.line, self.troubled = "up", True
        self._decide()
        self.apply(self.reducer.acknowledged(self.now))

    # -- reads

    def rows_for(self, read: ReadRequest) -> list[Record]:
        """What the server answers, as its tables are now."""
        rows = [
            row for _, row in sorted(self.table.items()) if row["match"] or not self.setup.filtered
        ]
        if isinstance(read, ReadIds):
            return [row for row in rows if row["id"] in read.ids]
        assert isinstance(read, ReadPage), "no view here has an order"
        page = [
            row for row in rows if row["id"] > read.after and row.get("updated", "") >= read.since
        ][:PAGE]
        names = ("id", "updated")
        return page if read.whole else [{n: row[n] for n in names if n in row} for row in page]

    def _at_once(self, _: int) -> None:
        read, self.read = self.read, None
        assert read is not None
        self._log(f"{read} is answered at once")
        self._answered(read, self.rows_for(read))

    def _slow(self, _: int) -> None:
        self.slow, self.read = self.read, None
        self.had_slow = True
        self._log(f"{self.slow} takes its time")

    def _look(self, _: int) -> None:
        assert self.slow is not None
        self.slow_rows = self.rows_for(self.slow)
        self._log("… the server looks")

    def _answer(self, _: int) -> None:
        read, rows = self.slow, self.slow_rows
        assert read is not None and rows is not None
        self.slow = self.slow_rows = None
        self._log(f"… and answers {rows}")
        self._answered(read, rows)

    def _answered(self, read: ReadRequest, rows: list[Record]) -> None:
        if read is self.current:
            self.current = None
        if isinstance(read, ReadIds):
            self.apply(self.reducer.answer(read, rows, self.now))
        elif isinstance(read, ReadPage):
            last = len(rows) < PAGE
            self.apply(self.reducer.page(read, rows, last, self.now))

    # -- Time

    def _tick(self, _: int) -> None:
        assert self.wake is not None
        self._pass_to(self.wake)

    def _brink(self, _: int) -> None:
        self._pass_to(min(each.last for each in self.frames if each.can and each.last > self.now))

    def _pause(self, _: int) -> None:
        self.bursts += 1
        self._pass_to(self.now + PAUSE)

    def _pass_to(self, time: float) -> None:
        """Time passes; what has not come until then does not come any more."""
        for frame in [frame for frame in self.frames if frame.last < time]:
            self.frames.remove(frame)
            self.counts = self.counts or self.line == "broken"
        self.now = max(self.now, time)
        self._log("time passes")
        if self.wake is not None and self.wake <= self.now:
            self.apply(self.reducer.tick(self.now))

    # -- The driver

    def apply(self, effects: Effects) -> None:
        """What a driver does with the effects."""
        for edit in effects.edits:
            if self.shown.get(edit.id) != edit.before or edit.before == edit.record:
                raise Broken(f"{edit} does not fit what is shown")
            if edit.record is None:
                del self.shown[edit.id]
            else:
                self.shown[edit.id] = edit.record
            self._log(f"    shows {edit.id}: {edit.record}")
        self.loaded, self.fresh, self.wake = effects.loaded, effects.fresh, effects.wake
        if effects.read is not None:
            self.current = self.read = effects.read
            self.asked = vars(self.reducer)["_step"]
            if self.had_slow or self._is_over():
                self._at_once(0)

    # -- The end

    def _end(self, _: int) -> None:
        """Lets time pass until all is quiet, and compares.

        Raises:
            Broken: the view is not its query, or does not say so.
        """
        self.frames = []
        self.had_slow = True
        self.pass_time(HORIZON)
        self._check()

    def pass_time(self, seconds: float) -> None:
        """Time passes, and every read is answered at once."""
        until = self.now + seconds
        for _ in range(100):
            if self.wake is None or self.wake > until:
                self.now = until
                return
            self._pass_to(self.wake)
        raise Broken("it does not come to rest")

    def _check(self) -> None:
        truth = {row["id"]: row for row in self.rows_for(ReadIds(SUBJECTS))}
        for id in sorted({*truth, *self.shown}):
            if truth.get(id) != self.shown.get(id):
                raise Broken(f"{id}: shows {self.shown.get(id)}, is {truth.get(id)}")
        if not self.fresh or not self.loaded:
            raise Broken("connected and quiet, and not fresh")

    def _log(self, text: str) -> None:
        if self.log is not None:
            self.log.append(f"{self.now - BEGINNING:8.3f}  {text}")
