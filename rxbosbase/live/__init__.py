"""Live views: a query that stays true while the server's tables change.

::

    frames ─► reducer ─► edits ─► snapshots ─► your observer
               ▲   │
       answers └───┘ reads

``reducer`` decides what is known, what is shown and what must be asked, and ``sorting`` in which
order; ``window`` does the same where the server alone can order or cut the rows; ``snapshot`` turns
their edits into ordered, immutable snapshots. All of these are pure: no I/O, threads, clock or
randomness.
"""

from __future__ import annotations

from rxbosbase.live.engine.snapshot import Change, Snapshot, apply_changes

__all__ = ["Change", "Snapshot", "apply_changes"]
