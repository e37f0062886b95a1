"""One pass over the view's query, page by page in the order of ids: a snapshot or a comparison."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rxbosbase.live.messages import ReadPage
from rxbosbase.paging import Passed

__all__ = ["Sweep"]


class Sweep:
    """Where a pass stands.

    Attributes:
        whole: whole rows are read, and each is an answer; otherwise only stamps are compared.
        mends: it mends a gap: the view is not fresh before it is through.
        since: a short pass over the rows changed since then, which proves nothing of the others.
        begun: when it began.
    """

    def __init__(
        self, known: Iterable[str], begun: float, *, whole: bool, mends: bool, since: str = ""
    ) -> None:
        self.whole = whole
        self.mends = mends
        self.since = since
        self.begun = begun
        self.after = ""
        self._passed = Passed()
        self._expected = [] if since else sorted(known, reverse=True)

    def next_page(self) -> ReadPage:
        """The page to read next."""
        return ReadPage(self.after, self.whole, self.since)

    def check(self, last_id: str) -> None:
        """A page that ended with `last_id`, and is not the last, was read.

        Raises:
            ProtocolError: the pass was there before.
        """
        self._passed.add(last_id)

    def advance(self, last_id: str | None) -> Iterator[str]:
        """Moves behind the page that ended with ``last_id`` (None: with the table).

        Gives the ids that were known when the pass began and belong in that page.
        """
        self.after = last_id or self.after
        while self._expected and (last_id is None or self._expected[-1] <= last_id):
            yield self._expected.pop()
