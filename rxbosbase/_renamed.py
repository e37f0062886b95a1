"""The old names of modules that users may have imported: they work, and warn, for one version.

An old module such as ``rxbosbase.streams`` is found here, since no file of that name is left. It
passes each name on to where it is defined now, so that ``isinstance`` keeps working.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

__all__ = ("MODULES", "NAMES", "forward", "install")

MODULES = {
    "rxbosbase.auth_file": "rxbosbase.auth.file_store",
    "rxbosbase.doctor": "rxbosbase.cli.connection_checks",
    "rxbosbase.filters": "rxbosbase.records.filters",
    "rxbosbase.live.snapshot": "rxbosbase.live.engine.snapshot",
    "rxbosbase.login": "rxbosbase.auth.login",
    "rxbosbase.loop": "rxbosbase.runtime.thread_scheduler",
    "rxbosbase.models": "rxbosbase.records.models",
    "rxbosbase.realtime.events": "rxbosbase.events",
    "rxbosbase.realtime.facade": "rxbosbase.realtime.api",
    "rxbosbase.realtime.iterate": "rxbosbase.realtime.event_iterator",
    "rxbosbase.realtime.lifecycle": "rxbosbase.realtime.session.lifecycle",
    "rxbosbase.realtime.reconnect": "rxbosbase.runtime.backoff",
    "rxbosbase.realtime.stats": "rxbosbase.realtime.session.stats",
    "rxbosbase.realtime.status": "rxbosbase.realtime.session.status",
    "rxbosbase.realtime.topics": "rxbosbase.realtime.protocol.topics",
    "rxbosbase.schema": "rxbosbase.records.collections",
    "rxbosbase.streams": "rxbosbase.runtime.streams",
    "rxbosbase.testing.clock": "rxbosbase.testing.virtual_time",
    "rxbosbase.testing.tape": "rxbosbase.testing.recording",
    "rxbosbase.unreadable": "rxbosbase.encoding.unreadable",
}
"""Old to new. `rxbosbase.auth` and `rxbosbase.records` were modules, and forward as packages."""

NAMES = {
    "rxbosbase.doctor.Finding": "rxbosbase.cli.connection_checks.CheckResult",
    "rxbosbase.doctor.examine": "rxbosbase.cli.connection_checks.run_checks",
    "rxbosbase.loop.LoopScheduler": "rxbosbase.runtime.thread_scheduler.ThreadScheduler",
    "rxbosbase.records.Record": "rxbosbase.encoding.record.Record",
    "rxbosbase.realtime.reconnect.RESET_AFTER": "rxbosbase.runtime.retry.RESET_AFTER",
    "rxbosbase.realtime.reconnect.retry_with_backoff": (
        "rxbosbase.operators.retry_with_backoff.retry_with_backoff"
    ),
    "rxbosbase.testing.VirtualLoop": "rxbosbase.testing.virtual_time.VirtualScheduler",
    "rxbosbase.testing.clock.VirtualLoop": "rxbosbase.testing.virtual_time.VirtualScheduler",
    "rxbosbase.unreadable.read_answer": "rxbosbase.encoding.unreadable.read_response",
}
"""Names of these modules that have another home, or another name, than the rest."""


def forward(old: str, new: str = "") -> Callable[[str], Any]:
    """Return the ``__getattr__`` of the module `old`, whose names are defined in `new` now.

    It also finds the old submodules of a package, as an import would.

    The use of a name warns with a `DeprecationWarning` that says what to import instead. A name
    that `new` lacks is an `AttributeError`.

    Example:
        ``__getattr__ = forward(__name__, "rxbosbase.auth.store")``
    """

    def __getattr__(name: str) -> Any:
        full = f"{old}.{name}"
        if full in MODULES:
            return import_module(full)
        if name == "__all__" and old in MODULES:
            moved = [other.rpartition(".")[2] for other in NAMES if other.rpartition(".")[0] == old]
            return tuple(sorted({*import_module(new).__all__, *moved}))
        home, _, target = NAMES.get(full, f"{new}.{name}").rpartition(".")
        names = vars(import_module(home)) if home and not name.startswith("__") else {}
        if target not in names:
            raise AttributeError(f"module {old!r} has no attribute {name!r}")
        warnings.warn(
            f"{full} is {home}.{target} now; the old name goes with the next version",
            DeprecationWarning,
            stacklevel=2,
        )
        return names[target]

    return __getattr__


class _Forwarding(Loader):
    """Makes the module of an old name."""

    def __init__(self, new: str) -> None:
        self._new = new

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        module.__getattr__ = forward(module.__name__, self._new)  # type: ignore[method-assign]


class _Finder(MetaPathFinder):
    """Finds the old names, behind all finders that look for files."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        new = MODULES.get(fullname)
        return ModuleSpec(fullname, _Forwarding(new)) if new is not None else None


def install() -> None:
    """Make the old names importable."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.append(_Finder())
