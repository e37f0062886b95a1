"""Rows are shown whole, though an event may lack what a read gives."""

from __future__ import annotations

from typing import Any

import pytest
from support.virtual_view import VirtualView, row, updated_at

from rxbosbase.encoding.record import Record
from rxbosbase.encoding.unreadable import UnreadableRow
from rxbosbase.live.engine.messages import ReadIds, ReadPage

START = 100.0  # s: so long after the acknowledgement that each event is trusted


def full(id: str, second: int = 0, **more: Any) -> Record:
    """A record as a read gives it to a superuser."""
    return row(id, second, **{"title": "x", "secret": "s", **more})


def received(record: Record) -> Record:
    """The same as an event has it."""
    return {name: value for name, value in record.items() if name != "secret"}


def view_of(*rows: Record, **rules: Any) -> VirtualView:
    """A calm view that has read these rows."""
    view = VirtualView(*rows, **rules)
    view.text.by_bytes = True
    view.run(1.0)
    assert view.is_true and view.snapshot.fresh
    view.now = START
    return view


# -- a row that is held ----------------------------------------------------------------------------


def test_what_an_event_of_a_held_row_lacks_is_filled_and_the_row_is_rechecked() -> None:
    """Fields that an event lacks are filled from the row held, and the row is rechecked."""
    view = view_of(full("a"), full("b"))
    changed = full("a", 9, title="new", secret="t")
    view.write(changed, received=received(changed))
    assert view.shown[0] == {**changed, "secret": "s"}
    assert view.run(START + 1) == [ReadIds(("a",))]
    assert view.reads[-1][0] == pytest.approx(START + 0.2)  # once it is quiet
    assert view.is_true and view.run(START + 500) == []


def test_an_event_with_a_field_that_the_row_has_not_is_rechecked_as_well() -> None:
    """An event with a field that its row lacks is shown with it, and the row is rechecked."""
    view = view_of(full("a"), full("b"))
    view.write(full("a", 9, more=1))
    assert view.is_true
    assert ReadIds(("a",)) in view.run(START + 1)


def test_an_event_with_just_the_fields_of_the_row_costs_no_read() -> None:
    """An event with exactly the fields of its row costs no read."""
    view = view_of(full("a"), full("b"))
    view.write(full("a", 9, secret="t"))
    assert view.is_true and view.run(START + 500) == []


def test_an_event_whose_related_record_lacks_a_field_is_rechecked() -> None:
    """An event whose expanded record lacks a field is shown, and the row is rechecked."""
    author = row("u", 1, name="ann", mail="a@b")
    view = view_of(row("a", expand={"author": author}))
    changed = row("a", 9, expand={"author": author})
    event = row("a", 9, expand={"author": row("u", 1, name="ann")})
    view.write(changed, received=event)
    assert view.shown == [event]
    assert view.run(START + 1) == [ReadIds(("a",))] and view.is_true


def test_updated_is_not_filled() -> None:
    """A missing `updated` is not filled from the row held."""
    view = view_of(full("a", 5))
    changed = full("a", 9, title="new")
    event = {name: value for name, value in changed.items() if name not in ("secret", "updated")}
    view.write(changed, received=event)
    assert "updated" not in view.shown[0] and view.shown[0]["secret"] == "s"
    view.run(START + 1)
    assert view.is_true


def test_an_older_answer_that_raced_with_an_event_is_ignored_and_rechecked() -> None:
    """A recheck that raced with a newer event leaves the row as shown and is repeated."""
    view = view_of(full("a"), full("b"))
    first, second = full("a", 9, title="1", secret="1"), full("a", 10, title="2", secret="2")
    view.write(first, received=received(first))
    while view.read is None:
        view.step()
    rows, _ = view.rows(view.read)
    view.write(second, received=received(second))
    assert view.shown[0] == {**second, "secret": "s"}
    view.feed(view.engine.read_done(view.read, rows, True, view.now))
    view.read = view.effects.read
    assert view.shown[0] == {**second, "secret": "s"}
    view.run(view.now + 3)
    assert view.is_true


def test_an_answer_that_raced_gives_the_fields_that_no_event_had() -> None:
    """A page that raced with a newer event supplies only the fields that the event lacks."""
    view = VirtualView(full("b"))
    view.text.by_bytes = True
    view.now = 0.1
    first, second = full("a", 9, title="1", secret="1"), full("a", 10, title="2", secret="2")
    view.write(first, received=received(first))
    read = view.read
    assert read == ReadPage() and read is not None
    rows, _ = view.rows(read)
    view.write(second, received=received(second))
    view.feed(view.engine.read_done(read, rows, True, 0.2))
    view.read = view.effects.read
    assert view.shown[0] == {**second, "secret": "1"}
    view.run(3.0)
    assert view.is_true


def test_a_row_that_cannot_be_decoded_is_filled_with_nothing() -> None:
    """An event that cannot be decoded is not filled: its record is listed as unreadable."""
    view = view_of(full("a"), full("b"))
    event = UnreadableRow(row("a", 9), "title", 0)
    view.write(full("a", 9), received=event)
    assert view.ids == ["b"] and list(view.snapshot.unreadable) == ["a"]
    view.run(START + 1)
    assert view.is_true and not view.snapshot.unreadable


def test_a_row_that_cannot_be_decoded_has_no_fields_to_compare_with() -> None:
    """A row that cannot be decoded does not count as a changed schema."""
    view = view_of(full("a"), full("b"), reconcile=200.0)
    view.table["a"] = UnreadableRow(row("a", 9), "title", 0)
    assert view.run(401.0) == [ReadPage(), ReadPage()]
    assert view.ids == ["b"]
    view.now = 450.0
    view.write(full("a", 20))
    assert view.ids == ["a", "b"]
    view.now = 460.0
    view.write(full("c", 30), "create", received=received(full("c", 30)))
    assert view.ids == ["a", "b"]  # held back: it lacks what each row has that can be decoded
    view.run(470.0)
    assert view.is_true


# -- a row that is not held ------------------------------------------------------------------------


def test_a_new_row_that_lacks_fields_is_withheld_and_rechecked_at_once() -> None:
    """A new row that lacks fields is shown only after a recheck, which starts at once."""
    view = view_of(full("a"))
    view.write(full("b", 9), "create", received=received(full("b", 9)))
    assert view.ids == ["a"]
    assert view.read == ReadIds(("b",)) and view.reads[-1][0] == START
    view.step()
    assert view.is_true and view.run(START + 500) == [ReadIds(("b",))]


def test_rechecks_of_withheld_rows_gather() -> None:
    """Rechecks of new rows that lack fields gather: 30 rows in 0.3 s cost 3 to 5 reads."""
    view = view_of(full("a"))
    for n in range(30):
        made = full(f"b{n:02d}", 9)
        view.write(made, "create", received=received(made))
        view.run(START + (n + 1) / 100)
    asked = [read for _, read in view.reads if isinstance(read, ReadIds)]
    view.run(START + 2)
    assert view.is_true and 3 <= len(asked) <= 5


def test_a_row_that_is_held_back_and_written_all_the_time_is_shown_by_its_first_answer() -> None:
    """A new row that lacks fields and changes all the time is shown by its first recheck."""
    view = view_of(full("a"))
    view.takes = 0.06
    for n in range(600):
        written = full("b", 10 + n // 20, n=n)
        view.write(written, "update" if n else "create", received=received(written))
        view.run(START + (n + 1) * 0.05)
        assert n < 2 or "b" in view.ids
    asked = [at for at, read in view.reads if isinstance(read, ReadIds) and at > START + 1]
    assert len(asked) <= 16  # one in 2 s, for 30 s
    view.run(START + 60)
    assert view.is_true


def test_a_withheld_row_that_is_gone_when_rechecked_never_shows() -> None:
    """A new row that lacks fields and is deleted before its recheck is never shown."""
    view = view_of(full("a"))
    view.write(full("b", 9), "create", received=received(full("b", 9)))
    del view.table["b"]
    view.run(START + 1)
    assert view.is_true and view.snapshot.version == 1


def test_a_new_row_with_fields_that_no_row_had_is_shown_and_rechecked() -> None:
    """A new row with a field that no other row has is shown at once and rechecked."""
    view = view_of(full("a"))
    view.write(full("b", 9, more=1), "create")
    assert view.ids == ["a", "b"]
    assert view.run(START + 1)[0] == ReadIds(("b",))
    assert view.is_true


def test_a_new_row_with_the_fields_of_some_row_is_shown_and_costs_no_read() -> None:
    """A new row with exactly the fields of some row is shown at once and costs no read."""
    view = view_of(full("a"), received(full("b")))
    for n, made in enumerate([full("c", 9), received(full("d", 9))]):
        view.now = START + 10 * n
        view.write(made, "create")
        assert view.is_true
    assert view.run(START + 500) == []


def test_the_first_row_of_an_empty_view_is_read() -> None:
    """The first row of an empty view is shown after a recheck, the next one at once."""
    view = view_of()
    view.write(full("a", 9), "create")
    assert view.shown == [] and view.read == ReadIds(("a",))
    view.run(START + 10)
    assert view.is_true
    view.write(full("b", 19), "create")
    assert view.is_true and view.run(START + 500)[1:] == []


def test_rows_that_came_before_the_snapshot_are_held_back_once_it_is_there() -> None:
    """A row received before the first snapshot is held back after it if it lacks fields."""
    view = VirtualView(full("a"), full("c"))
    view.text.by_bytes = True
    view.now = 0.1
    read = view.read
    assert isinstance(read, ReadPage)
    rows, _ = view.rows(read)
    made, known = full("b", 9), full("d", 9)
    view.write(made, "create", received=received(made))
    view.write(known, "create")
    view.feed(view.engine.read_done(read, rows, True, 0.2))
    view.read = view.effects.read
    assert view.ids == ["a", "c", "d"]
    assert view.read == ReadIds(("b",))
    view.run(1.0)
    assert view.is_true


def test_a_row_that_cannot_be_decoded_is_not_held_back() -> None:
    """A new row that cannot be decoded is listed as unreadable at once."""
    view = view_of(full("a"))
    view.write(full("b", 9), "create", received=UnreadableRow(row("b", 9), "title", 0))
    assert list(view.snapshot.unreadable) == ["b"]
    view.run(START + 1)
    assert view.is_true


def test_a_row_before_all_were_read_is_shown_if_a_page_of_them_is() -> None:
    """A row that lacks fields and arrives before the first page is shown whole in the end."""
    view = VirtualView(full("a"), full("c"), page=1)
    view.text.by_bytes = True
    view.write(full("b", 9), "create", received=received(full("b", 9)))
    view.run(1.0)
    assert view.is_true


# -- what no event shows ---------------------------------------------------------------------------


@pytest.mark.parametrize("count", [9, 25])
def test_what_reads_alone_give_is_in_each_row_in_the_end(count: int) -> None:
    """A value that only reads return reaches each row within the reconcile passes."""
    view = view_of(*(full(f"{n:02d}", n) for n in range(count)), page=10, reconcile=60.0)
    for id, record in view.table.items():
        view.table[id] = {**record, "secret": "t"}
    view.run(START + 300)
    assert view.is_true
    changed = full("03", 500, secret="u")
    view.write(changed, received=received(changed))
    view.run(view.now + 1)
    assert view.is_true


def test_a_write_with_an_equal_version_in_a_gap_is_found_by_the_next_page_check() -> None:
    """A write lost in a gap that left `updated` unchanged is found by a page check."""
    view = view_of(*(full(f"{n:02d}", n) for n in range(25)), page=10, reconcile=60.0)
    view.now = 30.0
    view.write(full("24", 40))  # the stream is alive
    view.table["03"] = full("03", 3, secret="t")
    view.lose()
    view.run(31.0)
    assert view.snapshot.fresh and not view.is_true
    view.run(3 * 60.0 + 1)
    assert view.is_true


def test_the_updated_of_a_held_row_is_that_of_its_event() -> None:
    """A row filled from the one held keeps the `updated` of its event."""
    view = view_of(*(full(f"{n:02d}", n) for n in range(25)), page=10, before_loss=1.0)
    changed = full("03", 9, title="new")
    view.write(changed, received=received(changed))
    view.run(START + 20)
    view.lose()
    reads = view.run(START + 21)
    assert view.shown[3]["updated"] == updated_at(9)
    assert not any(isinstance(read, ReadIds) and "03" in read.ids for read in reads)
