"""The pure modules: the house's tests keep them so, and the mutation run tries each."""

from __future__ import annotations

__all__ = ["PURE"]

PURE = [
    "rxbosbase.errors",
    "rxbosbase.filters",
    "rxbosbase.jsontext",
    "rxbosbase.login",
    "rxbosbase.models",
    "rxbosbase.model_values",
    "rxbosbase.oneline",
    "rxbosbase.options",
    "rxbosbase.utf8",
    "rxbosbase.realtime.chunked",
    "rxbosbase.realtime.events",
    "rxbosbase.realtime.frames",
    "rxbosbase.realtime.intake",
    "rxbosbase.realtime.lifecycle",
    "rxbosbase.realtime.registry",
    "rxbosbase.realtime.stats",
    "rxbosbase.realtime.status",
    "rxbosbase.realtime.topics",
    "rxbosbase.live.ages",
    "rxbosbase.live.arrange",
    "rxbosbase.live.doubts",
    "rxbosbase.live.knowledge",
    "rxbosbase.live.messages",
    "rxbosbase.live.ordering",
    "rxbosbase.live.pause",
    "rxbosbase.live.reads",
    "rxbosbase.live.reducer",
    "rxbosbase.live.relations",
    "rxbosbase.live.rows",
    "rxbosbase.live.snapshot",
    "rxbosbase.live.stamps",
    "rxbosbase.live.sweep",
    "rxbosbase.live.traces",
    "rxbosbase.live.window",
    "rxbosbase.values",
]
