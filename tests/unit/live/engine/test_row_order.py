"""The order of a view's rows, from the reads to what is shown; the server may sort by a language.

Its order of text is that of en_US, its nulls are last.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from support.virtual_view import VirtualView, row

from rxbosbase.encoding.record import Record
from rxbosbase.live.engine.messages import (
    ReadIds,
    ReadLiterals,
    ReadOrder,
    ReadPage,
    ReadRequest,
)

START = 100.0

TITLES = ("", "🦊", "10", "9", "-a", "a", "A", "á", "a b", "Z")
"""In the order of en_US."""


def titled(id: str, title: str | None, second: int = 0) -> Record:
    return row(id, second, title=title)


TABLE = [titled(f"{n}", title) for n, title in enumerate(TITLES)]


def view_of(*rows: Record, by_bytes: bool | None = False, **options: Any) -> VirtualView:
    """A calm view by title that has read these rows."""
    view = VirtualView(*rows, **{"sort": "title", "collates": not by_bytes, **options})
    view.text.by_bytes = by_bytes
    view.run(1.0)
    assert view.is_true and view.snapshot.fresh
    view.now = START
    return view


def kinds(reads: list[ReadRequest]) -> list[type]:
    return [type(read) for read in reads]


# -- the first snapshot ----------------------------------------------------------------------------


def test_the_first_snapshot_of_one_page_comes_in_the_servers_order() -> None:
    """A first snapshot of one page is shown in the server's order and costs no further read."""
    view = VirtualView(*TABLE, sort="title", collates=True)
    assert view.run(1.0) == [ReadPage(in_view_order=True)]
    assert view.is_true and view.snapshot.version == 1


def test_the_first_snapshot_of_more_waits_for_the_order() -> None:
    """A first snapshot of several pages is shown only once its order was read."""
    view = VirtualView(*TABLE, sort="title", collates=True, page=4)
    view.takes = 0.1
    seen = []
    while view.step(10.0):
        seen.append((type(view.read), view.snapshot.version, view.effects.loaded))
    assert seen[-1][1:] == (1, True)
    assert [kind for kind, version, loaded in seen[-4:-1] if version == 0 and not loaded] == [
        ReadLiterals, ReadLiterals, ReadOrder,
    ]  # fmt: skip
    assert view.is_true and view.snapshot.fresh


def test_a_server_that_sorts_by_bytes_needs_one_read_of_literals() -> None:
    """A server that sorts by bytes costs one read of literals and no read of the order."""
    view = VirtualView(*TABLE, sort="title", page=4)
    reads = view.run(10.0)
    assert kinds(reads).count(ReadLiterals) == 1 and ReadOrder not in kinds(reads)
    assert view.is_true and view.text.by_bytes is True


def test_what_one_view_has_found_out_the_next_one_need_not_ask() -> None:
    """A text order that one view has found out saves the next view the read of literals."""
    view = VirtualView(*TABLE, sort="title", page=4)
    view.text.by_bytes = True
    assert set(kinds(view.run(10.0))) == {ReadPage} and view.is_true


def test_views_that_sort_by_different_numbers_need_no_read_of_their_order() -> None:
    """A view of several pages sorted by different numbers reads pages alone."""
    view = VirtualView(*(row(f"{n}", n=n) for n in range(25)), sort="-n", page=10, collates=True)
    assert set(kinds(view.run(10.0))) == {ReadPage}
    assert view.is_true


def test_views_that_sort_by_equal_numbers_are_right_where_text_is_collated() -> None:
    """A view of several pages sorted by a number is right on a server that collates text."""
    view = VirtualView(
        *(row(f"{n}", n=n % 7) for n in range(25)), sort="-n", page=10, collates=True
    )
    assert kinds(view.run(10.0)).count(ReadPage) >= 3
    assert view.is_true


def test_a_page_shows_where_nulls_sort() -> None:
    """A page shows where nulls sort, so that a new row with null costs no read."""
    view = view_of(*(row(f"{n}", n=n or None) for n in range(9)), by_bytes=True, sort="n")
    assert view.ids[-1] == "0"
    view.write(row("x", 9, n=None), "create")
    assert view.is_true and view.run(START + 9) == []


def test_the_first_page_of_several_shows_where_nulls_sort() -> None:
    """The first of several pages shows where nulls sort, so that no order is read."""
    view = VirtualView(*(row(f"{n}", n=n if n < 3 else None) for n in range(9)), sort="n", page=5)
    view.text.by_bytes = True
    assert set(kinds(view.run(10.0))) == {ReadPage}
    assert view.is_true and view.ids[:3] == ["0", "1", "2"]


def test_a_view_without_a_sort_takes_the_order_of_ids_from_its_pages() -> None:
    """Without a sort, a view of one page takes the order of ids from that page."""
    rows = [row(id) for id in ("Bb", "aa", "cc", "Dd", "EE", "ff")]
    view = VirtualView(*rows, collates=True)
    assert view.run(1.0) == [ReadPage()]
    assert view.ids == ["aa", "Bb", "cc", "Dd", "EE", "ff"]


def test_another_identity_waits_for_its_order_again() -> None:
    """After a change of identity a large view stays empty until its order was read."""
    view = view_of(*TABLE, page=4)
    view.feed(view.engine.reset(START))
    assert view.shown == [] and not view.effects.loaded
    view.read = None
    view.feed(view.engine.acknowledged(START))
    while view.step(START + 1) and not view.effects.loaded:
        assert view.shown == []
    assert view.is_true


# -- changes ---------------------------------------------------------------------------------------


def test_a_row_that_joins_is_shown_at_once_and_its_place_is_read() -> None:
    """A row that joins is shown at once, and one read of the order places it."""
    view = view_of(*TABLE)
    view.write(titled("new", "a c", 9), "create")
    assert "new" in view.ids and view.snapshot.fresh
    assert kinds(view.run(START + 9)) == [ReadOrder]
    assert view.is_true


def test_a_row_with_another_title_moves_and_its_place_is_read() -> None:
    """A row whose sort field changes is placed by one read of the order."""
    view = view_of(*TABLE)
    view.write(titled("9", "-A", 9))
    assert kinds(view.run(START + 9)) == [ReadOrder]
    assert view.is_true and view.ids.index("9") < view.ids.index("8")


def test_a_change_of_other_fields_and_a_row_that_leaves_cost_no_read() -> None:
    """A change of other fields and a row that leaves cost no read."""
    view = view_of(*TABLE)
    view.write({**titled("9", "Z", 9)})
    view.remove("5")
    assert view.is_true and view.run(START + 9) == []


def test_rechecks_do_not_depend_on_the_order() -> None:
    """A row that moves and has to be rechecked costs one recheck and one read of the order."""
    view = view_of(*TABLE)
    view.write({**titled("9", "b", 0)})
    reads = view.run(START + 9)
    assert sorted(kinds(reads), key=str) == [ReadIds, ReadOrder]
    assert view.is_true


def test_a_row_in_the_order_but_not_in_the_view_is_rechecked() -> None:
    """A row that only the order has, or only the view, is rechecked."""
    view = view_of(*TABLE)
    view.table["past"] = titled("past", "m", 9)
    del view.table["5"]
    view.write(titled("new", "a c", 9), "create")
    reads = view.run(START + 9)
    assert {id for read in reads if isinstance(read, ReadIds) for id in read.ids} == {"past", "5"}
    assert view.is_true


def test_what_changes_while_the_order_is_read_is_put_in_its_place_by_the_next_one() -> None:
    """A change made during a read of the order is placed by the next read of it."""
    view = view_of(*TABLE)
    view.takes = 0.5
    view.write(titled("new", "a c", 9), "create")
    read = view.read
    assert isinstance(read, ReadOrder)
    rows, _ = view.rows(read)
    view.now += 0.1
    view.write(titled("newer", "á b", 9), "create")
    view.now += 0.4
    view.feed(view.engine.read_done(read, rows, True, view.now))
    view.read = view.effects.read
    view.run(START + 60)
    assert view.is_true
    assert [at for at, each in view.reads if isinstance(each, ReadOrder)][1:] == [
        pytest.approx(START + 2.0)
    ]


# -- fresh -----------------------------------------------------------------------------------------


def test_after_a_gap_a_view_is_fresh_once_its_order_is_true_again() -> None:
    """After a gap a view becomes fresh with the read of its order, not with its rows alone."""
    view = view_of(*TABLE)
    view.table["new"] = titled("new", "a c", 9)
    view.lose()
    view.takes = 0.1
    reads: list[type] = []
    while not view.effects.fresh:
        reads.append(type(view.read))
        assert view.step(START + 9)
    assert reads[-1] is ReadOrder and view.is_true


def test_an_order_that_is_dirty_when_a_gap_begins_keeps_the_view_stale_until_it_is_read() -> None:
    """A view whose order was due when a gap began stays stale until the order was read."""
    view = view_of(*TABLE)
    view.write(titled("new", "a c", 9), "create")
    assert isinstance(view.read, ReadOrder)
    view.lose()
    while not view.snapshot.fresh:
        assert view.step(START + 9)
    assert view.is_true


def test_rows_that_join_after_a_gap_do_not_keep_the_view_stale() -> None:
    """After a gap a view is fresh once its order was read, though newer rows have no place."""
    view = view_of(*TABLE)
    view.table["new"] = titled("new", "a c", 9)
    view.lose()
    view.takes = 0.1
    while not isinstance(view.read, ReadOrder):
        assert view.step(START + 9)
    assert not view.effects.fresh
    rows, _ = view.rows(view.read)
    view.write(titled("newer", "á b", 9), "create")
    read, view.read = view.read, None
    view.now += 0.1
    effects = view.feed(view.engine.read_done(read, rows, True, view.now))
    assert view.engine._sorting.is_dirty and effects.fresh
    view.run(START + 60)
    assert view.is_true


def test_a_row_that_joins_later_does_not_make_the_view_stale() -> None:
    """A row that joins leaves the view fresh while its place is read."""
    view = view_of(*TABLE)
    for n in range(3):
        view.now = START + 10 * n
        view.write(titled(f"new{n}", f"a c{n}", 9 + n), "create")
        assert view.effects.fresh
        while view.step(view.now + 9):
            assert view.effects.fresh
    assert view.is_true


def test_a_gap_whose_order_has_not_changed_costs_no_read_of_it() -> None:
    """A gap that left the sort values unchanged costs no read of the order."""
    view = view_of(*TABLE)
    view.lose()
    reads = view.run(START + 9)
    assert ReadOrder not in kinds(reads) and view.snapshot.fresh and view.is_true


# -- how often -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("takes", "interval"), [(0.0, 0.25), (0.02, 0.25), (0.5, 0.25), (0.1, 2.0)]
)
def test_the_order_is_read_once_an_interval_and_for_a_quarter_of_the_time(
    takes: float, interval: float
) -> None:
    """The order is read at most once an `interval` and for at most a quarter of the time."""
    view = view_of(*TABLE, interval=interval)
    view.takes = takes
    for n in range(200):
        view.table["9"] = titled("9", f"Z{n}", 10 + n // 10)
        view.write(view.table["9"])
        view.run(START + (n + 1) / 20)
    begun = [at for at, read in view.reads if isinstance(read, ReadOrder)]
    pause = max(interval, 4 * takes)
    assert len(begun) <= 10.0 / pause + 1
    assert all(b - a >= pause - 1e-6 for a, b in pairwise(begun))
    view.run(START + 60)
    assert view.is_true


def test_a_view_that_changes_all_the_time_is_still_put_in_order() -> None:
    """Rows get their places, though another row changes during each read of the order."""
    view = view_of(*TABLE, interval=0.5)
    view.takes = 0.1
    view.write(titled("new", "a c", 9), "create")
    for n in range(100):
        view.write(titled("9", f"Z{n}", 10 + n // 10))
        view.run(START + (n + 1) / 20)
    others = [each["id"] for each in view.shown if each["id"] != "9"]
    assert others.index("new") == others.index("8") + 1


def test_the_order_is_read_before_rechecks_and_never_beside_another_read() -> None:
    """The order is read before rechecks, and no two reads overlap."""
    view = view_of(*TABLE)
    view.takes = 0.1
    view.write(titled("9", "b", 0))
    view.write(titled("5", "c", 0))
    ends = 0.0
    view.run(START + 9)
    for at, _ in view.reads[1:]:
        assert at >= ends - 1e-6
        ends = at + view.takes
    assert isinstance(view.reads[1][1], ReadOrder)


# -- failures --------------------------------------------------------------------------------------


def test_a_read_of_the_order_that_fails_is_made_again_later_and_later() -> None:
    """A failed read of the order is repeated after pauses of 1, 2, 4 and 8 s."""
    view = view_of(*TABLE)
    view.write(titled("new", "a c", 9), "create")
    pauses = []
    for _ in range(4):
        assert isinstance(view.read, ReadOrder)
        view.fail()
        begun = view.now
        assert view.step(START + 60)
        pauses.append(view.now - begun)
    assert pauses == [1.0, 2.0, 4.0, 8.0]
    view.run(view.now + 1)
    assert view.is_true


def test_a_first_snapshot_whose_literals_could_not_be_read_comes_later() -> None:
    """If the first read of literals fails, the first snapshot follows after a retry."""
    view = VirtualView(*TABLE, sort="title", collates=True, page=4)
    while not isinstance(view.read, ReadLiterals):
        assert view.step(10.0)
    view.fail()
    assert view.shown == [] and view.effects.wake == pytest.approx(view.now + 1.0)
    view.run(10.0)
    assert view.is_true


def test_a_loss_while_the_order_is_read_asks_for_it_again() -> None:
    """A loss voids a read of the order under way; the order is read again after it."""
    view = view_of(*TABLE)
    view.write(titled("new", "a c", 9), "create")
    stale = view.read
    assert isinstance(stale, ReadOrder)
    view.feed(view.engine.lost(START))
    assert not view.effects.fresh
    view.feed(view.engine.read_done(stale, [], True, START))
    assert len(view.ids) == len(TABLE) + 1
    view.read = None
    view.feed(view.engine.acknowledged(START))
    view.run(START + 9)
    assert view.is_true and view.snapshot.fresh


def test_literals_from_before_a_loss_are_ignored() -> None:
    """A read of literals that ends after a loss leaves the text order unknown."""
    view = VirtualView(*TABLE, sort="title", page=4)
    while not isinstance(view.read, ReadLiterals):
        assert view.step(10.0)
    stale = view.read
    view.lose()
    view.feed(view.engine.read_done(stale, [{"id": "x"}], True, view.now))
    assert view.text.by_bytes is None
    view.run(10.0)
    assert view.is_true


def test_a_page_with_the_order_that_fails_leaves_the_order_as_it_was() -> None:
    """A failed sorted page of a pass leaves the view fresh and is read again."""
    view = view_of(*TABLE, reconcile=50.0)
    while not isinstance(view.read, ReadPage):
        assert view.step(START + 60)
    assert view.read.in_view_order and view.effects.fresh
    view.fail()
    assert view.effects.fresh
    assert [*view.run(view.now + 2)][-1:] == [ReadPage(in_view_order=True)]
    assert view.is_true


# -- another order than the view's own -------------------------------------------------------------


def test_a_comparison_finds_that_the_server_sorts_otherwise_than_was_thought() -> None:
    """A view that wrongly assumed byte order adopts the server's order."""
    view = VirtualView(*TABLE, sort="title", collates=True, reconcile=60.0)
    view.text.by_bytes = True
    view.run(1.0)
    assert view.is_true  # it came in the order of the page
    view.write(titled("new", "a c", 9), "create")
    view.run(10.0)
    assert view.is_true


@pytest.mark.parametrize("page", [4, 100])
def test_an_order_changed_past_the_hooks_is_found_by_a_comparison(page: int) -> None:
    """A reconcile finds an order that changed without events, in small and large views."""
    view = view_of(*TABLE, page=page, reconcile=60.0)
    for id, title in [("9", "a a"), ("2", "zz")]:
        view.table[id] = titled(id, title)
    view.run(START + 60 * 4)
    assert view.is_true


def test_the_order_of_a_larger_view_is_read_as_often_as_each_of_its_rows() -> None:
    """A large view by text reads its order once per round of page checks, one by number never."""
    view = view_of(*TABLE, page=4, reconcile=60.0)
    view.now = 1.0
    reads = view.run(60.0 * 3 + 1)
    assert kinds(reads).count(ReadOrder) == 1 and isinstance(reads[-1], ReadOrder)
    assert kinds(view.run(60.0 * 6 + 1)).count(ReadOrder) == 1
    by_number = view_of(*(row(f"{n}", n=n) for n in range(9)), by_bytes=True, sort="n", page=4)
    assert ReadOrder not in kinds(by_number.run(START + 3000))


def test_where_each_comparison_is_of_whole_rows_the_order_is_read_after_as_many_as_pages() -> None:
    """Where each pass reads whole rows, the order is read once in as many passes as pages."""
    view = view_of(*TABLE, page=4, reconcile=60.0, trust_updated=False)
    view.now = 1.0
    for round_ in range(1, 6):
        reads = view.run(60.0 * round_ + 1)
        order = [ReadOrder] * (round_ in (2, 5))  # the first pass was the snapshot
        assert kinds(reads) == [ReadPage, ReadPage, ReadPage, *order]


def test_an_order_that_cannot_be_read_holds_up_nothing_else() -> None:
    """An order that cannot be read delays neither rechecks nor reconcile passes."""
    view = view_of(*TABLE, reconcile=150.0)
    view.write(titled("new", "a c", 9), "create")
    view.feed(view.engine.event("update", titled("3", "an older title"), view.now))
    del view.table["2"]
    while view.now < START + 200:
        if isinstance(view.read, ReadOrder):
            view.fail()
        else:
            assert view.step(START + 300)
    assert view.snapshot.by_id == view.table
    assert any(isinstance(read, ReadIds) for at, read in view.reads if at > START)
    asked = [at for at, read in view.reads if isinstance(read, ReadOrder) and at > START]
    assert len(asked) >= 5  # it is tried again, later and later
