"""What ``updated`` can be trusted with: how new the newest is, and whether it moves at all."""

from __future__ import annotations

from rxbosbase.live.engine.messages import Record, Rules
from rxbosbase.live.engine.row_versions import earlier, is_stamped, stamp_of, updated_of

__all__ = ["UpdateClock", "is_newer"]


def is_newer(record: Record, than: Record) -> bool:
    """True if both say when they were updated, and ``record`` later."""
    other = updated_of(than)
    return bool(other) and updated_of(record) > other


class UpdateClock:
    """The stamps of one view, seen as a clock.

    Attributes:
        trusted: True if ``updated`` moves with every write, so that equal stamps mean equal rows.
            None until a write was heard that proves it; False for good if one disproves it.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._newest = ""
        self._newest_alive = ""
        self.trusted = rules.trust_updated

    def heard(self, updated: str) -> None:
        """A frame came: so the stream was alive when the newest stamp so far was made."""
        self._newest = self._newest_alive = max(self._newest, updated)

    def acknowledged(self) -> None:
        """The stream is alive now, and nothing newer is known than what is."""
        self._newest_alive = self._newest

    def saw(self, record: Record) -> None:
        """The view holds this row now."""
        self._newest = max(self._newest, updated_of(record))
        if not is_stamped(record):
            self.trusted = False

    def judge(self, action: str, held: Record, record: Record) -> bool:
        """Learns from a write that was heard whether ``updated`` moves with it.

        Returns:
            True if that leaves no doubt that ``record`` was written after what is held.
        """
        is_later = is_newer(record, held)
        if is_later:
            same_life = held.get("created") == record.get("created")
            if self.trusted is None and action == "update" and same_life:
                self.trusted = True
        elif updated_of(record) < earlier(self._newest, self._rules.before_loss):
            self.trusted = False  # too old to be a tie of two writes within a tick
        return is_later

    def may_tie(self, record: Record, floor: str) -> bool:
        """True if the row, or one it expands, is not older than ``floor``."""
        return any(updated >= floor for _, updated in stamp_of(record))

    def floor(self) -> str:
        """A lost write whose stamp equals one that was seen is not older than this."""
        return earlier(self._newest_alive, self._rules.before_loss)

    def recent(self) -> str:
        """What a short gap swallowed is not older than this; "" if that cannot be told."""
        return earlier(self._newest, self._rules.recent) if self.trusted else ""
