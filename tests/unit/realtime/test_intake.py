"""The short way through the intake gives what the long way gives, however the bytes are cut."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxbosbase.errors import ProtocolError
from rxbosbase.realtime.chunked import ChunkedDecoder
from rxbosbase.realtime.frames import Frame, FrameParser
from rxbosbase.realtime.intake import Intake

ID = b"id:" + b"c" * 40


def usual(
    topic: bytes = b"posts/*", data: bytes = b'{"record":{"id":"a"},"action":"update"}'
) -> bytes:
    return ID + b"\nevent:" + topic + b"\ndata:" + data + b"\n\n"


def chunk(body: bytes, mark: bytes = b"%x") -> bytes:
    return mark % len(body) + b"\r\n" + body + b"\r\n"


def the_long_way(raw: bytes) -> list[Frame]:
    return FrameParser().feed(ChunkedDecoder().feed(raw))


def fed(raw: bytes, cuts: list[int]) -> list[Frame]:
    intake = Intake(FrameParser(), chunked=True)
    frames: list[Frame] = []
    at = 0
    for cut in [*sorted(cut % (len(raw) + 1) for cut in cuts), len(raw)]:
        if cut > at:
            frames += intake.feed(raw[at:cut])
        at = cut
    return frames


EVENTS = st.one_of(
    st.builds(
        usual,
        st.sampled_from([b"posts/*", "żółw/*".encode(), b"x\xff", b" spaced", b""]),
        st.sampled_from(
            [b"{}", b'{"a":"' + b"x" * 300 + b'"}', b"[1]", '{"ó":"\u2028"}'.encode(), b" {}"]
        ),
    ),
    st.sampled_from(
        [
            b": a comment\n\n",
            b"data:one\ndata:two\n\n",
            b"event:posts/*\r\ndata:{}\r\n\r\n",
            ID + b"\nevent:posts/*\ndata:{}\n\n\n",
            ID + b"x\nevent:posts/*\ndata:{}\n\n",
            b"retry:5\n\n",
            b"\r\n",
        ]
    ),
)
MARKS = st.sampled_from([b"%x", b"%X", b"0%x", b"%x;name=value", b"%x "])


@given(
    st.lists(st.tuples(EVENTS, MARKS, st.booleans()), max_size=12),
    st.lists(st.integers(0, 5000), max_size=8),
)
def test_any_stream_in_any_pieces_gives_what_the_long_way_gives(
    events: list[tuple[bytes, bytes, bool]], cuts: list[int]
) -> None:
    raw = b""
    for body, mark, halved in events:
        middle = len(body) // 2 if halved else 0
        raw += b"".join(chunk(part, mark) for part in (body[:middle], body[middle:]) if part)
    assert fed(raw, cuts) == the_long_way(raw)


@given(st.integers(2, 30), st.lists(st.integers(0, 5000), max_size=8))
def test_a_busy_stream_in_any_pieces_loses_and_doubles_nothing(count: int, cuts: list[int]) -> None:
    raw = b"".join(
        chunk(usual(data=b'{"record":{"id":"%d"},"action":"create"}' % number))
        for number in range(count)
    )
    frames = fed(raw, cuts)
    assert frames == the_long_way(raw)
    assert len(frames) == count


def test_a_whole_event_is_not_held_back_for_the_end_of_its_chunk() -> None:
    intake = Intake(FrameParser(), chunked=True)
    raw = chunk(usual()) * 3
    assert len(intake.feed(raw[:-2])) == 3
    assert intake.feed(b"\r\n" + chunk(usual())) == [
        ("posts/*", usual().split(b"data:")[1].strip())
    ]


def test_a_size_that_does_not_fit_its_chunk_is_an_error_as_on_the_long_way() -> None:
    good = chunk(usual())
    bad = good.replace(b"%x" % len(usual()), b"%x" % (len(usual()) - 3), 1)
    with pytest.raises(ProtocolError):
        Intake(FrameParser(), chunked=True).feed(good * 3 + bad * 3)


def test_an_event_above_the_bound_is_skipped_in_a_busy_stream_too() -> None:
    parser = FrameParser(max_bytes=200)
    intake = Intake(parser, chunked=True)
    large = usual(data=b'{"a":"' + b"x" * 500 + b'"}')
    frames = intake.feed(chunk(usual()) * 3 + chunk(large) + chunk(usual()) * 3)
    assert len(frames) == 6
    assert [skipped.topic for skipped in parser.take_skipped()] == ["posts/*"]


def test_names_of_any_length_take_no_memory_once_they_are_read() -> None:
    intake = Intake(FrameParser(), chunked=True)
    tracemalloc.start()
    try:
        for number in range(40):
            raw = chunk(usual(topic=b"%0100000d" % number)) * 2
            assert len(intake.feed(raw)) == 2
            del raw
        grown, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert grown < 400_000


def test_the_end_of_the_body_is_seen_behind_a_burst() -> None:
    intake = Intake(FrameParser(), chunked=True)
    assert len(intake.feed(chunk(usual()) * 5 + b"0\r\n\r\n")) == 5
    assert intake.finished


@pytest.mark.parametrize("length", [-1, 2 * len(usual())])
def test_a_body_without_chunks_is_cut_as_it_comes(length: int) -> None:
    intake = Intake(FrameParser(), chunked=False, length=length)
    assert len(intake.feed(usual() * 2)) == 2
    assert intake.may_end
    assert intake.finished == (length > 0)
