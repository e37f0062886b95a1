"""One pass over the view's query, page by page in the order of ids: a snapshot or a comparison."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from rxbosbase.encoding.record import Record
from rxbosbase.records.paging import Passed

from .messages import ReadPage

__all__ = ("ReconcilePass",)


@dataclass(slots=True)
class ReconcilePass:
    """The progress of a pass.

    Attributes:
        begun: when it began.
        step: the reducer's step then: what is found missing was missing at some moment after.
        whole: whole rows are read, and each is an answer; otherwise only row versions are compared.
        closes_gap: the view is not fresh before this pass ends.
        missing: the ids that were known when it began, and that no page had; none where it proves
            nothing about the rows that it does not read.
        since: a short pass over the rows changed since then, which proves nothing about the others.
        is_one_page: all rows are expected to fit into one page.
        in_view_order: that page has the view's own order, not that of the ids.
        is_page_check: a pass over one page, after `after`, which proves nothing about the others.
        after: the id that the last page ended with, "" at the start.
        ids: those of its pages so far, in the server's order of ids.
    """

    begun: float
    step: int
    whole: bool
    closes_gap: bool
    # Databases sort ids by rules of their own, so the client does not know a record's page: a
    # record is missing if none of the pages had it.
    missing: set[str] = field(default_factory=set[str])
    since: str = ""
    is_one_page: bool = False
    in_view_order: bool = False
    is_page_check: bool = False
    after: str = ""
    ids: list[str] = field(default_factory=list[str])
    _passed: Passed = field(default_factory=Passed)

    @property
    def is_complete(self) -> bool:
        """True if it goes over all rows."""
        return not self.since and not self.is_page_check

    def next_page(self) -> ReadPage:
        """Return the page to read next."""
        return ReadPage(self.after, self.whole, self.since, self.in_view_order)

    def check(self, last_id: str) -> None:
        """Check a page that ended with `last_id`, and is not the last.

        Raises:
            ProtocolError: an earlier page of the pass ended with the same id.
        """
        if not self.in_view_order:
            self._passed.add(last_id)

    def advance(self, rows: Iterable[Record]) -> None:
        """Move past this page."""
        for row in rows:
            self.after = row["id"]
            self.ids.append(row["id"])
            self.missing.discard(row["id"])

    def continue_over_all(self, *, whole: bool) -> None:
        """Go over all rows in the order of ids: they do not fit into one page."""
        if self.in_view_order:
            self.after, self.ids = "", []
        self.whole, self.is_one_page, self.in_view_order = whole, False, False
