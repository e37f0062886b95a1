"""One pass over the view's query, page by page in the order of ids: a snapshot or a comparison."""

from __future__ import annotations

from collections.abc import Iterable

from rxbosbase.live.messages import ReadPage, Record
from rxbosbase.paging import Passed

__all__ = ["Sweep"]


class Sweep:
    """Where a pass stands.

    Attributes:
        whole: whole rows are read, and each is an answer; otherwise only stamps are compared.
        mends: it mends a gap: the view is not fresh before it is through.
        since: a short pass over the rows changed since then, which proves nothing of the others.
        is_one_page: all rows are expected to fit into one page.
        arranged: that page has the view's own order, not that of the ids.
        is_turn: a pass of one page, behind `after`, which proves nothing of the others either.
        begun: when it began.
        step: the reducer's step then: what is found missing was so at some moment after.
        ids: those of its pages so far, in the server's order of ids.
        after: the id that the last page ended with, "" at the start.
    """

    def __init__(
        self,
        known: Iterable[str],
        begun: float,
        step: int = 0,
        *,
        whole: bool,
        mends: bool,
        since: str = "",
        is_one_page: bool = False,
        arranged: bool = False,
        turn_after: str | None = None,
    ) -> None:
        self.whole = whole
        self.mends = mends
        self.since = since
        self.is_one_page = is_one_page
        self.arranged = arranged
        self.is_turn = turn_after is not None
        self.begun = begun
        self.step = step
        self.after = turn_after or ""
        self.ids: list[str] = []
        self._passed = Passed()
        # Which page a record belongs to is not ours to say: databases sort ids by rules of their
        # own. So one is missing if none of the pages had it.
        self._missing = set() if since or self.is_turn else set(known)

    @property
    def is_complete(self) -> bool:
        """True if it goes over all rows."""
        return not self.since and not self.is_turn

    def next_page(self) -> ReadPage:
        """The page to read next."""
        return ReadPage(self.after, self.whole, self.since, self.arranged)

    def check(self, last_id: str) -> None:
        """A page that ended with `last_id`, and is not the last, was read.

        Raises:
            ProtocolError: the pass was there before.
        """
        if not self.arranged:
            self._passed.add(last_id)

    def advance(self, rows: Iterable[Record]) -> None:
        """Moves behind this page."""
        for row in rows:
            self.after = row["id"]
            self.ids.append(row["id"])
            self._missing.discard(row["id"])

    def goes_on(self, *, whole: bool) -> None:
        """The rows do not fit into one page: goes over all of them in the order of ids."""
        if self.arranged:
            self.after, self.ids = "", []
        self.whole, self.is_one_page, self.arranged = whole, False, False

    def saw(self, id: str) -> None:
        """Some other read found this record."""
        self._missing.discard(id)

    @property
    def missing(self) -> list[str]:
        """The ids that were known when it began, and that no page had."""
        return sorted(self._missing)
