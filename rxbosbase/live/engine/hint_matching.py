"""Which events and hints of each record were received lately, and which hint belongs to which
event.

One change of a record that a filtered view can see is received twice: as an event on the view's
own topic and as a hint on the unfiltered watch, in either order. Both carry the same action and the
same ``updated``, and there is nothing else to match them by. Ties are common, so matching is by
count: with as many events as hints for one action and ``updated``, every hint has its event.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from itertools import islice

__all__ = ("HintMatcher", "RecordFrames")


@dataclass(slots=True)
class _Received:
    """How often one (action, updated) was received, and when last."""

    at: float = 0.0
    events: int = 0
    hints: int = 0
    is_after_gap: bool = False

    @property
    def changes(self) -> int:
        """The least number of changes of the record that explains these frames."""
        return max(self.events, self.hints)


class RecordFrames:
    """The frames received for one record lately. Steps count the reducer's inputs, as a clock
    without ties."""

    __slots__ = ("_received", "at", "event_step", "step")

    def __init__(self) -> None:
        self._received: OrderedDict[tuple[str, str], _Received] = OrderedDict()  # oldest first
        self.at = 0.0
        self.step = 0
        self.event_step = 0

    def mark(self, now: float, step: int) -> None:
        """Record that something was received that is neither event nor hint of the record
        itself."""
        self.at, self.step = now, step

    def add_event(
        self,
        action: str,
        updated: str,
        now: float,
        step: int,
        *,
        is_repeat: bool,
        is_after_gap: bool = False,
    ) -> None:
        """Add an event.

        Args:
            is_repeat: it has nothing new, and so may be a second copy.
            is_after_gap: its hint may be among the frames that were lost.
        """
        received = self._note(action, updated, now, step)
        received.events += not (is_repeat and received.events)
        received.is_after_gap |= is_after_gap
        self.event_step = step

    def add_hint(self, action: str, updated: str, now: float, step: int) -> None:
        """Add a hint."""
        self._note(action, updated, now, step).hints += 1

    def _note(self, action: str, updated: str, now: float, step: int) -> _Received:
        self.mark(now, step)
        received = self._received.setdefault((action, updated), _Received())
        self._received.move_to_end((action, updated))
        received.at = now
        return received

    def forget_before(self, time: float) -> None:
        """Free what was received before ``time``."""
        while self._received and next(iter(self._received.values())).at < time:
            self._received.popitem(last=False)

    def forget_events(self) -> None:
        """Let no later hint match these events: their own hints may be among lost frames."""
        for received in self._received.values():
            received.events = 0

    def is_single_change(self, since: float) -> bool:
        """Return True if at most one change was received since then."""
        newest = islice(reversed(self._received.values()), 2)
        return sum(received.changes for received in newest if received.at >= since) <= 1

    def is_unpaired(self, action: str, updated: str) -> bool:
        """Return True if there are more such hints than events to match them.

        Without an ``updated`` changes cannot be distinguished: such a hint never matches.
        """
        received = self._received[action, updated]
        return not updated or received.hints > received.events

    def may_be_unpaired(self, action: str, updated: str) -> bool:
        """Return True if such a hint may be of another change than the event it matches, whose
        own hint was lost: two changes can have one ``updated``."""
        return self._received[action, updated].is_after_gap

    def has_unpaired(self) -> bool:
        """Return True if a hint has no event yet."""
        return any(received.hints > received.events for received in self._received.values())

    def may_be_outdated(self, updated: str) -> bool:
        """Return True if a hint without event is not older: an event with this ``updated`` may be
        outdated."""
        return any(
            received.hints > received.events and (not updated or not hinted or hinted >= updated)
            for (_, hinted), received in self._received.items()
        )


class HintMatcher:
    """The frames of all records received within the last ``remember`` seconds."""

    def __init__(self, remember: float) -> None:
        self._remember = remember
        self._records: OrderedDict[str, RecordFrames] = OrderedDict()  # by last frame

    def __contains__(self, id: object) -> bool:
        return id in self._records

    def get(self, id: str) -> RecordFrames | None:
        """Return the record's frames, if any."""
        return self._records.get(id)

    def touch(self, id: str, now: float) -> RecordFrames:
        """Return the record's frames, made if need be, and free those that are too old to
        matter."""
        frames = self._records.get(id)
        if frames is None:
            frames = self._records[id] = RecordFrames()
        else:
            self._records.move_to_end(id)
            frames.forget_before(now - self._remember)
        return frames

    def forget(self, now: float, reading_since: int | None) -> None:
        """Free old frames, but none that the read in flight may have raced with."""
        while self._records:
            id, oldest = next(iter(self._records.items()))
            raced = reading_since is not None and oldest.step > reading_since
            if raced or oldest.at >= now - self._remember:
                return
            del self._records[id]

    def forget_events(self) -> None:
        """Call `RecordFrames.forget_events` for every record."""
        for frames in self._records.values():
            frames.forget_events()
