"""Some hundred cases of the fuzz of event streams; ``fuzz_frames.py`` is the long version."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from faults.event_stream import EventStream
from faults.fuzz_frames import MAKERS, Report, draw, fuzz
from sseclient import SSEClient

from rxbosbase.realtime.protocol import frames
from rxbosbase.realtime.protocol.body_decoder import BodyDecoder
from rxbosbase.realtime.protocol.frames import Frame, FrameParser

SEED = 3
CASES = 400


def test_every_way_of_reading_gives_what_the_standard_defines() -> None:
    """In 400 generated cases, parser and decoder give the frames of the literal implementation."""
    report = fuzz(SEED, range(CASES))
    assert not report.problems, report.table()
    assert report.cases == CASES
    assert report.events > CASES and report.skipped > CASES


def test_the_cases_follow_from_seed_and_number_and_hold_every_kind() -> None:
    """The cases follow from seed and number alone and hold events of each kind."""
    cases = [draw(SEED, number) for number in range(CASES)]
    assert cases == [draw(SEED, number) for number in range(CASES)]
    assert cases != [draw(SEED + 1, number) for number in range(CASES)]
    kinds = {kind for case in cases for kind in case.kinds}
    assert kinds == {*MAKERS, "BOM", "mutated"}


def test_the_literal_implementation_keeps_the_id_and_the_reconnection_time() -> None:
    """The literal implementation has the last event ID and the reconnection time."""
    stream = EventStream()
    stream.parse(b"id:1\ndata:a\nretry:50\n\ndata:b\nid:x\0\nretry:5x\n\nid\ndata:c\n\ndata:d")
    assert [tuple(event) for event in stream.events] == [
        ("message", "a", "1"), ("message", "b", "1"), ("message", "c", ""),
    ]  # fmt: skip
    assert (stream.reconnection_time, stream.last_event_id) == (50, "")


def _keeps_bom(self: FrameParser, chunk: bytes) -> bytes:
    self._start = None
    return chunk


def _reads_cr_as_lf(_: FrameParser, chunk: bytes) -> bytes:
    return chunk.replace(b"\r", b"\n")


def _takes_the_space_too(self: dict[bytes, str | None], line: bytes) -> str | None:
    name = line[6:].decode(errors="ignore") if line.startswith(b"event:") else None
    self[line] = name
    return name


def _reads_the_rest_too(decoder: BodyDecoder, raw: bytes) -> list[Frame]:
    found = original_feed(decoder, raw)
    return found + decoder._parser.feed(b"\n\n") if decoder.finished else found


original_feed = BodyDecoder.feed

FAULTS: dict[str, tuple[type, str, Callable[..., object]]] = {
    "a BOM is kept": (FrameParser, "_without_bom", _keeps_bom),
    "CR and LF are two ends": (FrameParser, "_with_newlines_only", _reads_cr_as_lf),
    "a space is kept": (frames._Names, "__missing__", _takes_the_space_too),
    "an event without its end": (BodyDecoder, "feed", _reads_the_rest_too),
    "nothing but usual events": (SSEClient, "events", lambda _: iter(())),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_each_kind_of_fault_is_reported_with_its_bytes(
    monkeypatch: pytest.MonkeyPatch, fault: tuple[type, str, Callable[..., object]]
) -> None:
    """The fuzz reports a parser with a fault, with the bytes and the command to see it again."""
    monkeypatch.setattr(*fault)
    report = fuzz(SEED, range(CASES))
    assert report.problems
    again = "python -m tests.faults.fuzz_frames --seed 3 --case"
    assert all(again in problem and "  of b" in problem for problem in report.problems)
    assert "WRONG: case" in report.table()


def test_a_report_without_a_problem_says_that_all_is_well() -> None:
    """The table of a run without a problem ends in "all is well"."""
    assert Report(SEED).table().endswith("all is well")
