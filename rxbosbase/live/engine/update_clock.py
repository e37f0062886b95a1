"""How far ``updated`` serves as a clock: the newest value, and whether it moves at all."""

from __future__ import annotations

from rxbosbase.encoding.record import Record

from .messages import Rules
from .row_versions import earlier, has_version, updated_of, version_of

__all__ = ("UpdateClock", "is_newer")


def is_newer(record: Record, than: Record) -> bool:
    """Return True if both have an ``updated``, and that of ``record`` is later."""
    other = updated_of(than)
    return bool(other) and updated_of(record) > other


class UpdateClock:
    """The ``updated`` values of one view, as a clock.

    Attributes:
        trusted: True if ``updated`` moves with every write, so that equal versions mean equal rows.
            None until a write was received that proves it; False for good if one disproves it.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._newest = ""
        self._newest_alive = ""
        self.trusted = rules.trust_updated

    def frame_received(self, updated: str) -> None:
        """Note a frame: the stream was alive when the newest ``updated`` so far was set."""
        self._newest = self._newest_alive = max(self._newest, updated)

    def acknowledged(self) -> None:
        """Note that the stream is alive now, with nothing newer than the newest so far."""
        self._newest_alive = self._newest

    def row_held(self, record: Record) -> None:
        """Note that the view holds this row now."""
        self._newest = max(self._newest, updated_of(record))
        if not has_version(record):
            self.trusted = False

    def observe_write(self, action: str, held: Record, record: Record) -> bool:
        """Observe by a received write whether ``updated`` moves.

        Returns:
            True if ``record`` was certainly written after what is held.
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
        """Return True if the row, or one it expands, is not older than ``floor``."""
        return any(updated >= floor for _, updated in version_of(record))

    def floor(self) -> str:
        """Return what a lost write whose ``updated`` equals a known one is not older than."""
        return earlier(self._newest_alive, self._rules.before_loss)

    def recent(self) -> str:
        """Return what a write in a short gap is not older than; "" if that is not known."""
        return earlier(self._newest, self._rules.recent) if self.trusted else ""
