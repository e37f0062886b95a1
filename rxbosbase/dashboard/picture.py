"""What a pane shows, without knowing where: HTML now, and a word when there is something new."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from reactivex import abc

__all__ = ["Fields", "Picture"]

Fields = Mapping[str, str]


class Picture:
    """One pane's content. `html` may be called from any thread.

    Attributes:
        period: seconds after which it looks different without any event; None: never.
    """

    period: float | None = None

    def start(self, changed: Callable[[], None]) -> abc.DisposableBase:
        """Begins to follow its source, and calls `changed` when there is something new.

        `changed` is cheap, and may be called from any thread. Disposing the result ends it.
        """
        raise NotImplementedError

    def html(self) -> str:
        """What it looks like now."""
        raise NotImplementedError

    def act(self, act: str, value: str, fields: Fields) -> None:
        """What the reader has clicked, or filled in."""
