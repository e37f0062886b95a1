"""The size of pages, and the end of lists."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxbosbase import AnswerTooLargeError
from rxbosbase.encoding.record import Record
from rxbosbase.encoding.unreadable import UnreadableRow
from rxbosbase.records.paging import PageSize, read_by_offset, read_fitting


class Table:
    """Rows with a weight each; a response holds a weight of 100."""

    def __init__(self, weights: list[int]) -> None:
        self.rows: list[Record] = [{"id": f"{n:04d}", "w": w} for n, w in enumerate(weights)]
        self.reads = 0

    def page(self, number: int, size: int) -> list[Record]:
        self.reads += 1
        found = self.rows[(number - 1) * size : number * size]
        if sum(row["w"] for row in found) > 100:
            raise AnswerTooLargeError("http://x", "100 bytes")
        return found

    def versions(self, number: int, size: int) -> list[Record]:
        return [{"id": row["id"]} for row in self.rows[(number - 1) * size : number * size]]


weights = st.lists(st.integers(0, 130), max_size=80)


@given(weights, st.integers(1, 60), st.none() | st.integers(1, 90))
def test_every_record_is_read_once_whatever_its_size(
    given: list[int], size: int, limit: int | None
) -> None:
    """Each record is returned once, in order; one too large for a response as unreadable."""
    table = Table(given)
    found = read_by_offset(PageSize(size), table.page, table.versions, limit=limit)
    assert [row["id"] for row in found] == [row["id"] for row in table.rows][:limit]
    for row in found:
        too_large = given[int(row["id"])] > 100
        assert isinstance(row, UnreadableRow) == too_large


@given(st.lists(st.integers(101, 130), min_size=1, max_size=5))
def test_without_versions_a_single_record_that_is_too_large_is_an_error(given: list[int]) -> None:
    """Without a read of ids alone, a record too large for a response raises the error."""
    with pytest.raises(AnswerTooLargeError):
        read_by_offset(PageSize(10), Table(given).page)


def test_a_table_of_large_records_costs_few_reads_that_fail() -> None:
    """Reading 300 large records takes fewer requests than one per record."""
    table = Table([30] * 300)  # three fit
    read_by_offset(PageSize(100), table.page)
    assert table.reads < 300  # one by one takes 300


def test_light_records_behind_heavy_ones_are_read_many_at_a_time_again() -> None:
    """The page size falls to 1 after failures and returns to its maximum after successes."""
    size = PageSize(1000)
    with pytest.raises(AnswerTooLargeError):
        read_fitting(size, lambda _: _too_large())
    assert size.now == 1
    for _ in range(400):
        read_fitting(size, lambda _: [])
    assert size.now == 1000


def test_large_records_among_small_ones_are_run_into_less_and_less_often() -> None:
    """With large records at 50 places among small ones, fewer than 40 reads fail."""
    table = Table([*[1] * 40, 30, 30, 30, 30] * 50)
    size, failed = PageSize(40), 0
    offset = 0
    while offset < len(table.rows):
        asked = size.at(offset)
        try:
            offset += len(table.page(offset // asked + 1, asked))
            size.fits()
        except AnswerTooLargeError as error:
            size.too_large(error)
            failed += 1
    assert failed < 40


def test_a_small_record_that_takes_the_place_of_a_large_one_is_read() -> None:
    """If a too large record is deleted meanwhile, the record in its place is returned."""
    table = Table([120, 1, 1])

    def versions(number: int, size: int) -> list[Record]:
        table.rows = [row for row in table.rows if row["w"] < 100]  # the large one is deleted
        return table.versions(number, size)

    found = read_by_offset(PageSize(10), table.page, versions)
    assert [row["id"] for row in found] == ["0001", "0002"]
    assert not any(isinstance(row, UnreadableRow) for row in found)


def _too_large() -> list[Record]:
    raise AnswerTooLargeError("http://x", "100 bytes")
