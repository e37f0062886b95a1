"""Records that are nested too deeply: what is beside the deep value is decoded nevertheless."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxbosbase.encoding.json import TooDeepError
from rxbosbase.encoding.unreadable import (
    UnreadableRecord,
    UnreadableRow,
    find_unreadable,
    read_record,
    read_response,
)

LEVELS = 12_000  # more than any interpreter can decode


def nested(levels: int, inner: str = "") -> str:
    return "[" * levels + inner + "]" * levels


DEEP = nested(LEVELS)
NO_RECORD = "malformed|truncated|has no end|is no object|is no array|trailing|codec"


def cut(text: str) -> UnreadableRow:
    """Return the row of a record that cannot be decoded whole."""
    row = read_record(text.encode())
    assert isinstance(row, UnreadableRow)
    return row


def facts(row: UnreadableRow) -> tuple[dict[str, Any], str, int]:
    return dict(row), row.field, row.depth


# -- one record


@pytest.mark.parametrize(
    "value",
    ["]}", "[[{{", '\\"', '\\\\"]}', "\\", ',"x":1', "a:b", "ż{", "\u2028", "😀]", "\t\n"],
)
def test_brackets_quotes_and_escapes_inside_strings_are_text(value: str) -> None:
    """Brackets, quotes and escapes inside strings count as text, in keys and values."""
    text = json.dumps(value)
    inner = nested(LEVELS, text)
    record = f'{{{text}: {text}, "d": {inner}, "list": [{text}, {{{text}: {text}}}], "z": 1}}'
    beside = {value: value, "list": [value, {value: value}], "z": 1}
    assert facts(cut(record)) == (beside, "d", LEVELS)


def test_escaped_unicode_keys_are_decoded_and_name_the_field() -> None:
    """Keys with Unicode escapes are decoded, also as the name of the deep field."""
    row = cut(f'{{"\\u017c\\"": 1, "\\ud83d\\ude00": {DEEP}, "": null}}')
    assert facts(row) == ({'ż"': 1, "": None}, "😀", LEVELS)


def test_whitespace_may_be_everywhere() -> None:
    """Whitespace between all tokens, also inside the deep value, changes nothing."""
    blank = " \t\r\n"
    spaced = blank.join(["", "{", '"id"', ":", '"a"', ",", '"d"', ":", ""])
    deep = ("[" + blank) * LEVELS + ("]" + blank) * LEVELS
    row = cut(f'{spaced}{deep},{blank}"n"{blank}:{blank}-1.5e3{blank}}}{blank}')
    assert facts(row) == ({"id": "a", "n": -1500.0}, "d", LEVELS)


@pytest.mark.parametrize("order", [("few", "most", "more"), ("most", "more", "few")])
def test_the_deepest_of_several_deep_fields_is_named_and_none_of_them_is_kept(
    order: tuple[str, ...],
) -> None:
    """Of several deep fields the deepest is named, and none of them is kept."""
    levels = {"few": LEVELS, "more": LEVELS + 1, "most": LEVELS + 2}
    members = ", ".join(f'"{name}": {nested(levels[name])}' for name in order)
    assert facts(cut(f'{{"id": "a", {members}}}')) == ({"id": "a"}, "most", LEVELS + 2)


def test_a_deep_value_inside_an_array_of_objects_counts_all_its_levels() -> None:
    """The depth of a field counts the levels of the arrays and objects around the value."""
    row = cut(f'{{"a": [1], "d": [{{"x": 1}}, {{"y": [[]], "x": {DEEP}}}, {{}}], "b": {{}}}}')
    assert facts(row) == ({"a": [1], "b": {}}, "d", LEVELS + 2)


def test_objects_and_arrays_each_count_as_one_level() -> None:
    """Objects and arrays each count as one level of nesting."""
    row = cut('{"d": ' + '{"x":[' * LEVELS + "]}" * LEVELS + ', "id": "a"}')
    assert facts(row) == ({"id": "a"}, "d", 2 * LEVELS)


def test_a_record_that_can_be_decoded_is_a_plain_dict() -> None:
    """A record that can be decoded is a plain dict, not an `UnreadableRow`."""
    assert type(read_record(b' {"id": "a", "d": [[{}]]} ')) is dict


@pytest.mark.parametrize("text", ["", " ", "1", "null", '"a"', "[]", "[1, 2]", "nonsense", "{"])
def test_a_text_that_is_no_object_is_no_record(text: str) -> None:
    """`read_record` raises ValueError for a text that is no JSON object."""
    with pytest.raises(ValueError, match=NO_RECORD):
        read_record(text.encode())


BROKEN = {
    "no comma": '{"a": 1 "d": DEEP}',
    "no comma after": '{"d": DEEP "a": 1}',
    "two commas": '{"a": 1,, "d": DEEP}',
    "a comma first": '{, "a": 1, "d": DEEP}',
    "no value": '{"a", "d": DEEP}',
    "no name": '{"a": 1, DEEP}',
    "two colons": '{"d":: DEEP}',
    "a name of a number": '{1: 1, "d": DEEP}',
    "a deep name": "{DEEP: 1}",
    "three parts": '{"a": "b": DEEP}',
    "a bare word": '{"a": word, "d": DEEP}',
    "a word before": '{"d": word DEEP}',
    "a vertical tab": '{"a": 1,\v"d": DEEP}',
    "half a surrogate pair": '{"a": "\\ud800x", "d": DEEP}',
    "a bare line feed in a string": '{"a": "\n", "d": DEEP}',
    "a leading zero": '{"a": 01, "d": DEEP}',
    "a colon after": '{"id": "a", "d": DEEP:}',
    "a comma last": '{"d": DEEP,}',
    "more after the end": '{"d": DEEP} garbage',
    "one bracket too many": '{"d": DEEP]}',
    "the other closing bracket": '{"d": DEEP]',
    "a word after": '{"d": DEEPx}',
    "two commas between records": '{"page": 1, "items": [{"id": "a", "d": DEEP},, {"id": "b"}]}',
    "records that are no array": '{"page": 1, "items": {"a": DEEP}}',
    "records that are arrays": '{"page": 1, "items": [[1, DEEP]]}',
    "an event's record that is no object": '{"action": "create", "record": [DEEP]}',
    "more after a record": '{"action": "create", "record": {"id": "a", "d": DEEP}junk}',
    "a byte order mark": '\ufeff{"d": DEEP}',
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN.keys())
def test_broken_json_that_is_deep_is_an_error_and_no_record(text: str) -> None:
    """Invalid JSON that is nested too deeply raises ValueError and gives no record."""
    with pytest.raises(ValueError, match=NO_RECORD):
        read_response(text.replace("DEEP", DEEP).encode())


@pytest.mark.parametrize("text", [DEEP, f'[{{"id": "a", "d": {DEEP}}}]'], ids=["bare", "records"])
def test_a_deep_array_is_no_record_and_a_response_that_is_too_deep(text: str) -> None:
    """A deep array raises ValueError as a record, and `TooDeepError` as a response."""
    with pytest.raises(ValueError, match="is no object"):
        read_record(text.encode())
    with pytest.raises(TooDeepError):
        read_response(text.encode())


def test_bytes_that_are_no_utf_8_are_an_error() -> None:
    """A deep record with bytes that are not UTF-8 raises ValueError."""
    with pytest.raises(ValueError, match=NO_RECORD):
        read_record(b'{"a": "\xff", "d": ' + DEEP.encode() + b"}")


@pytest.mark.parametrize(
    "behind",
    ["", '"', '"ab', '"ab\\', "{", "[", '{"', '{"x": ["', "1", '"id":', '"id": "a"', '"id": "a",'],
)
@pytest.mark.parametrize("before", ["", "{"])
def test_a_body_that_ends_too_early_is_an_error(before: str, behind: str) -> None:
    """A deep record or response that ends before its last bracket raises ValueError."""
    whole = f'{{"a": 1, "d": {DEEP}, '
    for read in (read_record, read_response):
        with pytest.raises(ValueError, match=NO_RECORD):
            read(f"{whole}{behind}".encode())
        with pytest.raises(ValueError, match=NO_RECORD):
            read(f'{{"items": [{{"id": "a", "d": {DEEP}}}, {before}{behind}'.encode())


@pytest.mark.parametrize("missing", [1, 2, LEVELS, LEVELS + 1])
def test_a_body_that_ends_inside_the_deep_value_is_an_error(missing: int) -> None:
    """A record that ends within or after its deep value raises ValueError."""
    text = f'{{"id": "a", "d": {DEEP}}}'
    with pytest.raises(ValueError, match=NO_RECORD):
        read_record(text[:-missing].encode())


def test_of_equal_keys_the_last_value_counts() -> None:
    """Of equal keys the last value counts; if it replaces a deep one, the record is a dict."""
    assert facts(cut(f'{{"a": 1, "a": 2, "d": {DEEP}}}')) == ({"a": 2}, "d", LEVELS)
    again = cut(f'{{"id": "a", "d": {nested(LEVELS + 9)}, "d": {DEEP}}}')
    assert facts(again) == ({"id": "a"}, "d", LEVELS)
    assert facts(cut(f'{{"id": "a", "d": 1, "d": {DEEP}}}')) == ({"id": "a"}, "d", LEVELS)
    mended = read_record(f'{{"id": "a", "d": {DEEP}, "d": 1}}'.encode())
    assert type(mended) is dict
    assert mended == {"id": "a", "d": 1}


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text() | st.floats(-1e9, 1e9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
levels = st.integers(1, 40) | st.integers(850, 1250) | st.integers(LEVELS, 2 * LEVELS)


@given(st.dictionaries(st.text(), values, min_size=1), st.data(), levels, st.booleans())
def test_any_record_gives_the_other_fields_and_the_depth_of_the_deep_one(
    record: dict[str, Any], data: st.DataObject, count: int, has_ascii: bool
) -> None:
    """Any record with one deep field gives the other fields unchanged and its exact depth."""
    name = data.draw(st.sampled_from(sorted(record)))
    opening, closing = data.draw(st.sampled_from([("[", "]"), ('{"[": ', "}")]))

    def text_of(key: str) -> str:
        text = json.dumps(record[key], ensure_ascii=has_ascii)
        return opening * count + text + closing * count if key == name else text

    members = (f"{json.dumps(key, ensure_ascii=has_ascii)}: {text_of(key)}" for key in record)
    text = "{" + ", ".join(members) + "}"
    read = read_record(text.encode())
    if count >= LEVELS:
        assert isinstance(read, UnreadableRow)
    if count <= 40:
        assert type(read) is dict
        assert read == json.loads(text)
    elif isinstance(read, UnreadableRow):
        others = {key: value for key, value in record.items() if key != name}
        assert facts(read) == (others, name, count + levels_of(record[name]))
    else:
        assert read.keys() == record.keys()


def levels_of(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value
    if not isinstance(value, (dict, list)):
        return 0
    return 1 + max(map(levels_of, inner), default=0)


# -- responses


def test_deep_records_of_a_list_keep_their_places() -> None:
    """In a list, deep records become `UnreadableRow` in their places; the rest are dicts."""
    items = f'{{"id": "a"}}, {{"id": "b", "d": {DEEP}}}, {{"id": "c"}}, {{"d": {DEEP}, "id": "e"}}'
    answer = read_response(f'{{"page": 1, "items": [{items}], "totalItems": 4}}'.encode())
    assert type(answer) is dict
    assert (answer["page"], answer["totalItems"]) == (1, 4)
    rows = answer["items"]
    assert [row["id"] for row in rows] == ["a", "b", "c", "e"]
    assert [type(row) for row in rows] == [dict, UnreadableRow, dict, UnreadableRow]
    assert find_unreadable(answer) == (rows[1], rows[3])


def test_the_deep_record_of_an_event_is_unreadable_and_its_action_is_kept() -> None:
    """The deep record of an event becomes an `UnreadableRow`; the action is kept."""
    event = f'{{"action": "update", "record": {{"id": "a", "n": 1, "d": {DEEP}}}}}'
    answer = read_response(event.encode())
    assert answer["action"] == "update"
    assert facts(answer["record"]) == ({"id": "a", "n": 1}, "d", LEVELS)
    assert find_unreadable(answer) == (answer["record"],)


@pytest.mark.parametrize("name", ["items", "record"])
def test_a_records_own_field_of_that_name_is_a_field(name: str) -> None:
    """A record's own field `items` or `record` is read as a field, not as a list of records."""
    answer = read_response(f'{{"{name}": [{DEEP}], "id": "a"}}'.encode())
    assert facts(answer) == ({"id": "a"}, name, LEVELS + 1)
    assert find_unreadable(answer) == (answer,)
    shallow = f'{{"id": "a", "{name}": [{{"id": "b"}}], "d": {DEEP}}}'
    answer = read_response(shallow.encode())
    assert facts(answer) == ({"id": "a", name: [{"id": "b"}]}, "d", LEVELS)
    without_id = read_response(f'{{"title": "x", "{name}": {{"y": {DEEP}}}}}'.encode())
    assert facts(without_id) == ({"title": "x"}, name, LEVELS + 1)
    assert find_unreadable(answer) == (answer,)


def test_a_deep_field_beside_the_record_makes_the_response_unreadable() -> None:
    """A deep field beside a response's record makes the whole response an `UnreadableRow`."""
    answer = read_response(f'{{"token": "t", "meta": {DEEP}, "record": {{"id": "a"}}}}'.encode())
    assert facts(answer) == ({"token": "t", "record": {"id": "a"}}, "meta", LEVELS)


@pytest.mark.parametrize("text", ["null", "3", '"a"', "[]", '{"items": 1}', '{"items": [{}]}'])
def test_a_response_that_can_be_decoded_has_no_unreadable_rows(text: str) -> None:
    """A response that can be decoded is what `json` reads, without unreadable rows."""
    answer = read_response(text.encode())
    assert answer == json.loads(text)
    assert find_unreadable(answer) == ()


# -- rows


def test_a_row_equals_only_a_row_with_the_same_fields_and_the_same_cause() -> None:
    """An `UnreadableRow` equals only a row with equal fields, field name and depth; no dict."""
    row = UnreadableRow({"id": "a"}, "d", 9)
    assert row == UnreadableRow({"id": "a"}, "d", 9)
    others: list[object] = [
        {"id": "a"},
        UnreadableRow({"id": "b"}, "d", 9),
        UnreadableRow({"id": "a"}, "e", 9),
        UnreadableRow({"id": "a"}, "d", 8),
        None,
    ]
    for other in others:
        assert row != other
        assert other != row
        assert not row == other  # noqa: SIM201 (both operators are the row's own)


def test_a_row_is_described_by_collection_id_and_cause() -> None:
    """`summary` returns collection, id, field and depth; a value that is no text becomes empty."""
    row = UnreadableRow({"id": "a", "collectionName": "posts"}, "d", 9)
    assert row.summary() == UnreadableRecord("posts", "a", "d", 9)
    assert row.summary("given") == UnreadableRecord("given", "a", "d", 9)
    odd = UnreadableRow({"id": 3, "collectionName": ["x"]}, "d", 9)
    assert odd.summary() == UnreadableRecord("", "", "d", 9)
    assert str(row.summary()) == "record 'a' of 'posts': its field 'd' is nested 9 levels deep"
    assert str(odd.summary()) == "a record: its field 'd' is nested 9 levels deep"


# -- time


@pytest.mark.parametrize(
    "unit",
    ["[", '{"a":', "[[],", '[{"a":"]"},', '["\\"",', "[0,"],
    ids=["arrays", "objects", "siblings", "strings", "escapes", "numbers"],
)
def test_the_time_does_not_grow_with_the_square_of_the_text(unit: str) -> None:
    """Reading 16 times the text takes less than 100 times the time, however it is nested."""

    def seconds(size: int) -> float:
        text = b'{"d":' + (unit * (size // len(unit))).encode()
        start = time.process_time()
        with pytest.raises(ValueError, match=NO_RECORD):
            read_record(text)
        return time.process_time() - start

    small = min(seconds(125_000) for _ in range(3))
    assert seconds(2_000_000) < 100 * small + 0.5
