"""What is known of a server's order of values, from rows that it has sorted."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from rxbosbase.live.engine.order_evidence import OrderEvidence, TextOrder
from rxbosbase.live.engine.ordering import SQLITE, Order, Values

DAY, NEXT_DAY = "2026-01-01 00:00:00.000Z", "2026-01-02 00:00:00.000Z"
UUID = "01890000-0000-7000-8000-00000000000{}"


class Table:
    """A server with the given order, and the evidence of that order.

    Args:
        by_bytes: how text is known to be sorted.
    """

    def __init__(self, sort: str, by_bytes: bool | None = None) -> None:
        self.order = Order.parse(sort)
        self.text = TextOrder()
        self.text.by_bytes = by_bytes
        self.seen = OrderEvidence(self.order, self.text)

    def row(self, *values: Any) -> Values:
        """A row with these values; its id is its last, or a number that none of them is."""
        names = [key.path[0] for key in self.order.keys]
        values = values if len(values) == len(names) else (*values, UUID.format(0))
        return self.order.values(dict(zip(names, values, strict=True)))

    def add_rows(self, *values: Any) -> None:
        """Rows with these values of the first key."""
        for value in values:
            self.seen.add_row(self.row(value))

    def learn(self, *values: Any) -> bool:
        """The server has rows with these values of the first key in this order."""
        self.add_rows(*values)
        return self.seen.learn([self.row(value) for value in values])

    def knows(self) -> bool:
        """True if the order of the first key is known."""
        return self.seen.depth() > 0

    def sorts(self, *values: Any) -> list[Any]:
        """The values as the order of the kinds has them."""
        order = self.order.ranked(self.seen.ranks())
        names = [key.path[0] for key in self.order.keys]
        rows = [dict(zip(names, (value, UUID.format(0)), strict=True)) for value in values]
        return [row[names[0]] for row in sorted(rows, key=order.key)]


def test_add_row_reports_a_kind_of_a_key_once() -> None:
    """`saw` returns True only for the first value of a kind in a key, nulls included."""
    table = Table("a,b")
    assert table.seen.add_row(table.row(1, None))
    assert not table.seen.add_row(table.row(2, None))
    assert table.seen.add_row(table.row(2, 3))
    assert table.seen.add_row(table.row(None, 3))
    assert not table.seen.add_row(table.row(None, None))


@pytest.mark.parametrize("by_bytes", [None, False, True])
@pytest.mark.parametrize("value", [None, 1.5, True, "", DAY, UUID.format(1)])
def test_values_of_one_kind_are_sorted_alike_everywhere(value: Any, by_bytes: bool | None) -> None:
    """Values of one kind other than text have a known order from the first row on."""
    table = Table("x", by_bytes)
    table.add_rows(value)
    assert table.knows() and table.seen.ranks()[0] == SQLITE


@pytest.mark.parametrize("by_bytes", [None, False, True])
def test_text_order_is_known_only_if_sorted_by_bytes(by_bytes: bool | None) -> None:
    """The order of text counts as known only where the server sorts text by bytes."""
    table = Table("x", by_bytes)
    table.add_rows("a")
    assert table.knows() is (by_bytes is True)
    assert table.seen.needs_text() is (by_bytes is not True)


def test_only_the_first_key_that_is_not_known_may_need_text() -> None:
    """`needs_text` looks only at the first key whose order is unknown."""
    table = Table("a,b")
    table.seen.add_row(table.row(1, 2))
    assert table.seen.depth() == 3 and not table.seen.needs_text()
    table.seen.add_row(table.row(1, "x"))
    assert table.seen.depth() == 1 and table.seen.needs_text()
    table.seen.add_row(table.row(None, "x"))
    assert table.seen.depth() == 0 and not table.seen.needs_text()


def test_the_kinds_of_rows_that_have_left_need_not_be_known() -> None:
    """`holds` drops the kinds of rows that have left, so that they need not be known."""
    table = Table("a,b")
    table.seen.set_rows([table.row(None, 2), table.row(1, "x")])
    assert table.seen.depth() == 0
    table.seen.set_rows([table.row(1, 2)])
    assert table.seen.depth() == 3
    assert table.seen.add_row(table.row(None, 2)) and table.seen.depth() == 0


MIXES = [
    (None, 1), (None, DAY), (1, "b"), (None, ""), (DAY, ""), (UUID.format(1), ""),
    (None, "b"), (1, DAY),
]  # fmt: skip


@pytest.mark.parametrize("descending", [False, True], ids=["up", "down"])
@pytest.mark.parametrize("order", [pair for mix in MIXES for pair in permutations(mix)], ids=str)
def test_two_kinds_are_sorted_as_the_server_was_seen_to_sort_them(
    order: tuple[Any, Any], descending: bool
) -> None:
    """Two kinds sort as the server sorted them in a response, ascending and descending."""
    by_bytes = True if "b" in order else None
    table = Table("-x" if descending else "x", by_bytes)
    table.add_rows(*order)
    assert not table.knows()
    assert table.learn(*order)
    assert table.knows() and not table.learn(*order)
    assert table.sorts(*order) == table.sorts(*reversed(order)) == [*order]


@pytest.mark.parametrize(
    ("sort", "order", "is_evidence"),
    [
        ("x", (None, False), True),
        ("x", (None, True), False),
        ("x", (True, None), True),
        ("x", (False, None), False),
        ("-x", (None, True), True),
        ("-x", (None, False), False),
        ("-x", (False, None), True),
        ("-x", (True, None), False),
    ],
)
def test_null_beside_a_bool_fixes_an_order_only_at_the_outer_bool(
    sort: str, order: tuple[Any, Any], is_evidence: bool
) -> None:
    """Null beside a bool fixes the order of both kinds only if the bool is the outer one."""
    table = Table(sort)
    assert table.learn(*order) is is_evidence
    assert table.knows() is is_evidence


@pytest.mark.parametrize("order", [*permutations([None, 7, DAY])], ids=str)
def test_two_pairs_fix_the_order_of_three_kinds(order: tuple[Any, ...]) -> None:
    """Two pairs of kinds that share one fix the order of all three kinds."""
    table = Table("x")
    table.add_rows(*order)
    assert table.learn(*order[:2]) and not table.knows()
    assert table.learn(*order[1:]) and table.knows()
    assert table.sorts(*order[::-1]) == [*order]


def test_what_follows_for_kinds_follows_by_any_number_of_others() -> None:
    """The order of two kinds follows through any number of others, also from separate reads."""
    table = Table("x", by_bytes=True)
    for pair in [(True, None), (7, True), ("b", 7)]:
        table.add_rows(*pair)
    for pair in [(True, None), ("b", 7), (7, None)]:
        table.seen.learn([table.row(value) for value in pair])
    assert not table.knows()  # where bools are among numbers and text
    table.seen.set_rows([table.row(value) for value in ("b", 7, None)])
    assert table.knows() and table.sorts(None, 7, "b") == ["b", 7, None]


def test_nothing_follows_from_pairs_that_have_no_kind_in_common() -> None:
    """Pairs of kinds that have no kind in common fix no order between them."""
    table = Table("x")
    table.learn(None, 7)
    table.learn(True, "")
    table.seen.set_rows([table.row(value) for value in (None, "")])
    assert not table.knows()


def test_a_cycle_of_kinds_is_unknown() -> None:
    """Pairs of kinds that form a cycle leave their order unknown."""
    table = Table("x")
    for pair in [(None, 7), (7, DAY), (DAY, None)]:
        table.learn(*pair)
    assert not table.knows() and table.seen.ranks()[0] == SQLITE


def test_the_kinds_of_text_are_one_where_bytes_sort_it() -> None:
    """Where bytes sort text, empty text, dates and UUIDs count as one kind with other text."""
    table = Table("x", by_bytes=True)
    table.add_rows("", "a", DAY, UUID.format(1))
    assert table.knows() and table.seen.ranks()[0] == SQLITE
    table.add_rows(None)
    assert not table.knows()
    for text in ("", "a", DAY, UUID.format(1)):
        assert table.learn(text, None)
    assert table.knows()
    assert table.sorts(None, "b", DAY, "", "a") == ["", DAY, "a", "b", None]


@pytest.mark.parametrize(
    "order", [*permutations([0, True]), *permutations([DAY, UUID.format(1)])], ids=str
)
def test_kinds_that_an_order_can_mix_are_not_known(order: tuple[Any, Any]) -> None:
    """Numbers beside bools, or dates beside UUIDs, fix no order: a server may mix them."""
    table = Table("x")
    assert not table.learn(*order)
    assert not table.knows()


def test_kinds_seen_both_ways_round_are_not_known_any_more() -> None:
    """Two kinds that appear in both orders have no known order any more."""
    table = Table("x")
    assert table.learn(0, None)
    assert not table.learn(0, None)
    assert table.knows()
    assert table.learn(None, 2)
    assert not table.knows() and table.seen.ranks()[0] == SQLITE


def test_kinds_that_no_row_has_come_last_and_keep_their_order() -> None:
    """Kinds that no row has rank behind the others and keep their default order."""
    table = Table("x")
    table.learn(7, None)
    ranks = table.seen.ranks()[0]
    assert ranks["number"] < ranks["null"] < ranks["bool"] < ranks["text"] == ranks["date"]


def test_what_is_learned_counts_for_its_key_alone() -> None:
    """An order of kinds that one key shows holds for that key only."""
    table = Table("a,b", by_bytes=True)
    rows = [table.row(1, 2), table.row(1, None), table.row(None, None), table.row(None, 1)]
    for each in rows:
        table.seen.add_row(each)
    assert table.seen.learn(rows[:3])
    ranks = table.seen.ranks()
    assert table.seen.depth() == 3
    assert ranks[0]["number"] < ranks[0]["null"] and ranks[1]["number"] < ranks[1]["null"]
    assert ranks[2] == SQLITE
    assert table.seen.learn(rows)  # the second key, the other way round
    assert table.seen.depth() == 1


def test_rows_that_are_equal_by_all_keys_tell_nothing() -> None:
    """Two rows that are equal in all keys change nothing that is known of the order."""
    table = Table("x")
    assert not table.learn(3, 3)
    assert table.knows()


# -- contradictions --------------------------------------------------------------------------------


@pytest.mark.parametrize(("first", "second"), [(1, 2), (False, True), (DAY, NEXT_DAY)])
def test_values_that_were_seen_the_wrong_way_round_are_trusted_no_more(
    first: Any, second: Any
) -> None:
    """Values of one kind in the wrong order make the order of their key unknown."""
    for sort, order in [("x", (second, first)), ("-x", (first, second))]:
        table = Table(sort)
        assert not table.learn(*order[::-1])
        assert table.knows()
        assert table.learn(*order)
        assert not table.knows() and not table.learn(*order)


def test_text_that_bytes_do_not_sort_is_trusted_no_more_in_its_key() -> None:
    """Text out of byte order makes its key unknown, but not the order of other keys."""
    table = Table("a,b", by_bytes=True)
    rows = [table.row("x", "1"), table.row("Y", "1")]
    for each in rows:
        table.seen.add_row(each)
    assert table.seen.depth() == 3
    assert table.seen.learn(rows)
    assert table.seen.depth() == 0 and table.text.by_bytes is True
    other = OrderEvidence(Order.parse("a"), table.text)
    other.add_row(Order.parse("a").values({"a": "x", "id": UUID.format(0)}))
    assert other.depth() == 2


def test_ids_out_of_order_behind_equal_dates_end_the_known_keys() -> None:
    """Equal dates whose ids are out of order make the order behind the date key unknown."""
    table = Table("d", by_bytes=True)
    rows = [table.row(DAY, UUID.format(2)), table.row(DAY, UUID.format(1))]
    for each in rows:
        table.seen.add_row(each)
    assert table.seen.depth() == 2
    assert table.seen.learn(rows)
    assert table.seen.depth() == 1 and table.text.by_bytes is True
    assert not table.seen.learn(rows)


def test_a_contradiction_leaves_its_key_and_all_behind_it_to_the_server() -> None:
    """A contradiction makes its key and those behind it unknown; earlier keys stay known."""
    table = Table("a,b,c")
    rows = [table.row(1, 2, 3), table.row(1, 1, 4)]
    for each in rows:
        table.seen.add_row(each)
    assert table.seen.depth() == 4
    assert table.seen.learn(rows)
    assert table.seen.depth() == 1
    assert table.seen.learn([table.row(2, 1, 3), table.row(1, 1, 4)])
    assert table.seen.depth() == 0
    assert not table.seen.learn(rows)


@pytest.mark.parametrize(("by_bytes", "depth"), [(None, 1), (False, 1), (True, 2)])
def test_keys_behind_a_date_need_byte_order(by_bytes: bool | None, depth: int) -> None:
    """The order behind a date key is known only where the server sorts text by bytes."""
    table = Table("d", by_bytes)
    table.add_rows(DAY)
    assert table.seen.depth() == depth


# -- ids -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ids", [["a", "Z"], ["Z", "b", "a"]])
def test_ids_in_another_order_end_the_trust_in_bytes(ids: list[str]) -> None:
    """Ids out of byte order set `by_bytes` to False."""
    table = Table("title", by_bytes=True)
    table.seen.learn_ids(ids)
    assert table.text.by_bytes is False


@pytest.mark.parametrize("ids", [["Z", "a"], ["a"], []])
def test_ids_in_the_order_of_bytes_tell_nothing_new(ids: list[str]) -> None:
    """Ids in byte order, one id or none leave `by_bytes` as it is."""
    table = Table("title", by_bytes=True)
    assert not table.seen.learn_ids(ids)
    assert table.text.by_bytes is True


@pytest.mark.parametrize(("sort", "depth"), [("", 0), ("n", 1), ("id,n", 0), ("n,id", 1)])
def test_ids_that_bytes_do_not_sort_are_known_to_be_such(sort: str, depth: int) -> None:
    """UUIDs out of byte order make the `id` key unknown, also if nothing is known of text."""
    table = Table(sort)
    keys = [key.path[0] for key in table.order.keys]
    record: dict[str, Any] = {"id": UUID.format(1), "n": 1}
    table.seen.add_row(table.order.values(record))
    assert table.seen.depth() == len(keys)
    assert table.seen.learn_ids([UUID.format(2), UUID.format(1)])
    assert not table.seen.learn_ids([UUID.format(2), UUID.format(1)])
    assert table.seen.depth() == depth
    assert table.text.by_bytes is False


@pytest.mark.parametrize("by_bytes", [None, True])
def test_ids_of_text_in_another_order_tell_how_text_is_sorted(by_bytes: bool | None) -> None:
    """Ids of text out of byte order set `by_bytes` to False, whatever was known before."""
    table = Table("n", by_bytes=by_bytes)
    assert table.seen.learn_ids(["a", "Z"]) and table.text.by_bytes is False
    assert not table.seen.learn_ids(["a", "Z"])
