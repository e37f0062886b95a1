"""In which order a view shows its rows: its own where that is known, the server's where it is not.

The server here sorts by the rules of a language where a test asks for it, with nulls last.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
from typing import Any

import pytest

from rxbosbase.encoding.record import Record
from rxbosbase.encoding.unreadable import UnreadableRow
from rxbosbase.live.engine.messages import ReadLiterals, ReadOrder, Rules
from rxbosbase.live.engine.order_evidence import TextOrder
from rxbosbase.live.engine.ordering import Order
from rxbosbase.live.engine.sorting import BY_BYTES, EVERYWHERE, ServerOrder, Sorting, Unsorted
from rxbosbase.runtime.backoff import BackoffPolicy

INTERVAL = 0.25


def row(id: str, **values: Any) -> Record:
    return {"id": id, **values}


class View:
    """The rows of a view, and their order.

    Args:
        by_bytes: how text is known to be sorted.
    """

    def __init__(
        self, sort: str | None, *rows: Record, by_bytes: bool | None = None, **rules: Any
    ) -> None:
        self.text = TextOrder()
        self.text.by_bytes = by_bytes
        self.sorting = Sorting(Order.parse(sort), self.text, INTERVAL, Rules(**rules))
        self.held: dict[str, Record] = {}
        self.put(*rows)

    def put(self, *rows: Record) -> None:
        """These join the view, or are so from now on."""
        for each in rows:
            before = self.held.get(each["id"])
            self.held[each["id"]] = each
            self.sorting.row_changed(before, each)
        self.sorting.refresh(self.held)

    def take(self, id: str) -> None:
        """This one leaves the view."""
        self.sorting.row_changed(self.held.pop(id), None)
        self.sorting.refresh(self.held)

    def arranged(self, *ids: str, now: float = 0.0) -> list[str]:
        """The server has the rows in this order."""
        return self.answered([self.held[id] for id in ids], now)

    def answered(
        self, rows: Iterable[Record], now: float, *, in_one: bool = True, recent: Iterable[str] = ()
    ) -> list[str]:
        """The server has these rows in this order."""
        differing = self.sorting.order_read(
            list(rows), self.held, now, in_one=in_one, recent=frozenset(recent)
        )
        self.sorting.refresh(self.held)
        return differing

    def literals_read(self, found: bool, now: float = 0.0) -> ReadLiterals:
        """The next read is about literals, and finds a row or none."""
        read = self.sorting.next_read(now)
        assert isinstance(read, ReadLiterals)
        self.sorting.literals_read(read, found, now)
        self.sorting.refresh(self.held)
        return read

    def read_order(self, now: float) -> None:
        """The next read gives the order."""
        assert isinstance(self.sorting.next_read(now), ReadOrder)

    @property
    def shown(self) -> list[str]:
        return sorted(self.held, key=lambda id: self.sorting.order.key(self.held[id]))

    def is_dirty(self) -> bool:
        """Whether some row's place is not known."""
        return self.sorting.is_dirty

    @property
    def state(self) -> tuple[bool, bool]:
        """Whether it may be shown, and whether some row's place is not known."""
        return self.sorting.is_ready, self.sorting.is_dirty


def titles(*texts: str) -> list[Record]:
    """Rows that are named by what they are sorted by."""
    return [row(text, title=text) for text in texts]


def collated(*texts: str, **rules: Any) -> View:
    """A view whose server sorts text by the rules of a language, and whose order was read."""
    view = View("title", *titles(*texts), by_bytes=False, **rules)
    view.read_order(0.0)
    view.arranged(*texts)
    return view


# -- the server's order ----------------------------------------------------------------------------


def placed(sort: str, rows: Iterable[Record], depth: int = 0) -> ServerOrder:
    """The server has these rows in this order."""
    own = Order.parse(sort)
    return ServerOrder(own, depth, {each["id"]: own.values(each) for each in rows})


def test_a_misplaced_row_does_not_mislead_the_guess() -> None:
    """A row far from its guessed place does not mislead the placing of other rows."""
    titles = [*"abcd", "étage", "\u0142ata", *"fghi"]
    rows = [row(f"{at}", title=title) for at, title in enumerate(titles)]
    new = row("new", title="i9")
    assert sorted([*rows, new], key=placed("title", rows).key).index(new) >= len(rows) - 1


def test_rows_are_shown_in_the_order_that_the_server_gave() -> None:
    """Rows are shown in the order that the server returned."""
    order = placed("title", titles("-a", "A", "a b", "Z"))
    rows = titles("Z", "A", "a b", "-a")
    assert [each["id"] for each in sorted(rows, key=order.key)] == ["-a", "A", "a b", "Z"]


@pytest.mark.parametrize(
    ("text", "place"), [("", 0), ("A b", 2), ("a c", 3), ("zebra", 4), ("'Z'", 3)]
)
def test_a_row_that_the_server_has_not_placed_has_a_place_near_its_own(
    text: str, place: int
) -> None:
    """A row that the server has not placed is placed among the others by a guess."""
    rows = titles("-a", "A", "a b", "Z")
    order = placed("title", rows)
    shown = sorted([*rows, row("new", title=text)], key=order.key)
    assert shown.index(row("new", title=text)) == place


def test_a_row_with_another_value_than_the_server_placed_has_a_place_near_its_own() -> None:
    """A row whose value has changed since the server placed it is placed by a guess."""
    order = placed("title", titles("a", "b", "c"))
    rows = [row("a", title="B x"), *titles("b", "c")]
    assert [each["id"] for each in sorted(rows, key=order.key)] == ["b", "a", "c"]


def test_rows_with_one_guess_are_shown_by_it_and_by_their_ids() -> None:
    """Rows without a place are ordered by guess, and by `id` where their guesses are equal."""
    order = placed("-title", titles("m"))
    rows = [row("3", title="x"), row("2", title="x"), row("1", title="y"), row("4", title="a")]
    shown = sorted([*rows, *titles("m")], key=order.key)
    assert [each["id"] for each in shown] == ["1", "2", "3", "m", "4"]


# -- how far the own order is known ----------------------------------------------------------------


@pytest.mark.parametrize("by_bytes", [None, True, False])
@pytest.mark.parametrize(
    ("sort", "values"),
    [
        ("x", [2, 10, -1.5]),
        ("-x", [True, False]),
        ("x", ["2026-01-01 00:00:00.000Z", "2025-01-01 00:00:00.000Z"]),
        ("x", ["01890000-0000-7000-8000-00000000000a", "01890000-0000-7000-8000-000000000009"]),
    ],
)
def test_rows_of_one_kind_that_all_databases_sort_alike_need_no_read(
    sort: str, values: list[Any], by_bytes: bool | None
) -> None:
    """Rows whose values are of one kind other than text need no read of their order."""
    view = View(sort, *(row(f"{n}", x=x) for n, x in enumerate(values)), by_bytes=by_bytes)
    assert view.state == (True, False)
    assert view.sorting.due() == inf
    expected = sorted(values, reverse=sort.startswith("-"))
    assert view.shown == [str(values.index(value)) for value in expected]


def test_an_empty_view_and_a_lone_row_need_no_read() -> None:
    """An empty view and a single row need no read of their order."""
    assert View("title").state == (True, False)
    assert View("title", *titles("a")).state == (True, False)


@pytest.mark.parametrize(
    ("rows", "is_dirty"),
    [
        ([row("1", n=1, t="a"), row("2", n=2, t="B")], False),
        ([row("1", n=1, t="a"), row("2", n=1, t="B")], True),
    ],
)
def test_text_behind_a_number_is_read_where_rows_have_the_same_number(
    rows: list[Record], is_dirty: bool
) -> None:
    """Text behind a number needs a read of the order only where rows have equal numbers."""
    view = View("-n,t", *rows, by_bytes=False)
    assert view.state == (not is_dirty, is_dirty)
    assert view.sorting.due() == (0.0 if is_dirty else inf)


def test_an_order_that_is_dirty_stays_so_whatever_else_joins() -> None:
    """A dirty order stays dirty when other rows join and after `check`."""
    view = View("-n,t", row("1", n=1, t="a"), row("2", n=1, t="B"), by_bytes=False)
    view.put(row("3", n=3, t="c"))
    assert view.state == (False, True)
    view.sorting.read_again()
    assert view.state == (False, True)


def test_a_row_of_a_new_kind_is_looked_at_though_a_page_shows_nothing_new() -> None:
    """A row of a new kind makes the order dirty, though the page that brought it shows none."""
    view = View("x", row("1", x=1), by_bytes=True)
    view.held["2"] = row("2", x=None)
    view.sorting.row_changed(None, view.held["2"])
    view.sorting.first_page_read([])
    view.sorting.refresh(view.held)
    assert view.state == (True, True)


def test_an_order_is_read_four_times_a_second_at_most_if_nothing_else_is_said() -> None:
    """By default the order is read at most four times a second."""
    text = TextOrder()
    text.by_bytes = False
    sorting, rows = Sorting(Order.parse("title"), text), titles("a", "B")
    held = {each["id"]: each for each in rows}
    sorting.refresh(held)
    sorting.read_began(10.0)
    sorting.page_read(rows, held, 10.0)
    sorting.read_again()
    assert sorting.due() == 10.25


def test_a_row_that_joins_or_changes_makes_the_order_dirty_only_where_it_ties() -> None:
    """A row that joins or changes makes the order dirty only if it ties with another."""
    view = View("-n,t", row("1", n=1, t="a"), row("2", n=2, t="B"), by_bytes=False)
    view.put(row("3", n=3, t="c"))
    assert view.state == (True, False)
    view.put(row("3", n=2, t="c"))
    assert view.state == (True, True)
    view.read_order(0.0)
    view.arranged("2", "3", "1")
    assert view.state == (True, False) and view.shown == ["2", "3", "1"]
    view.put(row("1", n=1, t="z"))
    view.put(row("2", n=2, t="B", other="x"))
    view.take("3")
    assert not view.is_dirty()
    view.put(row("2", n=2, t="C"))
    assert not view.is_dirty()  # the other one of its number has left
    view.put(row("4", n=1, t="y"))
    assert view.is_dirty()


def test_rows_with_the_kinds_of_before_are_not_all_looked_at_again() -> None:
    """A row of a known kind leaves the order clean; one of another kind makes it dirty."""
    view = View("x", row("1", x=1), row("2", x=2), by_bytes=True)
    view.put(row("3", x=3))
    assert view.state == (True, False)
    view.put(row("4", x=None))
    assert view.state == (True, True)
    view.read_order(0.0)
    view.arranged("1", "2", "3", "4")
    assert view.state == (True, False) and view.shown == ["1", "2", "3", "4"]
    assert isinstance(view.sorting.order, Order)  # nulls are last: that is all that was not known
    view.put(row("0", x=None))
    assert view.state == (True, False) and view.shown == ["1", "2", "3", "0", "4"]


def test_nulls_where_sqlite_has_them_need_no_other_order() -> None:
    """Nulls where SQLite has them leave the order object as it is."""
    view = View("x", row("1", x=None), row("2", x=2))
    order = view.sorting.order
    view.read_order(0.0)
    view.arranged("1", "2")
    assert view.sorting.order is order and view.state == (True, False)


def test_a_view_that_starts_over_knows_nothing_of_its_rows() -> None:
    """`start_over` discards the server's order; a view without rows is ready again."""
    view = collated("-a", "A", "Z")
    view.sorting.start_over()
    assert view.state == (False, False) and isinstance(view.sorting.order, Order)
    view.sorting.refresh({})
    assert view.state == (True, False)


# -- text ------------------------------------------------------------------------------------------


def test_text_is_trusted_once_literals_have_shown_that_bytes_sort_it() -> None:
    """Once literals show that bytes sort text, text needs no read of its order."""
    view = View("title", *titles("a", "Z"))
    assert view.state == (False, True) and view.sorting.due() == 0.0
    assert view.literals_read(found=True).condition == BY_BYTES
    assert view.text.by_bytes is True
    assert view.state == (True, False) and view.shown == ["Z", "a"]
    assert view.sorting.due() == inf
    view.put(*titles("M", "🦊", "-"))
    assert view.state == (True, False)


def test_where_the_literals_find_nothing_a_control_condition_is_read() -> None:
    """Literals without a row, a control with one and no row again set `by_bytes` to False."""
    view = View("title", *titles("a", "Z"))
    asked = [view.literals_read(found).condition for found in (False, True, False)]
    assert asked == [BY_BYTES, EVERYWHERE, BY_BYTES]
    assert view.text.by_bytes is False
    view.read_order(0.0)


def test_literals_found_when_repeated_set_by_bytes() -> None:
    """Literals that find a row when they are repeated set `by_bytes` to True."""
    view = View("title", *titles("a", "Z"))
    for found in (False, True, True):
        view.literals_read(found)
    assert view.text.by_bytes is True and view.state == (True, False)


def test_where_nothing_is_found_the_literals_are_read_after_longer_pauses() -> None:
    """If neither literals nor control find a row, they are repeated after growing pauses."""
    delay = BackoffPolicy(0.5, maximum=0.8, jitter=False).delay
    view = View("title", *titles("a", "Z"), delay=delay)
    now = 2.0
    for pause in (0.5, 0.8, 0.8):
        asked = [view.literals_read(found=False, now=now).condition for _ in range(2)]
        assert asked == [BY_BYTES, EVERYWHERE]
        view.read_order(now)
        view.arranged(*sorted(view.held, key=str.lower), now=now)
        assert view.state == (True, False)
        view.put(*titles(f"M{now}"))
        now += pause
        view.read_order(now - 0.1)
        view.sorting.read_failed()
    assert view.literals_read(found=True, now=now).condition == BY_BYTES
    assert view.text.by_bytes is True


@pytest.mark.parametrize("found", [True, False])
def test_what_another_view_found_out_meanwhile_counts(found: bool) -> None:
    """A text order found out by another view applies, whatever the own read then returns."""
    view = View("title", *titles("a", "Z"))
    for answer in (False, True):
        view.literals_read(answer)
    read = view.sorting.next_read(0.0)
    assert read == ReadLiterals(BY_BYTES)
    view.text.by_bytes = True
    view.sorting.literals_read(ReadLiterals(BY_BYTES), found, 0.1)
    view.sorting.refresh(view.held)
    assert view.text.by_bytes is True and view.state == (True, False)
    view.text.by_bytes = False
    view.sorting.refresh(view.held)
    assert view.is_dirty() and view.sorting.due() == 0.0
    view.read_order(0.0)


def test_dates_of_a_database_that_may_keep_more_digits_leave_what_ties_to_the_server() -> None:
    """Equal dates are put in the server's order where text is not sorted by bytes."""
    day = "2026-01-01 00:00:00.000Z"
    view = View("d", row("b", d=day), row("a", d=day), by_bytes=False)
    assert view.state == (False, True)
    view.read_order(0.0)
    view.arranged("b", "a")
    assert view.shown == ["b", "a"]


def test_literals_are_read_only_for_text() -> None:
    """A view whose values have no text reads its order and no literals."""
    view = View("x", row("1", x=None), row("2", x=2))
    view.read_order(0.0)


@pytest.mark.parametrize("order", [["a", "Z"], ["Z", "a"]])
def test_an_order_that_contradicts_bytes_ends_the_trust_in_them_for_its_key(
    order: list[str],
) -> None:
    """An order that contradicts bytes makes text unknown for its key, not for other keys."""
    view = View("title", *titles("a", "Z"), by_bytes=True)
    view.sorting.read_began(0.0)
    view.arranged(*order)
    assert view.state == (True, False) and view.shown == order
    view.put(*titles("M"))
    assert view.is_dirty() is (order == ["a", "Z"])
    assert view.text.by_bytes is True


def test_ids_that_contradict_bytes_end_the_trust_in_them() -> None:
    """Ids out of byte order set `by_bytes` to False and make an order by text dirty."""
    view = View("title", *titles("a", "Z"), by_bytes=True)
    view.sorting.ids_read(["Z", "a"])
    view.sorting.refresh(view.held)
    assert view.state == (True, False)
    view.sorting.ids_read(["a", "Z"])
    view.sorting.refresh(view.held)
    assert view.text.by_bytes is False and view.is_dirty()


def test_ids_that_contradict_bytes_are_not_sorted_by_them_though_text_may_be() -> None:
    """A view by `id` whose ids are out of byte order reads the order, and no literals."""
    view = View(None, row("a"), row("Z"))
    view.sorting.ids_read(["a", "Z"])
    view.text.by_bytes = True
    view.sorting.refresh(view.held)
    view.read_order(0.0)


# -- reading the order -----------------------------------------------------------------------------


def test_a_view_is_ready_once_its_order_was_read() -> None:
    """A view whose order has to be read is ready once the server has returned it."""
    view = View("title", *titles("Z", "a"), by_bytes=False)
    assert view.state == (False, True)
    view.read_order(0.0)
    assert view.sorting.due() == inf  # one is under way
    assert view.arranged("a", "Z") == []
    assert view.state == (True, False)
    assert view.shown == ["a", "Z"]


def test_an_order_that_stays_is_the_very_object_of_before() -> None:
    """An order that the server confirms stays the same object."""
    view = collated("-a", "A", "Z")
    before = view.sorting.order
    view.sorting.read_began(5.0)
    view.arranged("-a", "A", "Z", now=5.0)
    assert view.sorting.order is before
    view.put(*titles("b"))
    view.read_order(10.0)
    view.arranged("-a", "A", "b", "Z", now=10.0)
    assert view.sorting.order is before  # the guess was right
    view.put(*titles("a b"))
    view.read_order(20.0)
    view.arranged("-a", "A", "b", "a b", "Z", now=20.0)
    assert view.sorting.order is not before
    assert view.shown == ["-a", "A", "b", "a b", "Z"]


def test_rows_with_nothing_but_other_fields_keep_their_order() -> None:
    """A change of other fields leaves the order clean; one of the sort field makes it dirty."""
    view = collated("-a", "A", "Z")
    view.put(row("A", title="A", n=7))
    assert not view.is_dirty()
    view.put(row("A", title="AA"))
    assert view.is_dirty()


def test_what_joins_while_the_order_is_read_leaves_it_dirty() -> None:
    """A row that joins during a read of the order that lacks it keeps the order dirty."""
    view = collated("a", "Z")
    view.put(*titles("M"))
    view.read_order(10.0)
    view.put(*titles("B"))
    assert view.arranged("a", "M", "Z", now=10.1) == ["B"]
    assert view.state == (True, True)
    assert view.shown == ["a", "B", "M", "Z"]


def test_what_ties_while_the_order_is_read_has_its_place_if_the_answer_has_it() -> None:
    """A row that joins during a read of the order that has it leaves the order clean."""
    view = collated("a", "Z")
    view.put(*titles("M"))
    view.read_order(10.0)
    view.put(*titles("B"))
    assert view.arranged("a", "B", "M", "Z", now=10.1) == []
    assert view.state == (True, False) and view.shown == ["a", "B", "M", "Z"]


def test_a_row_that_differs_in_the_answer_is_returned_and_keeps_the_order_dirty() -> None:
    """A row that differs from the response is returned and keeps the order dirty."""
    view = collated("a", "M", "Z")
    view.put(row("M", title="m"))
    view.read_order(10.0)
    rows = [*titles("a", "M"), row("new", title="x"), *titles("Z")]
    assert view.answered(rows, 10.1) == ["M", "new"]
    assert view.state == (True, True)
    assert view.shown == ["a", "M", "Z"]
    view.take("Z")
    view.read_order(20.0)
    rows = [*titles("a"), row("M", title="m"), *titles("Z")]
    assert view.answered(rows, 20.1) == ["Z"]


def test_where_no_rows_tie_what_differs_leaves_nothing_dirty() -> None:
    """Where no rows tie, a row that differs is returned but leaves the order clean."""
    view = View("-n,t", row("1", n=1, t="a"), row("2", n=2, t="B"), by_bytes=False)
    view.sorting.read_began(0.0)
    assert view.arranged("2", now=0.1) == ["1"]
    assert view.state == (True, False)


def test_where_all_is_known_no_row_is_returned() -> None:
    """Where the whole order is known, no row that differs is returned."""
    view = View("-n", row("1", n=1), row("2", n=2), by_bytes=True)
    view.sorting.read_began(0.0)
    assert view.arranged("2", now=0.1) == []


def test_a_read_that_failed_leaves_the_order_as_dirty_as_it_was() -> None:
    """A failed read leaves a dirty order dirty and a clean one clean."""
    view = collated("a", "Z")
    view.put(*titles("M"))
    for now in (10.0, 20.0):
        view.read_order(now)
        assert view.sorting.due() == inf
        view.sorting.read_failed()
        assert view.is_dirty() and view.sorting.due() <= now
    view.read_order(30.0)
    view.arranged("a", "M", "Z", now=30.0)
    view.sorting.read_failed()  # of some other read
    assert not view.is_dirty()
    view.sorting.read_began(40.0)  # a page in the order of the view, which was not needed
    view.sorting.read_failed()
    assert not view.is_dirty()


def test_a_read_of_literals_that_failed_is_made_again() -> None:
    """A failed read of literals is due again at once."""
    view = View("title", *titles("a", "Z"))
    assert isinstance(view.sorting.next_read(0.0), ReadLiterals)
    assert view.sorting.due() == inf
    view.sorting.read_failed()
    assert view.sorting.due() == 0.0
    assert view.literals_read(found=True).condition == BY_BYTES


# -- how often -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("took", "rests_until"), [(0.0, 10.25), (0.05, 10.25), (0.1, 10.4), (2.0, 18.0)]
)
def test_the_order_is_read_once_an_interval_and_for_a_quarter_of_the_time(
    took: float, rests_until: float
) -> None:
    """The next read of the order is due after the interval or four times the last duration."""
    view = collated("a", "Z")
    view.put(*titles("M"))
    view.read_order(10.0)
    view.arranged("a", "M", "Z", now=10.0 + took)
    assert view.sorting.due() == inf
    view.put(*titles("B"))
    assert view.sorting.due() == pytest.approx(rests_until)


def differing(view: View, *ids: str, recent: Iterable[str], until: float = 10.0) -> list[float]:
    """The order is read again and again, and lacks these rows; the pauses."""
    now, pauses = until, []
    for _ in range(8):
        view.read_order(now)
        known = [each for each in view.held.values() if each["id"] not in ids]
        assert view.answered(known, now, recent=recent) == [*ids]
        pauses.append(view.sorting.due() - now)
        now = view.sorting.due()
    return pauses


def test_rows_that_differ_each_time_are_read_less_and_less_often() -> None:
    """Rows that differ in each read lengthen the pauses up to 30 s, until a read matches."""
    view = collated("a", "Z", delay=BackoffPolicy(0.5, maximum=30.0, jitter=False).delay)
    view.put(*titles("M"))
    assert differing(view, "M", recent=()) == [INTERVAL, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0]
    now = 110.0
    view.read_order(now)
    view.arranged("a", "M", "Z", now=now)
    view.put(*titles("B"))
    assert differing(view, "B", recent=(), until=200.0)[:3] == [INTERVAL, 0.5, 1.0]


def test_rows_that_differ_because_they_are_written_are_read_as_often_as_ever() -> None:
    """Rows that differ because they were written meanwhile do not lengthen the pauses."""
    view = collated("a", "Z")
    view.put(*titles("M", "N"))
    assert set(differing(view, "M", "N", recent={"M", "N", "O"})) == {INTERVAL}
    assert differing(view, "M", "N", recent={"M"}, until=100.0)[:2] == [1.0, 2.0]


def test_different_differing_rows_do_not_lengthen_pauses() -> None:
    """Other rows that differ in each read do not lengthen the pauses."""
    view = collated("a", "Z")
    for n in range(4):
        view.put(*titles(f"M{n}"))
        view.read_order(10.0 * n + 10)
        rows = [each for each in view.held.values() if each["id"] != f"M{n}"]
        view.answered(rows, 10.0 * n + 10)
        assert view.sorting.due() == 10.0 * n + 10 + INTERVAL


def test_an_order_without_a_request_counts_as_read_at_once() -> None:
    """An order that arrives without a read counts as one that was read at that moment."""
    view = collated("a", "Z")
    view.arranged("a", "Z", now=50.0)
    view.put(*titles("M"))
    assert view.sorting.due() == 50.0 + INTERVAL


# -- what is learned of one answer -----------------------------------------------------------------


@pytest.mark.parametrize("in_one", [True, False])
def test_only_an_order_of_one_response_is_learned(in_one: bool) -> None:
    """Only an order that came in one response shows how kinds are sorted."""
    rows = [row("1", x=2), row("2", x=3), row("3", x=None)]
    view = View("x", *rows, by_bytes=True)
    view.read_order(1.0)
    view.answered(rows, 1.0, in_one=in_one)
    assert view.state == (True, False) and view.shown == ["1", "2", "3"]
    view.put(row("5", x=4))
    assert view.is_dirty() is not in_one


def test_the_first_rows_of_many_teach_as_much_as_all() -> None:
    """The first page of a larger snapshot shows how kinds are sorted."""
    view = View("x", by_bytes=True)
    view.held = {each["id"]: each for each in [row("1", x=1), row("2", x=None), row("3", x=None)]}
    view.sorting.start_over()
    view.sorting.read_began(0.0)
    view.sorting.first_page_read([*view.held.values(), UnreadableRow(row("4", x=1), "x", 0)])
    view.sorting.refresh(view.held)
    assert view.state == (True, False) and view.shown == ["1", "2", "3"]
    view.put(row("5", x=True))
    assert view.is_dirty() and view.sorting.due() == 0.0  # that page is not under way any more


def test_the_first_rows_make_all_be_looked_at_again_if_they_tell_anything_new() -> None:
    """The first rows make a dirty order clean only if they show the order of its kinds."""
    view = View("x", row("1", x=1), row("2", x=None), by_bytes=True)
    assert view.state == (False, True)
    view.sorting.first_page_read([])
    view.sorting.refresh(view.held)
    assert view.state == (False, True)
    view.sorting.first_page_read([*view.held.values()])
    view.sorting.refresh(view.held)
    assert view.state == (True, False) and view.shown == ["1", "2"]


# -- rows that have no place -----------------------------------------------------------------------


def test_a_row_that_cannot_be_decoded_has_no_place_and_needs_none() -> None:
    """A row that cannot be decoded needs no place and leaves the order clean."""
    differing = UnreadableRow(row("u", title="x"), "title", 0)
    view = View("title", *titles("a"), by_bytes=False)
    view.put(differing)
    assert view.state == (True, False)
    view.put(*titles("Z"))
    view.read_order(0.0)
    rows = [*titles("a"), differing, *titles("Z")]
    assert view.answered(rows, 0.1) == []
    assert view.state == (True, False)


@pytest.mark.parametrize("joins", [True, False], ids=["joins", "was there"])
def test_a_row_that_does_not_tell_its_place_has_none(joins: bool) -> None:
    """A row whose sort value cannot be ordered needs no place and leaves the order clean."""
    differing = row("b", title=["x"])
    view = View("title", *titles("a"), *(() if joins else (differing,)), by_bytes=False)
    if joins:
        view.put(differing)
    assert view.state == (True, False) and view.sorting.due() == inf
    view.put(*titles("Z"))
    view.read_order(0.0)
    assert view.answered([*titles("a"), differing, *titles("Z")], 0.1) == []
    assert view.state == (True, False)
    view.put(row("b", title="m"))
    assert view.is_dirty()
    view.put(differing)
    view.take("b")
    assert view.shown == ["a", "Z"]


def test_ids_that_all_databases_sort_alike_are_trusted_no_more_once_one_does_not() -> None:
    """UUIDs out of byte order are shown in the order in which the server returned them."""
    ids = [f"01890000-0000-7000-8000-00000000000{n}" for n in (2, 1)]
    view = View(None, *map(row, ids), by_bytes=False)
    assert view.state == (True, False) and view.shown == ids[::-1]
    assert view.sorting.all_ids_read(ids, view.held)
    assert view.state == (True, False) and view.shown == ids


# -- checks ----------------------------------------------------------------------------------------


def test_a_check_reads_the_order_again_where_it_is_the_servers() -> None:
    """`check` makes an order of the server dirty, so that it is read again."""
    view = collated("a", "Z")
    view.sorting.read_again()
    assert view.is_dirty() and view.sorting.due() == INTERVAL
    view.read_order(10.0)
    view.arranged("Z", "a", now=10.0)
    assert view.state == (True, False) and view.shown == ["Z", "a"]


@pytest.mark.parametrize(("sort", "by_bytes"), [("n", None), ("title", True), ("-n,title", False)])
def test_a_check_reads_nothing_where_the_order_is_the_views_own(
    sort: str, by_bytes: bool | None
) -> None:
    """`check` leaves an order that the view itself knows clean."""
    rows = [row("1", n=1, title="a"), row("2", n=2, title="Z")]
    view = View(sort, *rows, by_bytes=by_bytes)
    view.sorting.read_again()
    assert view.state == (True, False)


def test_a_page_with_all_rows_in_their_order_settles_it() -> None:
    """A page with all rows in the view's order makes the order clean."""
    view = View("title", *titles("Z", "a"), by_bytes=False)
    view.sorting.read_began(10.0)
    view.sorting.page_read(titles("a", "Z"), view.held, 11.0)
    assert view.state == (True, False) and view.shown == ["a", "Z"]
    view.put(*titles("M"))
    assert view.sorting.due() == 14.0  # it took a second, too


# -- views without a sort --------------------------------------------------------------------------


IDS = ("aa", "Bb", "cc", "Dd")


def test_ids_of_mixed_case_are_shown_as_the_snapshot_finds_them() -> None:
    """Without a sort, ids of mixed case are shown in the snapshot's order without a read."""
    view = View(None, by_bytes=False)
    view.held = {id: row(id) for id in IDS}
    view.sorting.start_over()
    view.sorting.all_ids_read(IDS, view.held)
    assert view.state == (True, False) and view.shown == [*IDS]
    view.sorting.refresh(view.held)
    assert view.state == (True, False) and view.shown == [*IDS]
    view.put(row("EE"))
    assert view.state == (True, True)
    view.sorting.all_ids_read([*IDS, "EE"], view.held)
    assert view.state == (True, False) and view.shown == [*IDS, "EE"]


@pytest.mark.parametrize(
    ("sort", "by_bytes"), [("-id", False), ("x", False), (None, True), ("-id", None)]
)
def test_the_order_of_ids_is_no_other_order(sort: str | None, by_bytes: bool | None) -> None:
    """An order of ids is not adopted by another sort or where bytes sort text."""
    view = View(sort, *(row(id, x="y") for id in IDS), by_bytes=by_bytes)
    before, state = view.sorting.order, view.state
    assert not view.sorting.all_ids_read(IDS, view.held)
    assert view.sorting.order is before and view.state == state


@pytest.mark.parametrize(("by_bytes", "count", "is_taken"), [
    (None, 4, True), (None, 5, False), (False, 5, True),
])  # fmt: skip
def test_ids_of_one_answer_are_an_order_before_anything_is_known_of_text(
    by_bytes: bool | None, count: int, is_taken: bool
) -> None:
    """While the text order is unknown, ids are adopted as the order only from a single page."""
    found = [*IDS, "EE"][:count]
    view = View(None, by_bytes=by_bytes, page=4)
    view.held = {id: row(id) for id in found}
    view.sorting.start_over()
    assert view.sorting.all_ids_read(found, view.held) is is_taken
    view.sorting.refresh(view.held)
    assert view.state == (is_taken, not is_taken)


def test_unsorted_is_always_ready() -> None:
    """`Unsorted` is always ready and clean, and no read is ever due."""
    unsorted = Unsorted()
    unsorted.row_changed(None, row("a"))
    unsorted.refresh({})
    unsorted.first_page_read([row("b"), row("a")])
    unsorted.read_again()
    unsorted.page_read([row("a")], {}, 0.0)
    assert unsorted.is_by_id and not unsorted.all_ids_read(["b", "a"], {})
    assert (unsorted.is_ready, unsorted.is_dirty, unsorted.due()) == (True, False, inf)
    assert unsorted.order_read([row("a")], {}, 0.0, in_one=True, recent=()) == []
    assert (unsorted.is_dirty, unsorted.due()) == (False, inf)
