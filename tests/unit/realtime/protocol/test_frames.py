"""Frames: the same for every cut of the same bytes, in bounded memory."""

from __future__ import annotations

import contextlib
import re
import tracemalloc
from collections.abc import Iterable, Iterator
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sseclient import SSEClient
from support.call_count import count_calls

from rxbosbase.realtime.protocol import frames as frames_module
from rxbosbase.realtime.protocol.frames import MAX_REPORTS, Frame, FrameParser, Skipped

USUAL = b'id:c1\nevent:posts/*\ndata:{"action":"create","record":{"id":"a"}}\n\n'
USUAL_FRAME = ("posts/*", b'{"action":"create","record":{"id":"a"}}')

# Bytes and whole lines that make special cases likely.
odd_bytes = st.lists(
    st.sampled_from(
        [b"\n", b"\r", b"\r\n", b"\n\n", b":", b" ", b"data:", b"data", b"event:", b"id:c1\n", b"x",
         b"{", b"event:posts/*\n", b"data:{}\n", USUAL, b"\xef\xbb\xbf", b"\xff", b"retry:5\n",
         b"\0"]
    ),
    max_size=30,
).map(b"".join)  # fmt: skip
streams = st.one_of(st.binary(max_size=60), odd_bytes)
cuts = st.lists(st.integers(0, 400), max_size=12)


def cut(stream: bytes, at: Iterable[int]) -> Iterator[bytes]:
    places = [0, *sorted(place for place in at if place < len(stream)), len(stream)]
    for start, end in pairwise(places):
        yield stream[start:end]


def parse(stream: bytes, at: Iterable[int] = (), **options: int) -> tuple[list[Frame], FrameParser]:
    parser = FrameParser(**options)
    return [frame for chunk in cut(stream, at) for frame in parser.feed(chunk)], parser


def read_by_the_standard(stream: bytes) -> list[Frame]:
    """Read by the event stream interpretation of the HTML standard, line by line."""
    out: list[Frame] = []
    name = b""
    data: list[bytes] = []
    *lines, _ = re.split(rb"\r\n|\n|\r", stream.removeprefix(b"\xef\xbb\xbf"))
    for line in lines:
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if not line:
            if data:
                with contextlib.suppress(UnicodeDecodeError):  # it can be no topic
                    out.append((name.decode() or "message", b"\n".join(data)))
            name, data = b"", []
        elif field == b"event":
            name = value
        elif field == b"data":
            data.append(value)
    return out


def test_the_servers_frame_is_its_topic_and_its_data() -> None:
    """A frame of the server is parsed into its topic and its data."""
    assert FrameParser().feed(USUAL * 3) == [USUAL_FRAME] * 3


@given(streams, cuts)
@example(USUAL * 3, range(400))
@example(USUAL.replace(b"\n", b"\r\n") * 2, range(400))
@example(b"\xef\xbb\xbf" + USUAL, [1, 2, 3])
@example(b"\xef\xbb" + USUAL, [1, 2, 3])
@example(USUAL[:-1], [])
@example(b"data:x\r\n\r\n", [9])
@settings(max_examples=300)
def test_any_cut_of_any_bytes_gives_the_frames_of_the_standard(
    stream: bytes, at: list[int]
) -> None:
    """Any cut of any bytes gives the frames that the HTML standard defines."""
    frames, parser = parse(stream, at)
    assert frames == read_by_the_standard(stream)
    assert parser.bytes == len(stream)
    assert parser.frames == len(frames)
    assert parse(stream, range(len(stream)))[0] == frames


field_text = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]))
fields = st.one_of(
    st.tuples(st.sampled_from(["data", "event", "id", "retry", "other"]), field_text).map(":".join),
    field_text.map(lambda text: ":" + text),
    st.just("data"),
)
events = st.lists(fields, min_size=1, max_size=5)


@given(st.lists(events, max_size=5), st.sampled_from(["\n", "\r", "\r\n"]), cuts)
@settings(max_examples=200)
def test_a_well_formed_stream_gives_the_frames_of_sseclient(
    stream: list[list[str]], newline: str, at: list[int]
) -> None:
    """A well-formed stream gives the same frames as `sseclient`."""
    body = "".join(newline.join(event) + newline * 2 for event in stream).encode()
    expected = [(e.event, e.data.encode()) for e in SSEClient(iter([body])).events()]
    assert parse(body, at)[0] == expected


@pytest.mark.parametrize(
    ("odd", "expected"),
    [
        (b":comment\n\n", []),
        (b":comment\nevent:t\ndata:1\n\n", [("t", b"1")]),
        (b"event: t\ndata: 1\n\n", [("t", b"1")]),
        (b"event:t\ndata:  1\n\n", [("t", b" 1")]),
        (b"data:a\ndata:b\ndata:\n\n", [("message", b"a\nb\n")]),
        (b"data\n\n", [("message", b"")]),
        (b"data:\n\n", [("message", b"")]),
        (b"event:t\n\n", []),
        (b"event:\ndata:1\n\n", [("message", b"1")]),
        (b"event:a\nevent:b\ndata:1\n\n", [("b", b"1")]),
        (b"retry:5\nid\nnonsense\ndata:1\n\n", [("message", b"1")]),
        (b"id:c1\nevent:t\ndata:\xff\n\n", [("t", b"\xff")]),
        (b"event:t\ndata:\xff\ndata:\xfe\n\n", [("t", b"\xff\n\xfe")]),
        (b"id:c1\nevent: t\ndata:1\n\n", [("t", b"1")]),
        (b"id:c1\nevent: t\ndata:12\n\n", [("t", b"12")]),
        (b"id:c1\nevent:\ndata:12\n\n", [("message", b"12")]),
        (b"id:c1 event:t data:1\n\n", []),
        (b"a\nb\nevent:t\ndata:{}\n\n", [("t", b"{}")]),
        (b"id:c1\nevent:t\ndata: 1\n\n", [("t", b"1")]),
        (b"data:x\nevent:posts/*\ndata:{}\n\n", [("posts/*", b"x\n{}")]),
        (b"id:c1\nevent:posts/*\ndata:{\ndata:}\n\n", [("posts/*", b"{\n}")]),
        (b"id:c2\nevent:posts/*\ndata:{}\n\n", [("posts/*", b"{}")]),
        (b"\n\n\n\n\n", []),
        (b"\r\r\n\n\r", []),
        (b"data:1\n\r\ndata:2\r\n\ndata:3\r\r\n", [("message", b"1"), ("message", b"2"),
                                                ("message", b"3")]),
    ],
)  # fmt: skip
def test_unusual_frames_between_usual_ones_are_read_too(odd: bytes, expected: list[Frame]) -> None:
    """Unusual frames between usual ones are parsed as the standard defines, in any cut."""
    stream = USUAL * 2 + odd + USUAL
    whole = [USUAL_FRAME, USUAL_FRAME, *expected, USUAL_FRAME]
    assert parse(stream)[0] == whole
    assert parse(stream, range(len(stream)))[0] == whole


def test_a_usual_event_costs_one_call() -> None:
    """A usual frame costs one Python call."""
    pair = USUAL + USUAL.replace(b"posts/*", b"a/*")
    parser = FrameParser()
    parser.feed(pair)
    many = count_calls(lambda: parser.feed(pair * 300))
    assert many == count_calls(lambda: parser.feed(pair)) + 2 * 299


@pytest.mark.parametrize("space", [b"", b" "])
@pytest.mark.parametrize(
    ("name", "topic"),
    [(b"a b/*", "a b/*"), (b"t ", "t "), (b"", None), (b"\xff", None), (b"x" * 20_000, None)],
    ids=["spaces", "space at its end", "empty", "no text", "too far"],
)
def test_a_skipped_frame_is_reported_with_its_topic_if_readable(
    space: bytes, name: bytes, topic: str | None
) -> None:
    """A skipped frame is reported with its topic, or None if that cannot be read."""
    event = b"id:c\nevent:" + space + name + b"\ndata:" + b"x" * 30_000 + b"\n\n"
    parser = FrameParser(max_bytes=25_000)
    parser.feed(event)
    assert [skipped.topic for skipped in parser.take_skipped()] == [topic]


def test_an_event_that_is_too_large_when_decoded_is_reported_by_topic() -> None:
    """An event whose decoded form would be far larger is skipped and reported by topic."""
    event = b"id:c\nevent:posts/*\ndata:" + b"[" + b"{}," * 1_000_000 + b"{}]\n\n"
    frames, parser = parse(event + USUAL, [1_000_000], max_bytes=len(event) + 10)
    skipped = parser.take_skipped()
    assert [frame[0] for frame in frames] == ["posts/*"]
    assert [(each.topic, each.size) for each in skipped] == [("posts/*", len(event) - 2)]


@pytest.mark.parametrize(
    "stream",
    [b"\xef\xbb\xbfevent:t\ndata:x\n\n", b"event:t\r\ndata:x\r\n\r\n"],
    ids=["BOM", "CRLF"],
)
def test_a_bom_or_crlf_may_be_cut_anywhere(stream: bytes) -> None:
    """A BOM or CRLF may be cut between any two bytes."""
    for at in range(len(stream)):
        assert parse(stream, [at])[0] == [("t", b"x")]


def test_an_empty_read_between_cr_and_lf_changes_nothing() -> None:
    """A CR and a LF end one line, even if an empty read comes between them."""
    parser = FrameParser()
    reads = [b"event:a\r", b"", b"\ndata:1\r", b"", b"\n\r\n"]
    assert [frame for read in reads for frame in parser.feed(read)] == [("a", b"1")]


def test_a_bom_is_dropped_at_the_start_only() -> None:
    """A BOM is dropped only at the start of the stream."""
    bom = b"\xef\xbb\xbf"
    assert parse(bom + b"data:1\n\n" + bom + b"data:2\n\n")[0] == [("message", b"1")]
    assert parse(bom + bom + b"data:1\n\n")[0] == []


def test_an_incomplete_event_is_never_returned() -> None:
    """An incomplete event is never returned; all its bytes are pending."""
    for end in range(len(USUAL)):
        frames, parser = parse(USUAL[:end])
        assert frames == []
        assert parser.pending == end


def test_a_frame_whose_name_is_not_utf8_is_skipped_and_reported() -> None:
    """A frame whose event name is not UTF-8 is skipped and reported once."""
    for bad in (b"id:c\nevent:\xff\ndata:{}\n\n", b"event: \xff\ndata: {}\n\n"):
        frames, parser = parse(bad + USUAL)
        assert frames == [USUAL_FRAME]
        assert parser.skipped == 1
        assert parser.take_skipped() == [Skipped("its event name is not UTF-8", len(bad) - 2, None)]
        assert parser.take_skipped() == []


def sized(size: int) -> bytes:
    head = b"id:c1\nevent:big/*\ndata:{"
    return head + b"x" * (size - len(head)) + b"\n\n"


@pytest.mark.parametrize("step", [1, 2, 3, 7, 50, 99, 100, 101, 102, 103, 1000])
def test_a_frame_beyond_the_bound_is_skipped_and_the_next_one_is_not(step: int) -> None:
    """A frame larger than `max_bytes` is skipped and reported; the next one is returned."""
    stream = sized(100) + sized(101) + USUAL + sized(1000) + sized(100)
    frames, parser = parse(stream, range(0, len(stream), step), max_bytes=100)
    assert [name for name, _ in frames] == ["big/*", "posts/*", "big/*"]
    assert parser.skipped == 2
    reason = "it is larger than 100 bytes"
    assert parser.take_skipped() == [Skipped(reason, 101, "big/*"), Skipped(reason, 1000, "big/*")]
    assert parser.pending == 0


@given(odd_bytes, cuts, st.integers(1, 40))
@settings(max_examples=200)
def test_skipping_does_not_depend_on_the_cut(stream: bytes, at: list[int], bound: int) -> None:
    """Which frames are skipped does not depend on the cut, and pending bytes are bounded."""
    whole, parser = parse(stream, max_bytes=bound)
    pieces, other = parse(stream, at, max_bytes=bound)
    assert pieces == whole
    assert other.take_skipped() == parser.take_skipped()
    assert other.pending == parser.pending <= bound + 4


@pytest.mark.parametrize(
    "endless",
    [b"x", b":", b"\n", b"\r", b":comment\n", b"header: value\r\n", b"data:x\n", b"event:t\n\n",
     b"id:c\nevent:\xff\ndata:{}\n\n", b"\xef\xbb\xbf", b"event:" + b"n" * 500 + b"\n"],
)  # fmt: skip
def test_the_memory_of_the_parser_is_bounded(endless: bytes) -> None:
    """The parser's memory stays within its bound, however much is fed to it."""
    bound, chunk = 20_000, endless * (2048 // len(endless))
    parser = FrameParser(max_bytes=bound)
    for _ in range(12):  # then the list of reports is full
        parser.feed(chunk)
    tracemalloc.start()
    try:
        for _ in range(20):
            parser.feed(chunk)
            assert parser.pending <= bound + 1
        grown, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert grown < 1.5 * bound  # at most the event in progress is buffered again


def test_the_list_of_skipped_frames_is_bounded_and_mentions_the_rest() -> None:
    """At most `MAX_REPORTS` skipped frames are listed; one more report mentions the others."""
    parser = FrameParser(max_bytes=10)
    for _ in range(MAX_REPORTS + 50):
        parser.feed(b"event:t\ndata:too long\n\n")
    reports = parser.take_skipped()
    assert parser.skipped == MAX_REPORTS + 50
    assert len(reports) == MAX_REPORTS + 1
    assert reports[0].topic == "t"
    assert reports[-1] == Skipped("more frames were skipped than are listed", 21, None)


def test_the_name_cache_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """At most `MAX_NAMES` names are cached; frames with other names are parsed as well."""
    monkeypatch.setattr(frames_module, "MAX_NAMES", 3)
    parser = FrameParser()
    names = [f"topic/{i % 10}" for i in range(100)]
    frames = [parser.feed(b"id:c\nevent:%s\ndata:{}\n\n" % name.encode()) for name in names]
    assert frames == [[(name, b"{}")] for name in names]
    assert len(parser.names) <= 3


@pytest.mark.parametrize(
    ("odd", "line"),
    [(b"event:  x\n", b"event: x\n"), (b"event: \xff\n", b"event:\xff\n"), (b"", b"event:\n")],
    ids=["space", "no text", "empty"],
)
def test_a_cached_name_is_not_used_for_a_line_with_another_meaning(odd: bytes, line: bytes) -> None:
    """A cached event name is never used for a line that the standard reads differently."""
    first = b"id:c\nevent:posts/*\ndata:{}\n\n" + odd + b"data:{}\n\n"
    stream = first + b"id:c\n" + line + b"data:{}\n\n"
    assert parse(stream, [len(first)])[0] == read_by_the_standard(stream)


def test_is_between_is_true_only_after_a_complete_event() -> None:
    """`is_between` is True only after a complete event."""
    parser = FrameParser()
    assert not parser.is_between  # a BOM may follow
    for size, is_between in ((1, False), (len(USUAL) - 2, False), (len(USUAL), True)):
        parser = FrameParser()
        parser.feed(USUAL[:size])
        assert parser.is_between == is_between


def test_names_of_any_length_take_no_memory_once_they_are_read() -> None:
    """Names of 100 kB take no memory any more once their frames were returned."""
    parser = FrameParser()
    tracemalloc.start()
    try:
        for number in range(40):
            name = f"{number:0100000d}"
            assert parser.feed(b"id:c\nevent:%s\ndata:{}\n\n" % name.encode()) == [(name, b"{}")]
            del name
        grown, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert grown < 400_000


def test_an_unusual_event_of_very_many_lines_is_skipped() -> None:
    """An unusual event of 30 000 lines is skipped and reported; the next one is returned."""
    many = b"event:t\n" + b"data:\n" * 30_000 + b"\n"
    frames, parser = parse(many + USUAL)
    assert frames == [USUAL_FRAME]
    assert [(s.reason, s.topic) for s in parser.take_skipped()] == [
        ("it has too many lines for its size", "t")
    ]


def test_large_events_are_buffered_without_being_searched_again() -> None:
    """An event of 8 MB in chunks of 1 KB arrives whole; no chunk is searched twice."""
    event = sized(8 * 1024 * 1024)
    frames, _ = parse(event, range(0, len(event), 1024))
    assert [len(data) for _, data in frames] == [len(event) - len(b"id:c1\nevent:big/*\ndata:\n\n")]


def test_a_chunk_larger_than_a_piece_is_parsed_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """A chunk larger than `_PIECE_BYTES` is parsed in pieces and gives the same frames."""
    monkeypatch.setattr(frames_module, "_PIECE_BYTES", 50)
    assert parse(USUAL * 20)[0] == [USUAL_FRAME] * 20


@pytest.mark.parametrize("bad", [0, -1])
def test_a_bound_below_one_is_refused(bad: int) -> None:
    """A `max_bytes` below 1 raises `ValueError`."""
    with pytest.raises(ValueError, match="max_bytes must be at least 1"):
        FrameParser(max_bytes=bad)


@pytest.mark.parametrize(
    ("topic", "shown"),
    [("posts/*?options=%7Bs3cret", "'posts/*'"), (None, "None"), ("x" * 999, f"'{'x' * 60}'…")],
)
def test_the_repr_of_a_skipped_frame_has_its_topic_without_options(
    topic: str | None, shown: str
) -> None:
    """The repr of a skipped frame has the topic's name, cut, without the headers in its options."""
    assert repr(Skipped("it is odd", 9, topic)) == f"Skipped('it is odd', 9 bytes, {shown})"
