"""The benchmarks' pure parts: the same bytes for all, honest ratios, and a chart that is XML."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest

from benchmarks.chart import chart
from benchmarks.figures import Row, stream_row
from benchmarks.latency import quantiles, sent_at
from benchmarks.markdown import markdown
from benchmarks.marks import MARKS, judged
from benchmarks.payloads import chunk, frame, payloads, stamped


@pytest.mark.parametrize(("size", "fields"), [(300, 8), (2000, 40), (20_000, 40)])
def test_records_have_the_size_and_the_fields_they_should(size: int, fields: int) -> None:
    """Every generated record has exactly the given number of bytes and of fields."""
    records = payloads(size, 20)
    assert {len(record) for record in records} == {size}
    assert {len(json.loads(record)) for record in records} == {fields}


def test_records_are_the_same_in_every_run() -> None:
    """Two calls of `payloads` with the same arguments return the same bytes."""
    assert payloads(300, 3) == payloads(300, 3)


def test_a_later_version_changes_the_time_alone() -> None:
    """A later version of a record differs from the earlier one in `updated` only."""
    old, new = (json.loads(payloads(2000, 1, version=version)[0]) for version in (1, 2))
    assert new["updated"] > old["updated"]
    assert {name for name in old if old[name] != new[name]} == {"updated"}


def test_an_event_is_a_chunk_in_the_servers_shape() -> None:
    """`chunk` returns the size line, the three lines of the event and the end of the chunk."""
    assert chunk(frame("c1", "posts/*", b"{}", "create")) == (
        b'3a\r\nid:c1\nevent:posts/*\ndata:{"record":{},"action":"create"}\n\n\r\n'
    )


def test_a_stamp_is_found_again_and_changes_no_length() -> None:
    """`stamped` writes the time of sending into the event without a change of its length."""
    event = frame("c1", "posts/*", payloads(300, 1)[0])
    sent = stamped(event, 123_456_789)
    assert len(sent) == len(event)
    assert sent_at(json.loads(sent.split(b"data:")[1])["record"]) == 123_456_789


def test_ratios_are_taken_round_by_round() -> None:
    """Ratios are computed per round: a round on a slower machine does not change them."""
    limit = [_run(seconds=1.0), _run(seconds=2.0)]
    ours = [_run(seconds=2.0), _run(seconds=4.0)]
    row = stream_row(ours, limit)
    assert row["× limit"] == {"median": 0.5, "low": 0.5, "high": 0.5}
    assert row["events/s"] == {"median": 37.5, "low": 25.0, "high": 50.0}


def _run(seconds: float) -> dict[str, float]:
    return {"events": 100, "seconds": seconds, "cpu": seconds, "threads": 1}


def test_quantiles_are_of_the_slowest() -> None:
    """One slow event in a thousand is the p99.9 and not the p99."""
    figures = quantiles([1000] * 999 + [5_000_000])
    assert (figures["p50"], figures["p99"], figures["p99.9"]) == (1.0, 1.0, 5000.0)


def test_a_mark_is_met_missed_or_unknown() -> None:
    """A mark is met at its bound, missed below it, and `None` without a measurement."""
    mark = MARKS[0]
    for value, met in ((mark.bound, True), (mark.bound / 2, False)):
        suites = {mark.suite: {mark.row: {mark.figure: {"median": value}}}}
        assert judged(suites)[0]["met"] is met
    assert all(each["met"] is None for each in judged({}))


def test_the_chart_is_well_formed_and_has_a_bar_for_each_contender() -> None:
    """The chart is well-formed XML with one bar per measured contender."""
    row: Row = {"× limit": {"median": 0.8, "low": 0.7, "high": 0.9}}
    suites = {"300 B": {"observe": row, "bosbase": row, "pocketbase": {"note": "missing"}}}
    root = ElementTree.fromstring(chart(suites))
    assert len([one for one in root.iter() if one.tag.endswith("rect")]) == 2


def test_the_docs_tables_hold_every_figure_and_every_note() -> None:
    """The tables contain every figure with its range, every note and every unmeasured mark."""
    row: Row = {"events/s": {"median": 1_234_567.0, "low": 1e6, "high": 2e6}}
    suites = {"300 B": {"observe": row, "bosbase": {"note": "not installed"}}}
    text = markdown({"about": {"Python": "3.11"}, "suites": suites, "marks": judged(suites)})
    assert "Measured on: Python 3.11." in text
    assert "| observe | 1.23 M (1 M–2 M) |" in text
    assert "| bosbase | not installed |" in text
    assert text.count("| not measured |") == len(MARKS)


def test_every_row_of_a_docs_table_has_as_many_cells_as_its_head() -> None:
    """Rows with a note or a missing figure have as many cells as the table's head."""
    figure = {"median": 1.0, "low": 1.0, "high": 1.0}
    suites = {"s": {"a": {"x": figure, "y": figure}, "b": {"note": "gone"}, "c": {"x": figure}}}
    text = markdown({"about": {}, "suites": suites, "marks": []})
    table = [line for line in text.splitlines() if line.startswith("| ")][2:]
    assert {line.count("|") for line in table} == {4}
