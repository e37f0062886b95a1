"""What was heard of each record lately, and which hint belongs to which event.

One change of a record that a filtered view can see is heard twice: as an event on the view's own
topic and as a hint on the unfiltered watch, in either order. Both carry the same action and the
same ``updated``, and that pair is all there is to match them by. Ties are common, so matching is
by count: as many events as hints under one pair of words, and every hint has found its event.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from itertools import islice

__all__ = ["HintMatcher", "Trace"]


@dataclass(slots=True)
class _Heard:
    """How often one (action, updated) was heard, and when last."""

    at: float = 0.0
    events: int = 0
    hints: int = 0
    is_after_gap: bool = False

    @property
    def changes(self) -> int:
        """How many changes of the record this must be, at least."""
        return max(self.events, self.hints)


class Trace:
    """What was heard of one record. Steps count the reducer's inputs, as a clock without ties."""

    __slots__ = ("_heard", "at", "event_step", "step")

    def __init__(self) -> None:
        self._heard: OrderedDict[tuple[str, str], _Heard] = OrderedDict()  # oldest first
        self.at = 0.0
        self.step = 0
        self.event_step = 0

    def mark(self, now: float, step: int) -> None:
        """Something was heard that is neither event nor hint of the record itself."""
        self.at, self.step = now, step

    def note_event(
        self,
        action: str,
        updated: str,
        now: float,
        step: int,
        *,
        is_known: bool,
        is_after_gap: bool = False,
    ) -> None:
        """Takes in an event; ``is_known`` if it says nothing new, and so may be a second copy;
        ``is_after_gap`` if its hint may be among the frames that were lost."""
        heard = self._note(action, updated, now, step)
        heard.events += not (is_known and heard.events)
        heard.is_after_gap |= is_after_gap
        self.event_step = step

    def note_hint(self, action: str, updated: str, now: float, step: int) -> None:
        """Takes in a hint."""
        self._note(action, updated, now, step).hints += 1

    def _note(self, action: str, updated: str, now: float, step: int) -> _Heard:
        self.mark(now, step)
        heard = self._heard.setdefault((action, updated), _Heard())
        self._heard.move_to_end((action, updated))
        heard.at = now
        return heard

    def forget_before(self, time: float) -> None:
        """Frees what was heard before ``time``."""
        while self._heard and next(iter(self._heard.values())).at < time:
            self._heard.popitem(last=False)

    def forget_events(self) -> None:
        """Frames were lost, perhaps these events' hints: let no later hint pair with them."""
        for heard in self._heard.values():
            heard.events = 0

    def is_alone(self, since: float) -> bool:
        """True if at most one change was heard since then."""
        newest = islice(reversed(self._heard.values()), 2)
        return sum(heard.changes for heard in newest if heard.at >= since) <= 1

    def is_unpaired(self, action: str, updated: str) -> bool:
        """True if there are more such hints than events to go with them.

        Without an ``updated`` nothing tells one change from the next: such a hint never pairs.
        """
        heard = self._heard[action, updated]
        return not updated or heard.hints > heard.events

    def may_be_unpaired(self, action: str, updated: str) -> bool:
        """True if such a hint may be of another change than the event that it goes with, whose own
        hint was lost: two changes can have one ``updated``."""
        return self._heard[action, updated].is_after_gap

    def has_unpaired(self) -> bool:
        """True if a hint still waits for its event."""
        return any(heard.hints > heard.events for heard in self._heard.values())

    def overshadows(self, updated: str) -> bool:
        """True if a hint without event is not older: an event of that age may be history."""
        return any(
            heard.hints > heard.events and (not updated or not hinted or hinted >= updated)
            for (_, hinted), heard in self._heard.items()
        )


class HintMatcher:
    """The traces of all records heard of within the last ``remember`` seconds."""

    def __init__(self, remember: float) -> None:
        self._remember = remember
        self._traces: OrderedDict[str, Trace] = OrderedDict()  # the one heard last comes last

    def __contains__(self, id: object) -> bool:
        return id in self._traces

    def get(self, id: str) -> Trace | None:
        """The record's trace, if it has one."""
        return self._traces.get(id)

    def touch(self, id: str, now: float) -> Trace:
        """The record's trace, made if need be, and freed of what is too old to matter."""
        trace = self._traces.get(id)
        if trace is None:
            trace = self._traces[id] = Trace()
        else:
            self._traces.move_to_end(id)
            trace.forget_before(now - self._remember)
        return trace

    def forget(self, now: float, reading_since: int | None) -> None:
        """Frees old traces, but none that the read in flight may have raced with."""
        while self._traces:
            id, oldest = next(iter(self._traces.items()))
            raced = reading_since is not None and oldest.step > reading_since
            if raced or oldest.at >= now - self._remember:
                return
            del self._traces[id]

    def forget_events(self) -> None:
        """`Trace.forget_events` of every record."""
        for trace in self._traces.values():
            trace.forget_events()
