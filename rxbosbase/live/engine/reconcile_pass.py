"""One pass over the view's query, page by page in the order of ids: a snapshot or a comparison."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from rxbosbase.live.engine.messages import ReadPage, Record
from rxbosbase.records.paging import Passed

__all__ = ["ReconcilePass"]


@dataclass(slots=True)
class ReconcilePass:
    """Where a pass stands.

    Attributes:
        begun: when it began.
        step: the reducer's step then: what is found missing was so at some moment after.
        whole: whole rows are read, and each is an answer; otherwise only stamps are compared.
        mends: it mends a gap: the view is not fresh before it is through.
        missing: the ids that were known when it began, and that no page had; none where it proves
            nothing of the rows that it does not read.
        since: a short pass over the rows changed since then, which proves nothing of the others.
        is_one_page: all rows are expected to fit into one page.
        arranged: that page has the view's own order, not that of the ids.
        is_turn: a pass of one page, behind `after`, which proves nothing of the others either.
        after: the id that the last page ended with, "" at the start.
        ids: those of its pages so far, in the server's order of ids.
    """

    begun: float
    step: int
    whole: bool
    mends: bool
    # Which page a record belongs to is not ours to say: databases sort ids by rules of their own.
    # So one is missing if none of the pages had it.
    missing: set[str] = field(default_factory=set)
    since: str = ""
    is_one_page: bool = False
    arranged: bool = False
    is_turn: bool = False
    after: str = ""
    ids: list[str] = field(default_factory=list)
    _passed: Passed = field(default_factory=Passed)

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
            self.missing.discard(row["id"])

    def goes_on(self, *, whole: bool) -> None:
        """The rows do not fit into one page: goes over all of them in the order of ids."""
        if self.arranged:
            self.after, self.ids = "", []
        self.whole, self.is_one_page, self.arranged = whole, False, False
