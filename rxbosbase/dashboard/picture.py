"""The content of a pane: HTML, and a callback when it has changed. Independent of Panel."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from reactivex import abc

__all__ = ("Fields", "Picture")

Fields = Mapping[str, str]


class Picture:
    """One pane's content. `html` may be called from any thread.

    Attributes:
        period: seconds after which `html` changes without any event; None: never.
    """

    period: float | None = None

    def start(self, changed: Callable[[], None]) -> abc.DisposableBase:
        """Subscribe to its source, and call `changed` when `html` has changed.

        `changed` is cheap, and may be called from any thread. Dispose the result to unsubscribe.
        """
        raise NotImplementedError

    def html(self) -> str:
        """Return the current content as HTML."""
        raise NotImplementedError

    def act(self, act: str, value: str, fields: Fields) -> None:
        """Handle a click or a submitted form: the action, its value and the form's fields."""
