"""Live views: a query that stays true while the server's tables change.

::

    frames ─► reducer ─► edits ─► snapshots ─► your observer
               ▲   │
     responses └───┘ reads

``engine.reducer`` decides what is known, what is shown and what must be read, and
``engine.sorting`` in which order; ``engine.window`` does the same where the server alone can order
or cut the rows; ``engine.snapshot`` turns their edits into ordered, immutable snapshots. All of
these are pure: no I/O, threads, clock or randomness.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rxbosbase._renamed import forward
from rxbosbase.live.engine.snapshot import Change, Snapshot, apply_changes

__all__ = ("Change", "Snapshot", "apply_changes")

if not TYPE_CHECKING:  # type checkers refuse the old names at once
    __getattr__ = forward(__name__)
