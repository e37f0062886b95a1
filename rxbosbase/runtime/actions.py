"""Scheduled actions: what a scheduler of RxPY calls with itself and a state. Pure."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ("calling",)


def calling(call: Callable[[], object]) -> Callable[..., None]:
    """Return a scheduled action that calls ``call()``."""

    def act(*_: object) -> None:
        call()

    return act
