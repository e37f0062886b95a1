"""rich's console for text of unknown origin: it escapes control characters."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from rxbosbase.encoding.control_characters import one_line

__all__ = ("Terminal",)


class Terminal(Console):
    """A console without markup. Control characters are escaped in everything that it renders, so
    that a renderable need not escape them itself.

    A broken pipe raises for `clean_exit`; rich's own console would end the thread.
    """

    def __init__(self) -> None:
        super().__init__(markup=False, emoji=False, highlight=False)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Render with escaped text; rich calls this for nested renderables too."""
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else one_line(text, keep="\n"), style, control)

    def on_broken_pipe(self) -> None:
        """Raise for `clean_exit`; called by rich."""
        raise BrokenPipeError
