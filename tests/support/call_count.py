"""The cost of an action as a number of calls, which does not depend on the load of the machine."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from types import FrameType

__all__ = ["count_calls"]


def count_calls(action: Callable[[], object]) -> int:
    """Return the number of calls of Python functions while the action runs."""
    calls = 0

    def count(frame: FrameType, event: str, arg: object) -> None:
        nonlocal calls
        calls += event == "call"

    before, collects = sys.getprofile(), gc.isenabled()
    gc.disable()  # callbacks of the collector are functions too
    sys.setprofile(count)
    try:
        action()
    finally:
        sys.setprofile(before)
        if collects:
            gc.enable()
    return calls
