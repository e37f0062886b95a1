"""Where pictures are drawn: rich's console, for text that others have written."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from rxbosbase.encoding.control_characters import one_line

__all__ = ["Terminal"]


class Terminal(Console):
    """Where pictures are drawn. Text is text there: no markup, and what would command the terminal
    is shown and not sent, also where whoever drew it did not think of that.

    A broken pipe is left to `expected_ends`, where rich would end the thread.
    """

    def __init__(self) -> None:
        super().__init__(markup=False, emoji=False, highlight=False)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """As rich's; it renders the parts of a picture by this, too."""
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else one_line(text, keep="\n"), style, control)

    def on_broken_pipe(self) -> None:
        """Called by rich."""
        raise BrokenPipeError
