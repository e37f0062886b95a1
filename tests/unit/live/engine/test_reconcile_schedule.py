"""When all of a view is compared with the server, and how: by row versions, or by whole rows."""

from __future__ import annotations

from typing import Any

import pytest
from support.virtual_view import VirtualView, row, updated_at

from rxbosbase.live.engine.messages import ReadIds, ReadLiterals, ReadOrder, ReadPage, ReadRequest

RECONCILE = 60.0
START = 30.0  # s: so long after the acknowledgement that each event is trusted

WHOLE, ARRANGED, VERSIONS = ReadPage(), ReadPage(in_view_order=True), ReadPage(whole=False)


def view_of(count: int, *, page: int = 10, first: float = 1.0, **options: Any) -> VirtualView:
    """A calm view of so many rows, with ids of two digits, that has read them all."""
    rows = [row(f"{n:02d}", n, n=n) for n in range(count)]
    view = VirtualView(*rows, page=page, **{"reconcile": RECONCILE, **options})
    view.text.by_bytes = True
    view.run(first)
    assert view.is_true and view.snapshot.fresh
    return view


def is_whole(read: ReadRequest) -> bool:
    return isinstance(read, ReadPage) and read.whole


def after(id: str, *, whole: bool) -> ReadPage:
    return ReadPage(after=id, whole=whole)


# -- small views -----------------------------------------------------------------------------------


def test_a_view_of_one_page_compares_whole_rows_by_one_read_each_time() -> None:
    """A view of one page reads its whole rows once per reconcile and finds silent changes."""
    view = view_of(9)
    assert [read for _, read in view.reads] == [WHOLE]
    for round_ in (1, 2, 3):
        view.table["03"] = row("03", 3, n=100 * round_)  # no event and no new `updated`
        assert view.run(round_ * RECONCILE + 1) == [WHOLE]
        assert view.is_true


def test_with_a_sort_that_page_has_its_order() -> None:
    """With a sort, the one page of a reconcile pass is read in the order of that sort."""
    view = view_of(9, sort="-n")
    assert view.run(RECONCILE + 1) == [ARRANGED]


def test_a_comparison_begins_so_long_after_the_last_has_ended() -> None:
    """A reconcile pass begins `reconcile` seconds after the previous one has ended."""
    view = view_of(9)
    view.takes = 5.0
    view.run(4 * RECONCILE)
    begun = [at for at, _ in view.reads[1:]]
    assert begun == [RECONCILE, 2 * RECONCILE + 5, 3 * RECONCILE + 10]


# -- page checks -----------------------------------------------------------------------------------


PAGES: list[list[ReadRequest]] = [
    [WHOLE], [after("09", whole=True)], [after("19", whole=True)],
]  # fmt: skip
ALL_VERSIONS: list[ReadRequest] = [VERSIONS, after("09", whole=False), after("19", whole=False)]


def test_a_larger_view_compares_all_versions_and_one_whole_page_in_turn() -> None:
    """A view of several pages compares all row versions and, in turn, one whole page."""
    view = view_of(25)
    for round_ in range(1, 8):
        reads = view.run(round_ * RECONCILE + 1)
        assert reads == ALL_VERSIONS + PAGES[(round_ - 1) % 3]
        assert view.snapshot.fresh


def test_each_row_is_verified_within_as_many_comparisons_as_there_are_pages() -> None:
    """Each row is verified within as many reconcile passes as the view has pages."""
    view = view_of(25)
    for id in view.table:
        view.table[id] = {**view.table[id], "n": -1}
    mended = []
    for round_ in (1, 2, 3):
        view.run(round_ * RECONCILE + 1)
        mended.append(sum(each["n"] == -1 for each in view.shown))
    assert mended == [10, 20, 25] and view.is_true


def test_a_page_check_removes_no_rows() -> None:
    """A page check removes no row; the next comparison of all ids does."""
    view = view_of(25)
    view.run(RECONCILE + 1)
    del view.table["12"]
    reads: list[ReadRequest] = []
    while after("09", whole=True) not in reads:
        view.now = max(view.now, 2 * RECONCILE)
        if view.read is None:
            view.feed(view.engine.tick(view.now))
        assert view.read is not None
        reads.append(view.read)
        rows, last = view.rows(view.read)
        if isinstance(view.read, ReadPage) and not view.read.whole:
            rows = [{"id": each["id"], "updated": each["updated"]} for each in view.shown]
            last = True  # read before it was deleted
        view.feed(view.engine.read_done(view.read, rows, last, view.now))
        view.read = view.effects.read
    assert "12" in view.ids and len(view.ids) == 25
    view.run(3 * RECONCILE + 2)
    assert view.is_true


def test_page_checks_begin_again_after_the_last_page() -> None:
    """The page checks begin again at the first page after the last one, also in a shorter table."""
    view = view_of(25)
    view.run(2 * RECONCILE + 1)
    for id in [id for id in view.table if id > "13"]:
        del view.table[id]
    assert view.run(3 * RECONCILE + 1)[-1] == after("19", whole=True)
    assert view.run(4 * RECONCILE + 1)[-1] == WHOLE
    assert view.is_true


def test_page_checks_continue_after_a_reconnect() -> None:
    """A reconnect compares all row versions at once and does not disturb the page checks."""
    view = view_of(25)
    for round_ in range(1, 4):
        reads = [read for read in view.run(round_ * RECONCILE + 1) if is_whole(read)]
        assert reads == PAGES[(round_ - 1) % 3]
        view.lose()
        reads = view.run(view.now + 1)
        assert [read for read in reads if isinstance(read, ReadPage)] == ALL_VERSIONS
        assert view.snapshot.fresh and view.is_true


def test_a_page_check_that_a_loss_interrupts_is_repeated_at_once() -> None:
    """A page check that a loss interrupts is made again right after the catch-up."""
    view = view_of(25)
    while view.read != WHOLE:
        view.step()
    before = len(view.reads)
    view.lose()
    view.run(view.now + 1)
    reads = [read for _, read in view.reads[before:] if isinstance(read, ReadPage)]
    assert reads == [*ALL_VERSIONS, WHOLE]


def test_losses_do_not_postpone_page_checks() -> None:
    """Losses do not postpone the page checks: one is made every `reconcile` seconds."""
    view = view_of(25)
    while view.now < 3.5 * RECONCILE:
        view.lose()
        view.run(view.now + 25.0)
    checks = [at for at, read in view.reads[3:] if is_whole(read)]
    assert checks == pytest.approx([RECONCILE, 2 * RECONCILE, 3 * RECONCILE])


def test_a_pass_of_all_whole_rows_checks_each_page() -> None:
    """Without a trusted `updated`, a pass reads all pages whole and makes no page check."""
    view = view_of(25, trust_updated=False)
    whole: list[ReadRequest] = [page for pages in PAGES for page in pages]
    assert view.run(3 * RECONCILE + 1) == whole * 3


def test_a_row_that_comes_back_while_all_are_compared_stays() -> None:
    """A row that an event brings back during a pass stays, though its page lacked it."""
    view = view_of(25)
    view.takes = 4.0
    while view.read != VERSIONS:
        view.step()
    back = {**view.table.pop("03"), "updated": updated_at(500)}  # it has left the query, unheard
    view.step()
    view.write(back)
    while view.read != WHOLE:
        view.step()
        assert "03" in view.ids
    view.takes = 0.0
    view.run(view.now + 3)
    assert view.is_true


def test_a_row_found_by_a_recheck_during_a_pass_stays() -> None:
    """A row that a recheck finds during a pass stays, though its page lacked it."""
    view = view_of(25, before_loss=1000.0)
    view.now = RECONCILE
    view.write({**view.table["03"], "n": -1})  # an equal `updated`: a recheck
    view.takes = 0.3
    back = view.table.pop("03")
    view.step()
    assert [read for _, read in view.reads[-2:]] == [VERSIONS, ReadIds(("03",))]
    view.table["03"] = back
    while view.read is not None:
        view.step()
        assert "03" in view.ids


# -- what fits into one page, and what does not ----------------------------------------------------


@pytest.mark.parametrize("sort", ["n", None])
def test_rows_that_fill_a_page_need_the_next_page_for_the_end(
    sort: str | None,
) -> None:
    """Rows that fill one page exactly are compared whole; a second page finds the end."""
    view = view_of(10, sort=sort)
    for round_ in (1, 2):
        view.table["03"] = row("03", 3, n=3, more=round_)
        assert view.run(round_ * RECONCILE + 1) == [WHOLE, after("09", whole=True)]
        assert view.is_true


def test_a_view_with_more_rows_than_expected_continues_by_versions() -> None:
    """A pass that finds more rows than one page goes on with row versions for the rest."""
    view = view_of(9)
    for n in range(9, 15):
        view.table[f"{n:02d}"] = row(f"{n:02d}", n, n=n)
    reads = view.run(RECONCILE + 1)
    assert reads[:2] == [WHOLE, after("09", whole=False)] and len(reads) == 4
    assert view.is_true and view.snapshot.fresh
    assert view.run(2 * RECONCILE + 1)[:2] == [VERSIONS, after("09", whole=False)]


def test_a_view_that_had_more_rows_for_a_while_is_a_small_one_again() -> None:
    """A view that outgrew one page and shrank again is compared by one whole read."""
    view = view_of(9)
    for n in range(9, 15):
        view.table[f"{n:02d}"] = row(f"{n:02d}", n, n=n)
    view.run(RECONCILE + 1)
    for id in [id for id in view.table if id > "04"]:
        view.remove(id)
    view.run(2 * RECONCILE - 1)
    assert view.run(2 * RECONCILE + 1) == [WHOLE] and view.is_true


def test_a_view_with_a_sort_begins_anew_by_id_where_its_rows_do_not_fit() -> None:
    """A sorted view that outgrows one page starts the pass again by id, with row versions."""
    view = view_of(9, sort="-n")
    for n in range(9, 15):
        view.table[f"{n:02d}"] = row(f"{n:02d}", n, n=n)
    reads = view.run(RECONCILE + 1)
    assert reads[:3] == [ARRANGED, VERSIONS, after("09", whole=False)]
    assert view.is_true and view.snapshot.fresh


@pytest.mark.parametrize("sort", ["-n", None])
def test_a_snapshot_that_does_not_fit_into_one_page_is_read_whole(sort: str | None) -> None:
    """A snapshot of several pages is read in whole rows by id."""
    rows = [row(f"{n:02d}", n, n=n) for n in range(25)]
    view = VirtualView(*rows, page=10, sort=sort)
    pages: list[ReadRequest] = [page for pages in PAGES for page in pages]
    asked = [read for read in view.run(1.0) if isinstance(read, ReadPage)]
    assert asked == ([ARRANGED] if sort else []) + pages
    assert view.is_true


def test_rows_too_large_for_one_answer_are_compared_by_versions_and_page_checks() -> None:
    """Rows too large for one response are compared by row versions and page checks."""
    view = view_of(9)
    cut, whole_rows = 4, view.rows

    def rows(read: ReadRequest) -> tuple[list[dict[str, object]], bool]:
        found, last = whole_rows(read)
        if isinstance(read, ReadPage) and read.whole:
            return found[:cut], last and len(found) <= cut
        return found, last

    view.rows = rows  # type: ignore[method-assign]
    assert view.run(RECONCILE + 1) == [WHOLE, after("03", whole=False), WHOLE]
    assert view.run(2 * RECONCILE + 1) == [VERSIONS, after("03", whole=True)]
    assert view.run(3 * RECONCILE + 1) == [VERSIONS, after("07", whole=True)]
    assert view.run(4 * RECONCILE + 1) == [VERSIONS, WHOLE]
    assert view.is_true
    del view.rows  # the rows are smaller now, and fit into one answer again
    assert view.run(5 * RECONCILE + 1) == [VERSIONS, after("03", whole=True)]
    assert view.run(6 * RECONCILE + 1) == [VERSIONS, WHOLE]
    assert view.run(7 * RECONCILE + 1) == [WHOLE]


def test_a_view_that_has_become_small_compares_whole_rows_by_one_read() -> None:
    """A view that shrank to one page is compared by one whole read per pass."""
    view = view_of(25)
    view.run(RECONCILE + 1)
    for id in [id for id in view.table if id > "04"]:
        view.remove(id)
    view.run(2 * RECONCILE - 1)
    assert view.run(2 * RECONCILE + 1)[-1:] == [WHOLE]
    assert view.run(3 * RECONCILE + 1) == [WHOLE] and view.is_true


def test_recent_rows_are_read_whole_to_the_last_page_after_a_resubmit() -> None:
    """After a new submission, the recent rows are read whole, page by page, to the last one."""
    view = view_of(25, recent=1000.0)
    view.run(10.0)
    view.now = START
    view.feed(view.engine.acknowledged(START))
    reads = [read for read in view.run(START + 1) if isinstance(read, ReadPage)]
    since = "2025-12-31 23:43:44.000Z"
    assert reads == [
        ReadPage(since=since), ReadPage("09", since=since), ReadPage("19", since=since),
    ]  # fmt: skip
    assert view.snapshot.fresh and view.is_true


def test_the_first_row_of_an_empty_view_shows_its_fields_which_are_looked_for_once() -> None:
    """The first row of an empty view costs one recheck and one whole read for its fields."""
    view = view_of(0)
    view.now = START
    view.write(row("a", 9), "create")
    assert view.run(START + 20) == [ReadIds(("a",)), WHOLE] and view.is_true


# -- a changed schema ------------------------------------------------------------------------------


def test_a_row_with_other_fields_makes_all_pages_be_read_whole_at_once() -> None:
    """A row with other fields makes the pass read all pages whole at once."""
    view = view_of(25)
    view.run(RECONCILE + 1)
    for id in view.table:
        view.table[id] = {**view.table[id], "more": ""}
    reads = view.run(2 * RECONCILE + 1)
    assert reads == ALL_VERSIONS + PAGES[1] + PAGES[0] + PAGES[1] + PAGES[2]
    assert view.is_true
    assert view.run(3 * RECONCILE + 1) == ALL_VERSIONS + PAGES[2]


def test_a_field_that_has_gone_is_another_schema_too() -> None:
    """A field that is gone counts as a changed schema: all pages are read whole at once."""
    view = view_of(25)
    for id in view.table:
        view.table[id] = {"id": id, "updated": view.table[id]["updated"]}
    assert view.run(RECONCILE + 1) == ALL_VERSIONS + PAGES[0] + PAGES[0] + PAGES[1] + PAGES[2]
    assert view.is_true


def test_an_answer_about_one_row_may_show_another_schema() -> None:
    """A recheck that returns a row with other fields causes a whole read of all pages."""
    view = view_of(25)
    view.run(RECONCILE + 1)
    for id in view.table:
        view.table[id] = {**view.table[id], "more": ""}
    view.now = RECONCILE + START
    view.write({**view.table["07"], "updated": updated_at(500)})
    asked, *pages = view.run(view.now + 1)
    assert asked == ReadIds(("07",)) and pages == PAGES[0] + PAGES[1] + PAGES[2]
    assert view.is_true


def test_changed_fields_cause_one_full_read_per_pass() -> None:
    """Changed fields cause at most one whole read of all pages per reconcile pass."""
    view = view_of(25)
    view.run(RECONCILE + 1)
    wholes = 0
    for n in range(14):
        view.now = RECONCILE + START + 10 * n
        view.table["07"] = {**row("07", 500 + n), f"f{n}": 1}
        view.write(view.table["07"])
        wholes += [*view.run(view.now + 9)].count(WHOLE)
    assert wholes == 3  # one at once, two with the next two comparisons
    assert view.is_true


def test_the_fields_of_a_small_view_change_by_its_one_read() -> None:
    """A view of one page adopts changed fields by its one read, without a further one."""
    view = view_of(9)
    for id in view.table:
        view.table[id] = {**view.table[id], "more": ""}
    assert view.run(RECONCILE + 1) == [WHOLE]
    assert view.is_true
    assert view.run(2 * RECONCILE - 1) == []


# -- rechecks or pages -----------------------------------------------------------------------------


@pytest.mark.parametrize(("doubts", "reads_all"), [(6, False), (7, True)])
def test_all_is_read_whole_where_rechecks_would_take_more_reads(
    doubts: int, reads_all: bool
) -> None:
    """All rows are read whole where rechecks would take more reads than there are pages."""
    view = view_of(25, batch=2)
    view.now = START
    for n in range(doubts):
        view.write({**view.table[f"{n:02d}"], "n": -1})  # an equal `updated`
    reads = view.run(START + 1)
    assert reads[0] == (WHOLE if reads_all else ReadIds(("00", "01")))
    assert len(reads) == 3 and view.is_true


def test_a_gap_with_many_rechecks_reads_all_rows() -> None:
    """A gap that leaves many rows to recheck reads all rows whole."""
    view = view_of(9, batch=2)
    view.now = START
    view.lose()
    reads = view.run(START + 1)
    assert reads[0] == WHOLE and view.is_true and view.snapshot.fresh


def test_a_gap_with_few_rechecks_compares_versions() -> None:
    """A gap that leaves few rows to recheck compares row versions, in a small view, too."""
    view = view_of(9, before_loss=1.0)
    view.now = START
    view.lose()
    reads = view.run(START + 1)
    assert VERSIONS in reads and WHOLE not in reads
    assert view.run(RECONCILE + 2) == [WHOLE]  # when it was due


def test_no_pass_reads_an_order_or_literals() -> None:
    """The passes of a view without a sort read neither the order nor literals."""
    view = view_of(25)
    view.run(5 * RECONCILE)
    kinds = {type(read) for _, read in view.reads}
    assert kinds.isdisjoint({ReadOrder, ReadLiterals})
