"""The sentences of the event stream standard, each with what the parser makes of it.

They are those of the HTML Living Standard, 9.2.5 and 9.2.6, that `frames.py` quotes; a test is
named after its sentence (`test_quoted_sentences`). Each stream is read whole, byte by byte, and in
a chunked body.
"""

from __future__ import annotations

import pytest

from rxbosbase.realtime.protocol.body_decoder import BodyDecoder
from rxbosbase.realtime.protocol.frames import Frame, FrameParser, Skipped


def read(stream: bytes) -> list[Frame]:
    """Return the frames of a stream, which are the same however it arrives."""
    whole = FrameParser().feed(stream)
    parser = FrameParser()
    assert [frame for byte in stream for frame in parser.feed(bytes([byte]))] == whole
    body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(stream), stream) if stream else b"0\r\n\r\n"
    decoder = BodyDecoder(FrameParser(), chunked=True)
    assert decoder.feed(body) == whole
    assert decoder.finished
    return whole


def data(*values: bytes) -> list[Frame]:
    return [("message", value) for value in values]


# -- 9.2.5 ----------------------------------------------------------------------------------------


def test_lines_must_be_separated_by_either_a_carriage_return_line_feed_character_pair() -> None:
    """CR LF, LF and CR each end a line, also side by side in one stream."""
    for end in (b"\r\n", b"\n", b"\r"):
        assert read(end.join([b"event:t", b"data:1", b"", b""])) == [("t", b"1")]
    assert read(b"data:1\r\ndata:2\rdata:3\ndata:4\r\r\n") == data(b"1\n2\n3\n4")


def test_block_buffering_or_line_buffering_with_different_expected_line_endings() -> None:
    """An event is returned by the read that brings its end, whichever that is."""
    for end in (b"\r\n", b"\n", b"\r"):
        parser = FrameParser()
        assert parser.feed(b"data:1" + end) == []
        assert parser.feed(end) == data(b"1")


def test_event_streams_in_this_format_must_always_be_encoded_as_utf8() -> None:
    """A name that is no UTF-8 is skipped and reported, where the standard replaces its bytes."""
    assert read("event:żółw\ndata:1\n\n".encode()) == [("żółw", b"1")]
    parser = FrameParser()
    assert parser.feed(b"event:\xff\ndata:1\n\n") == []
    assert parser.take_skipped() == [Skipped("its event name is not UTF-8", 14, None)]


# -- 9.2.6: the bytes -----------------------------------------------------------------------------


def test_streams_must_be_decoded_using_the_utf8_decode_algorithm() -> None:
    """Data stay bytes, the invalid ones too, where the standard replaces those by U+FFFD."""
    assert read("data:zażółć\n\n".encode()) == data("zażółć".encode())
    assert read(b"data:a\xff\xe2\x82\ndata:b\n\n") == data(b"a\xff\xe2\x82\nb")


def test_the_utf8_decode_algorithm_strips_one_leading_utf8_byte_order_mark() -> None:
    """One BOM at the start is dropped; any other is part of its line."""
    bom = b"\xef\xbb\xbf"
    assert read(bom + b"data:1\n\n") == data(b"1")
    assert read(bom + bom + b"data:1\n\ndata:2\n\n") == data(b"2")
    assert read(b"data:1\n\n" + bom + b"data:2\n\n") == data(b"1")
    assert read(b"data:" + bom + b"\n\n") == data(bom)


# -- 9.2.6: the lines -----------------------------------------------------------------------------


def test_lines_must_be_processed_in_the_order_they_are_received() -> None:
    """The lines of data keep their order, and so do the events."""
    assert read(b"data:1\ndata:2\ndata:3\n\ndata:4\n\n") == data(b"1\n2\n3", b"4")


def test_if_the_line_is_empty_dispatch_the_event() -> None:
    """A blank line ends an event; further blank lines add none."""
    assert read(b"data:1") == []
    assert read(b"data:1\n") == []
    assert read(b"data:1\n\n") == data(b"1")
    assert read(b"\n\ndata:1\n\n\n\n\ndata:2\n\n") == data(b"1", b"2")
    assert read(b"data:1\n \n\n") == data(b"1")  # a line with a space is not blank


def test_if_the_line_starts_with_a_colon_character_ignore_the_line() -> None:
    """A comment is ignored, wherever it stands, and alone it is no event."""
    assert read(b":comment\n\n") == []
    assert read(b":\nevent:t\n: data:2\ndata:1\n:data:3\n\n") == [("t", b"1")]


def test_collect_the_characters_on_the_line_before_the_first_colon_character() -> None:
    """The field's name ends at the first colon of the line."""
    assert read(b"data:a:b:c\n\n") == data(b"a:b:c")
    assert read(b"da:ta:1\n\n") == []
    assert read(b"id:c\nevent:a:b\ndata::\n\n") == [("a:b", b":")]


def test_collect_the_characters_on_the_line_after_the_first_colon_character() -> None:
    """The value is all that follows the first colon, up to the line's end."""
    assert read(b"data:1 2 \t\n\n") == data(b"1 2 \t")
    assert read(b"data:\x00\x0b\x0c\x1c\x85\n\n") == data(b"\x00\x0b\x0c\x1c\x85")


def test_if_value_starts_with_a_space_character_remove_it_from_value() -> None:
    """One space after the colon is no part of a value; a second one, or a tab, is."""
    assert read(b"data: 1\n\ndata:  1\n\ndata:\t1\n\n") == data(b"1", b" 1", b"\t1")
    assert read(b"id:c\nevent: t\ndata:1\n\n") == [("t", b"1")]
    assert read(b"id:c\nevent:  t\ndata: {}\n\n") == [(" t", b"{}")]


def test_otherwise_the_string_is_not_empty_but_does_not_contain_a_colon_character() -> None:
    """A line without a colon is a field with an empty value."""
    assert read(b"data\n\n") == data(b"")
    assert read(b"event:t\nevent\ndata:1\n\n") == data(b"1")


def test_once_the_end_of_the_file_is_reached_any_pending_data_must_be_discarded() -> None:
    """An event that is cut off by the end of the body is not returned, however near its end."""
    event = b"id:c\nevent:t\ndata:{}\n\n"
    for length in range(len(event)):
        assert read(event + event[:length]) == [("t", b"{}")]


# -- 9.2.6: the fields ----------------------------------------------------------------------------


def test_field_names_must_be_compared_literally_with_no_case_folding_performed() -> None:
    """A field in other letters, or with a space, is another one."""
    assert read(b"Data:1\nDATA:2\ndata :3\n data:4\ndata:5\nEvent:t\n\n") == data(b"5")


def test_set_the_event_type_buffer_to_the_field_value() -> None:
    """The last name that an event gives is its name."""
    assert read(b"event:a\ndata:1\nevent:b\n\n") == [("b", b"1")]


def test_append_the_field_value_to_the_data_buffer() -> None:
    """Several lines of data are one text, with a line feed between two of them."""
    assert read(b"data:1\ndata:\ndata:3\n\n") == data(b"1\n\n3")
    assert read(b"data:x\nevent:t\ndata:{}\n\n") == [("t", b"x\n{}")]


def test_if_the_field_value_does_not_contain_null_then_set_the_last_event_id_buffer() -> None:
    """The id changes nothing, with NUL or without: a frame has none."""
    for field in (b"id:1\n", b"id\n", b"id:1\x00\n", b""):
        assert read(field + b"event:t\ndata:{}\n\ndata:2\n\n") == [("t", b"{}"), *data(b"2")]


def test_if_the_field_value_consists_of_only_ascii_digits_then_interpret_the_field_value() -> None:
    """The reconnection time is ignored, whatever its digits: `BackoffPolicy` has it."""
    for value in (b"5", b"0", b"-1", b"5s", b"", b"9" * 5000):
        assert read(b"retry:" + value + b"\ndata:1\n\nretry:" + value + b"\n\n") == data(b"1")


def test_the_field_is_ignored() -> None:
    """A field of any other name is ignored."""
    assert read(b"header: value\nevent:t\ndata:1\nfoo\n__dict__:x\n\n") == [("t", b"1")]


# -- 9.2.6: dispatching ---------------------------------------------------------------------------


def test_if_the_data_buffer_is_an_empty_string_set_the_data_buffer() -> None:
    """Without data there is no event, and its name is not that of the next one."""
    assert read(b"event:t\nid:c\n\ndata:1\n\n") == data(b"1")


def test_if_the_data_buffers_last_character_is_a_line_feed_character() -> None:
    """One line feed at the end of the data is removed, and no more than one."""
    assert read(b"data:1\n\n") == data(b"1")
    assert read(b"data:1\ndata:\ndata:\n\n") == data(b"1\n\n")


def test_if_the_event_type_buffer_has_a_value_other_than_the_empty_string() -> None:
    """The name is that of the event, or "message" where it gives none or an empty one."""
    assert read(b"event:t\ndata:1\n\n") == [("t", b"1")]
    assert read(b"data:1\n\nid:c\nevent:\ndata:{}\n\nevent\ndata:3\n\n") == data(b"1", b"{}", b"3")


def test_set_the_data_buffer_and_the_event_type_buffer_to_the_empty_string() -> None:
    """Neither the name nor the data of an event are those of the next one."""
    assert read(b"event:t\ndata:1\n\ndata:2\n\n") == [("t", b"1"), ("message", b"2")]


# -- 9.2.6: the examples --------------------------------------------------------------------------

EXAMPLES = {
    "a stock ticker": (b"data: YHOO\ndata: +2\ndata: 10\n\n", data(b"YHOO\n+2\n10")),
    "four blocks": (
        b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\n"
        b"data:  third event\n\n",
        data(b"first event", b"second event", b" third event"),
    ),
    "two events": (b"data\n\ndata\ndata\n\ndata:\n", data(b"", b"\n")),
    "two identical events": (b"data:test\n\ndata: test\n\n", data(b"test", b"test")),
}


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"], ids=["LF", "CRLF", "CR"])
@pytest.mark.parametrize(("stream", "frames"), EXAMPLES.values(), ids=EXAMPLES.keys())
def test_an_example_of_the_standard_has_the_events_that_it_says(
    stream: bytes, frames: list[Frame], end: bytes
) -> None:
    """Each example of the standard gives the events that it describes, with any line end."""
    assert read(stream.replace(b"\n", end)) == frames
