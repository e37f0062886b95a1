"""The fast loop of the body decoder gives the frames of the general parsers, for any cut."""

from __future__ import annotations

import tracemalloc
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.call_count import count_calls

from rxbosbase.errors import ProtocolError
from rxbosbase.http.chunked import ChunkedDecoder
from rxbosbase.realtime.protocol import frames as frames_module
from rxbosbase.realtime.protocol.body_decoder import BodyDecoder
from rxbosbase.realtime.protocol.frames import Frame, FrameParser

ID = b"id:" + b"c" * 40


def usual(
    topic: bytes = b"posts/*", data: bytes = b'{"record":{"id":"a"},"action":"update"}'
) -> bytes:
    return ID + b"\nevent:" + topic + b"\ndata:" + data + b"\n\n"


def chunk(body: bytes, mark: bytes = b"%x") -> bytes:
    return mark % len(body) + b"\r\n" + body + b"\r\n"


CONNECT = usual(b"PB_CONNECT", b'{"clientId":"c"}')


def by_general_parsers(raw: bytes) -> list[Frame]:
    return FrameParser().feed(ChunkedDecoder().feed(raw))


def opened(max_bytes: int = 1_000_000) -> tuple[BodyDecoder, FrameParser]:
    """Return a decoder that has read PB_CONNECT, and its parser, which has counted it."""
    parser = FrameParser(max_bytes=max_bytes)
    decoder = BodyDecoder(parser, chunked=True)
    assert decoder.feed(chunk(CONNECT)) == [("PB_CONNECT", b'{"clientId":"c"}')]
    assert (parser.bytes, parser.frames) == (len(CONNECT), 1)
    return decoder, parser


def bypassed_the_parser(parser: FrameParser) -> bool:
    return (parser.bytes, parser.frames) == (len(CONNECT), 1)


def fed(raw: bytes, cuts: list[int]) -> list[Frame]:
    decoder, _ = opened()
    frames: list[Frame] = []
    at = 0
    for cut in [*sorted(cut % (len(raw) + 1) for cut in cuts), len(raw)]:
        if cut > at:
            frames += decoder.feed(raw[at:cut])
        at = cut
    return frames


EVENTS = st.one_of(
    st.builds(
        usual,
        st.sampled_from([b"posts/*", "żółw/*".encode(), b"x\xff", b" spaced", b"", b"a\r"]),
        st.sampled_from(
            [
                b"{}",
                b'{"a":"' + b"x" * 300 + b'"}',
                b"[1]",
                '{"ó":"\u2028"}'.encode(),
                b" {}",
                b"{\r}",
                b"{}\r",
            ]
        ),
    ),
    st.sampled_from(
        [
            b": a comment\n\n",
            b"data:one\ndata:two\n\n",
            b"event:posts/*\r\ndata:{}\r\n\r\n",
            ID + b"\nevent:posts/*\ndata:{}\n\n\n",
            ID + b"x\nevent:posts/*\ndata:{}\n\n",
            b"event:  spaced\ndata:{}\n\n",
            b"\xef\xbb\xbfdata:{}\n\n",
            ID + b"\r\nevent:posts/*\ndata:{}\n\n",
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
def test_any_stream_in_any_pieces_gives_the_frames_of_the_general_parsers(
    events: list[tuple[bytes, bytes, bool]], cuts: list[int]
) -> None:
    """The body decoder returns the same frames as its separate steps, for any cut."""
    raw = b""
    for body, mark, halved in events:
        middle = len(body) // 2 if halved else 0
        raw += b"".join(chunk(part, mark) for part in (body[:middle], body[middle:]) if part)
    assert fed(raw, cuts) == by_general_parsers(chunk(CONNECT) + raw)[1:]


@given(st.integers(2, 30), st.lists(st.integers(0, 5000), max_size=8))
def test_a_busy_stream_in_any_pieces_loses_and_repeats_no_event(
    count: int, cuts: list[int]
) -> None:
    """A busy stream in any pieces loses no event and returns none twice."""
    raw = b"".join(
        chunk(usual(data=b'{"record":{"id":"%d"},"action":"create"}' % number))
        for number in range(count)
    )
    frames = fed(raw, cuts)
    assert frames == by_general_parsers(raw)
    assert len(frames) == count


@pytest.mark.parametrize("times", [1, 2, 7])
@pytest.mark.parametrize(
    ("topic", "data"),
    [
        (b"posts/*", b'{"record":{"id":"a"},"action":"update"}'),
        ("żółw/*".encode(), b"{}"),
        (b"a", b'{"a":"' + b"x" * 5000 + b'"}'),
    ],
    ids=["usual", "not ASCII", "long"],
)
@pytest.mark.parametrize("begun", [0, 2, 60])
def test_usual_events_bypass_the_parser(times: int, topic: bytes, data: bytes, begun: int) -> None:
    """Usual events bypass the parser, also where a read ends within an event."""
    decoder, parser = opened()
    event = chunk(usual(topic, data))
    frame = (topic.decode(), data)
    assert decoder.feed(event * times + event[:begun]) == [frame] * times
    assert decoder.feed(event[begun:] + event * times) == [frame] * (times + 1)
    assert bypassed_the_parser(parser)


def test_usual_events_bypass_the_parser_up_to_the_first_unusual_one() -> None:
    """Usual events bypass the parser up to the first unusual one in a read."""
    decoder, parser = opened()
    comment = b":\n\n"
    frames = decoder.feed(chunk(usual()) * 3 + chunk(comment))
    assert frames == by_general_parsers(chunk(usual()) * 3)
    assert (parser.bytes, parser.frames) == (len(CONNECT) + len(comment), 1)


def test_a_bom_is_accepted_at_the_start_of_the_stream_only() -> None:
    """A BOM is accepted at the start of the stream only, not before a later event."""
    bom = b"\xef\xbb\xbf"
    decoder = BodyDecoder(FrameParser(), chunked=True)
    frames = by_general_parsers(chunk(usual()) * 2)
    assert decoder.feed(chunk(bom + usual()) + chunk(usual())) == frames
    assert decoder.feed(chunk(usual()) * 2 + chunk(bom + b"data:{}\n\n")) == frames


@pytest.mark.parametrize(
    "last", [b"data:{}\r\n\r\n", b"data:{}\r\r", b"data:{}\n\r", b":\n\n"], ids=count()
)
def test_an_event_with_any_line_ends_is_returned_at_once_behind_usual_ones(last: bytes) -> None:
    """An event with any line ends behind usual ones is returned before its chunk has ended."""
    whole = chunk(usual()) * 2 + chunk(last)
    for raw in (whole, whole[:-2]):
        decoder, _ = opened()
        assert decoder.feed(raw) == by_general_parsers(raw)


def test_a_malformed_chunk_size_is_an_error_at_once() -> None:
    """A malformed chunk size at the start of a read raises `ProtocolError` at once."""
    decoder, _ = opened()
    with pytest.raises(ProtocolError):
        decoder.feed(b"zz\r\n")


@pytest.mark.parametrize("before", [b"", chunk(usual()) * 2], ids=["alone", "behind events"])
def test_bytes_that_are_no_chunk_are_an_error_at_once(before: bytes) -> None:
    """Bytes that are no chunk raise `ProtocolError` at once, alone and behind events."""
    for wrong in (b"zz\r\n\r\n", b"\n\n\r\n"):
        decoder, _ = opened()
        with pytest.raises(ProtocolError):
            decoder.feed(before + wrong)


def test_a_read_of_up_to_max_bytes_bypasses_the_parser() -> None:
    """A read of up to `max_bytes` bypasses the parser; a longer one does not."""
    raw = chunk(usual()) * 2
    for max_bytes, short in ((len(raw), True), (len(raw) - 1, False)):
        decoder, parser = opened(max_bytes)
        assert len(decoder.feed(raw)) == 2
        assert bypassed_the_parser(parser) == short


@pytest.mark.parametrize(
    "odd",
    [
        chunk(usual(data=b"{%*c}" % (0xAB - len(usual(data=b"{}")), b" ")), b"%X"),
        chunk(usual(), b"%08x"),
        chunk(usual(), b"%x "),
        chunk(ID + b"\nevent: posts/*\ndata:{}\n\n"),
        chunk(ID + b"\nevent:posts/*\ndata: {}\n\n"),
        chunk(ID + b"\nEvent:posts/*\ndata:{}\n\n"),
        chunk(ID + b"\nevent:\ndata:{}\n\n"),
        chunk(ID + b"\nevent:\xff\ndata:{}\n\n"),
        chunk(b"id:other\nevent:posts/*\ndata:{}\n\n"),
        chunk(ID + b"\r\nevent:posts/*\ndata:{}\n\n"),
        chunk(ID + b"\nevent:posts/*\r\ndata:{}\n\n"),
        chunk(ID + b"\nevent:posts/*\ndata:{}\r\n\n"),
        chunk(ID + b"\nevent:posts/*\ndata:{\r}\n\n"),
        chunk(ID + b"\nevent:posts/*\ndata:{}\nx\n\n"),
        chunk(ID + b"\nevent:posts/*\ndata:{\ndata:}\n\n"),
    ],
    ids=count(),
)
def test_a_read_with_an_unusual_event_goes_through_the_parser(odd: bytes) -> None:
    """A read with one unusual event goes through the parser, with the same frames in order."""
    good = chunk(usual())
    for raw in (odd + good * 2, good * 2 + odd, good + odd + good):
        decoder, parser = opened()
        assert decoder.feed(raw) == by_general_parsers(raw)
        assert not bypassed_the_parser(parser)


def test_the_name_cache_of_the_fast_loop_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """At most `MAX_NAMES` names are cached where events bypass the parser."""
    monkeypatch.setattr(frames_module, "MAX_NAMES", 3)
    decoder, parser = opened()
    for number in range(12):
        topic, data = b"t%d" % number, b'{"a":"' + b"x" * number + b'"}'
        assert decoder.feed(chunk(usual(topic, data))) == [(topic.decode(), data)]
        assert len(parser.names) <= 3
    assert bypassed_the_parser(parser)


def test_a_complete_event_is_returned_before_the_end_of_its_chunk() -> None:
    """A complete event is returned before the end of its chunk has arrived."""
    decoder, _ = opened()
    raw = chunk(usual()) * 3
    assert len(decoder.feed(raw[:-2])) == 3
    assert decoder.feed(b"\r\n" + chunk(usual())) == [
        ("posts/*", usual().split(b"data:")[1].strip())
    ]


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        (b"%x" % len(usual()), b"%x" % (len(usual()) - 3)),
        (b"\n\n\r\n", b"\nx\n\r\n"),
        (b"\n\n\r\n", b"\n\nx\r\n"),
        (b"\n\n\r\n", b"\n\n\n"),
        (b"\ndata:", b"\n\ndata:"),
    ],
    ids=count(),
)
def test_a_size_that_does_not_fit_its_chunk_is_an_error(right: bytes, wrong: bytes) -> None:
    """A size that does not fit its chunk raises `ProtocolError`, also behind usual events."""
    good = chunk(usual())
    bad = good.replace(right, wrong, 1)
    assert bad != good
    for raw in (good * 3 + bad, good * 3 + bad * 3):
        with pytest.raises(ProtocolError):
            opened()[0].feed(raw + good)


def test_a_burst_cut_anywhere_gives_the_same_frames() -> None:
    """A burst cut at any one place gives the same frames."""
    raw = chunk(usual()) * 2 + chunk(usual(b"a/*", b"{}")) + chunk(b":\n\n") + chunk(usual())
    expected = by_general_parsers(raw)
    for cut in range(len(raw)):
        assert fed(raw, [cut]) == expected


def test_an_event_without_an_id_between_others_is_read_as_the_standard_defines() -> None:
    """A data line in the place of the id, and as long, is parsed as data."""
    odd = usual(data=b"{}").replace(ID, b"data:" + b"c" * (len(ID) - 5))
    expected = [("posts/*", b"c" * (len(ID) - 5) + b"\n{}")]
    assert opened()[0].feed(chunk(usual()) + chunk(odd))[1:] == expected
    assert opened()[0].feed(chunk(odd)) == expected


def test_usual_events_need_no_python_call_each() -> None:
    """A read of 600 usual events takes no more Python calls than a read of two."""
    pair = chunk(usual()) + chunk(usual(b"a/*", b"{}"))
    decoder, _ = opened()
    decoder.feed(pair)
    many = count_calls(lambda: decoder.feed(pair * 300))
    assert many == count_calls(lambda: decoder.feed(pair))


def test_an_event_above_the_bound_is_skipped_in_a_busy_stream_too() -> None:
    """An event larger than `max_bytes` in a burst is skipped; the others are returned."""
    decoder, parser = opened(max_bytes=200)
    large = usual(data=b'{"a":"' + b"x" * 500 + b'"}')
    frames = decoder.feed(chunk(usual()) * 3 + chunk(large) + chunk(usual()) * 3)
    assert len(frames) == 6
    assert [skipped.topic for skipped in parser.take_skipped()] == ["posts/*"]


def test_names_of_any_length_take_no_memory_once_they_are_read() -> None:
    """Names of 100 kB take no memory any more once their events were returned."""
    decoder, _ = opened()
    tracemalloc.start()
    try:
        for number in range(40):
            raw = chunk(usual(topic=b"%0100000d" % number)) * 2
            assert len(decoder.feed(raw)) == 2
            del raw
        grown, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert grown < 400_000


def test_the_end_of_the_body_is_detected_behind_a_burst() -> None:
    """The end of the body behind a burst of events is noticed."""
    decoder, _ = opened()
    assert len(decoder.feed(chunk(usual()) * 5 + b"0\r\n\r\n")) == 5
    assert decoder.finished


@pytest.mark.parametrize("length", [-1, 2 * len(usual())])
def test_a_body_without_chunks_is_parsed_as_it_arrives(length: int) -> None:
    """A body without chunks is parsed as it arrives; only one with a length is `finished`."""
    decoder = BodyDecoder(FrameParser(), chunked=False, length=length)
    assert len(decoder.feed(usual() * 2)) == 2
    assert decoder.may_end
    assert decoder.finished == (length > 0)


@pytest.mark.parametrize("length", [0, 1, 2])
def test_a_body_with_a_length_is_finished_with_its_last_byte(length: int) -> None:
    """A body with a length is finished with its last byte, and later bytes are ignored."""
    decoder = BodyDecoder(FrameParser(), chunked=False, length=length)
    for _ in range(length):
        assert (decoder.finished, decoder.may_end) == (False, False)
        assert decoder.feed(b"\n") == []
    assert (decoder.finished, decoder.may_end) == (True, True)
    assert decoder.feed(b"\n") == []
    assert decoder.finished


def test_half_an_event_in_a_chunk_is_continued_by_the_next_chunk() -> None:
    """Half an event in a chunk of its own is continued by the next chunk."""
    half = b"data:{}\n"
    decoder, _ = opened()
    assert decoder.feed(chunk(half)) == []
    assert decoder.feed(chunk(usual())) == FrameParser().feed(half + usual())
