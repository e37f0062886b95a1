"""Values of the user: a body and a filter accept the same, in the same form."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import OrderedDict, UserDict, namedtuple
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxbosbase.encoding.json import encode
from rxbosbase.encoding.values import plain
from rxbosbase.http.multipart import PAYLOAD_FIELD, form_fields, split_files
from rxbosbase.realtime.protocol.topics import normalise_options
from rxbosbase.records.filters import build_filter
from rxbosbase.testing import FakeRealtime


class FakeDatetime(datetime):
    """Like freezegun's: its methods return one of the same class."""

    def astimezone(self, tz: tzinfo | None = None) -> Any:
        moment = super().astimezone(tz)
        return FakeDatetime(*moment.timetuple()[:6], moment.microsecond, moment.tzinfo)


class Timestamp(datetime):
    """Like that of pandas: more digits in its text."""

    def isoformat(self, sep: str = "T", timespec: str = "auto") -> str:
        return super().isoformat(sep, "microseconds") + "789"


class FakeDate(date):
    pass


class FarTimestamp(datetime):
    """Like that of pandas, in the year 10000."""

    @property
    def year(self) -> int:
        return 10_000

    def replace(self, *args: Any, **changes: Any) -> Any:
        raise ValueError("year 10000 is out of range")

    astimezone = replace


class Scalar:
    """Like one of numpy: no subclass of any number."""

    ndim = 0

    def __init__(self, value: Any, kind: str) -> None:
        self.value, self.dtype = value, SimpleNamespace(kind=kind)

    def tolist(self) -> Any:
        return self.value

    def astype(self, dtype: str) -> Scalar:
        assert dtype == "datetime64[us]"
        return Scalar(NANOSECONDS.get(self.value, self.value), "M")


class Array:
    """Like one of numpy, of any number of dimensions: no list, and iterated by its items."""

    ndim, dtype = 1, SimpleNamespace(kind="M")

    def __init__(self, *items: Any) -> None:
        self.items = items

    def __iter__(self) -> Iterator[Any]:
        return iter(self.items)

    def tolist(self) -> Any:
        raise AssertionError("it would make bare numbers of nanoseconds")


class Bare:
    """The least that a scalar may have, of a type without a kind."""

    dtype = object()

    def tolist(self) -> Any:
        return 3


class Series(Array):
    def to_dict(self) -> dict[Any, Any]:
        return dict(enumerate(self.items))


NANOSECONDS = {1: datetime.fromisoformat("2026-01-02 03:04:05.123456"), 2: None, 3: 2**62}


class LongDouble(Scalar):
    def tolist(self) -> Any:
        return self

    def __float__(self) -> float:
        return float(self.value)


class Text(str):
    __slots__ = ()


class Colour(Enum):
    RED = "red"


class Word(StrEnum):
    RED = "red"


class Level(IntEnum):
    HIGH = 3


class When(Enum):
    START = datetime(2026, 1, 2, tzinfo=UTC)


@dataclass
class Inner:
    at: Any
    from_: str = field(default="x", metadata={"key": "from"})


@dataclass
class Unset:
    n: int = 1
    later: int = field(init=False)


Pair = namedtuple("Pair", "a b")

NAT, NA = FakeDatetime(1, 1, 1), object()
DAY, NOON = "2026-01-02 00:00:00.000Z", "2026-01-02 12:00:00.000Z"
PRECISE = "2026-01-02 03:04:05.123Z"

ACCEPTED: list[tuple[Any, Any]] = [
    # as JSON has it
    ("x", "x"), (3, 3), (1.5, 1.5), (True, True), (None, None), (2**70, 2**70),
    # dates and times
    (datetime.fromisoformat("2026-01-02 03:04:05.123999"), PRECISE),
    (datetime.fromisoformat("2026-01-02 03:04:05.001"), "2026-01-02 03:04:05.001Z"),
    (datetime(2026, 1, 2, 13, tzinfo=timezone(timedelta(hours=1))), NOON),
    (FakeDatetime(2026, 1, 2, 12), NOON),
    (FakeDatetime(2026, 1, 2, 7, tzinfo=timezone(timedelta(hours=-5))), NOON),
    (Timestamp(2026, 1, 2, 3, 4, 5, 123_456, tzinfo=UTC), PRECISE),
    (date(2026, 1, 2), DAY), (FakeDate(2026, 1, 2), DAY),
    (datetime.fromisoformat("0001-01-01"), "0001-01-01 00:00:00.000Z"),
    (datetime.fromisoformat("9999-12-31 23:59:59"), "9999-12-31 23:59:59.000Z"),
    # missing
    (float("nan"), None), (Decimal("NaN"), None), (Decimal("sNaN"), None), (NAT, None), (NA, None),
    # numbers
    (Decimal("1.50"), Decimal("1.50")), (Level.HIGH, 3),
    # scalars and arrays
    (Scalar(3, "i"), 3), (Scalar(True, "b"), True),
    (Scalar(0.5, "f"), 0.5), (Scalar("x", "U"), "x"),
    (Scalar(float("nan"), "f"), None), (LongDouble(0.5, "f"), 0.5),
    (Scalar(1, "M"), PRECISE), (Scalar(2, "M"), None), (Scalar(None, "m"), None),
    (Array(Scalar(1, "M"), Array(NA)), [PRECISE, [None]]), (Bare(), 3),
    # text
    (Text("x"), "x"), (Word.RED, "red"), (Colour.RED, "red"), (When.START, DAY),
    (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    # containers
    ((1, NA), [1, None]), (Pair(1, 2), [1, 2]), (OrderedDict(a=NAT), {"a": None}),
    (MappingProxyType({"a": (1,)}), {"a": [1]}), (UserDict(a=1), {"a": 1}),
    ({Text("a"): 1, 2: Scalar(1, "i")}, {"a": 1, "2": 1}),
    ({UUID(int=1): 1, Word.RED: 2}, {"00000000-0000-0000-0000-000000000001": 1, "red": 2}),
    (Inner(date(2026, 1, 2)), {"at": DAY, "from": "x"}), (Unset(), {"n": 1, "later": None}),
]  # fmt: skip

REFUSED: list[tuple[Any, str]] = [
    (b"x", r"bytes has no JSON form: give text, or for a file field \(name, content\)"),
    (memoryview(b"x"), "memoryview has no JSON form"),
    ({1}, "set has no JSON form: give a list"),
    (timedelta(1), r"timedelta has no JSON form: give its total_seconds\(\)"),
    (Scalar(1, "m"), "Scalar has no JSON form: give its seconds"),
    (time(1), r"time has no JSON form: give its isoformat\(\)"),
    (Path("a"), r"PosixPath has no JSON form: give str\(\) of it"),
    (1j, "complex has no JSON form: give text, a number"),
    (Scalar(1j, "c"), "complex has no JSON form"),
    (LongDouble(1j, "c"), "LongDouble has no JSON form"),
    (object(), "object has no JSON form"),
    (Inner, "type has no JSON form"),
    (float("inf"), "inf has no JSON form: give a finite number, or None"),
    (Decimal("-Infinity"), "-Infinity has no JSON form"),
    (Scalar(float("inf"), "f"), "inf has no JSON form"),
    (datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=5))), "outside the years 1 to 9999 of UTC"),
    (Scalar(3, "M"), "outside the years 1 to 9999 of UTC"),
    (FarTimestamp(2026, 1, 1), "outside the years 1 to 9999 of UTC"),
    (FarTimestamp(2026, 1, 1, tzinfo=UTC), "outside the years 1 to 9999 of UTC"),
    (type("int64", (Scalar,), {"dtype": property(len)}), "type has no JSON form"),
    (SimpleNamespace(to_dict=dict), r"SimpleNamespace has no JSON form: give its to_dict\(\)$"),
    (Series(1), r"Series has no JSON form: give its to_dict\(\), or its tolist\(\)$"),
    ({(1,): 1}, "tuple has no JSON form as a key"),
    ({NA: 1}, "object has no JSON form as a key"),
]


def name_of(value: Any) -> str:
    return type(value).__name__


@pytest.fixture(autouse=True)
def pandas(monkeypatch: pytest.MonkeyPatch) -> None:
    """Provide the two objects that are recognized by the module that holds them."""
    monkeypatch.setitem(sys.modules, "pandas", SimpleNamespace(NaT=NAT, NA=NA))


@pytest.mark.parametrize(("value", "expected"), ACCEPTED, ids=name_of)
def test_a_body_and_a_filter_accept_the_same_values_in_the_same_form(
    value: Any, expected: Any
) -> None:
    """Each accepted value has the same JSON form in a body, a filter and a multipart body."""
    assert plain(value) == expected
    assert type(plain(value)) is type(expected)
    assert encode({"a": [value]}) == encode({"a": [expected]})
    assert json.loads(encode(value), parse_float=Decimal) == json.loads(
        encode(expected), parse_float=Decimal
    )
    assert build_filter("a = {:v}", "escaped", v=value) == build_filter(
        "a = {:v}", "escaped", v=expected
    )
    fields, _ = split_files({"v": value, "doc": ("a.txt", b"x")})
    assert json.loads(fields[PAYLOAD_FIELD]) == json.loads(encode({"v": expected}))


@pytest.mark.parametrize(("value", "why"), REFUSED, ids=name_of)
def test_body_and_filter_refuse_other_values_with_a_remedy(value: Any, why: str) -> None:
    """Body and filter raise an error with the remedy for a value without a JSON form."""
    for each in (value, [value], {"a": (value,)}):
        for use in (plain, encode, lambda value: build_filter("a = {:v}", v=value)):
            with pytest.raises((TypeError, ValueError), match=why):
                use(each)


@pytest.mark.usefixtures("elsewhere")
def test_a_time_with_a_zone_is_the_same_in_utc_wherever_the_program_runs() -> None:
    """A datetime with a zone is converted to UTC, whatever the local time zone is."""
    for hours in (-5, 0, 1):
        at = datetime(2026, 1, 2, 12, tzinfo=UTC).astimezone(timezone(timedelta(hours=hours)))
        assert plain(at) == NOON


@given(st.text())
def test_a_subclass_of_str_becomes_an_equal_text(text: str) -> None:
    """An instance of a subclass of `str` becomes an equal text."""
    assert plain(Text(text)) == text


def test_a_list_that_holds_itself_is_refused() -> None:
    """`plain` raises TypeError for a list that contains itself."""
    value: list[Any] = []
    value.append(value)
    with pytest.raises(TypeError, match="nested too deeply, or holds itself"):
        plain(value)


@pytest.mark.parametrize("wrap", [lambda v: [v], lambda v: (v,), lambda v: {"a": v}])
def test_nested_values_take_one_call_for_each_level(wrap: Callable[[Any], Any]) -> None:
    """`encode` accepts 700 levels of lists, tuples or dicts within Python's recursion limit."""
    value: Any = 1
    for _ in range(700):  # of the thousand calls that Python allows
        value = wrap(value)
    assert encode(value).count(b"1") == 1


def test_plain_does_not_change_its_argument() -> None:
    """`plain` does not change the value that it is given."""
    body = {"a": [date(2026, 1, 2), {"b": (1,)}]}
    plain(body)
    assert body == {"a": [date(2026, 1, 2), {"b": (1,)}]}


def test_options_accept_scalars_and_times(tmp_path: Path) -> None:
    """Query options accept scalars and times, omit missing values, and refuse containers."""
    options = normalise_options(query={"n": Scalar(3, "i"), "at": Timestamp(2026, 1, 2), "no": NA})
    assert options.query == (("at", DAY), ("n", "3"))
    for value in ([1], {"a": 1}, tmp_path):
        with pytest.raises(TypeError, match=r"query\['n'\] is a \w+: give a str, int, float"):
            normalise_options(query={"n": value})


def test_the_fake_stores_the_json_form_of_values(virtual_time: FakeRealtime) -> None:
    """The fake stores, emits and returns the JSON form of the values it is given."""
    posts = virtual_time.client.collection("posts")
    received: list[Mapping[str, Any]] = []
    posts.observe("*").subscribe(lambda event: received.append(event.record))
    given = {
        "id": "a",
        "at": date(2026, 1, 2),
        "n": Scalar(3, "i"),
        "none": NA,
        "l": [(Level.HIGH,)],
    }
    kept = {"id": "a", "at": DAY, "n": 3, "none": None, "l": [[3]]}
    virtual_time.push("posts", "create", given)
    assert virtual_time.records["posts"]["a"] == received[0] == posts.get_one("a") == kept
    assert posts.update("a", {"at": date(2026, 1, 3)}) == received[1]
    with pytest.raises(TypeError, match="set has no JSON form"):
        posts.update("a", {"at": {1}})
    with pytest.raises(TypeError, match="set has no JSON form"):
        virtual_time.push("posts", "update", {"id": "a", "at": {1}})


def test_an_object_with_to_dict_is_refused_as_a_body(
    virtual_time: FakeRealtime,
) -> None:
    """An object with `to_dict` as a body raises TypeError that names `to_dict()`."""
    row: Any = SimpleNamespace(to_dict=dict)
    with pytest.raises(TypeError, match=r"not SimpleNamespace: give its to_dict\(\)"):
        virtual_time.client.collection("posts").create(row)


def test_form_fields_accept_the_same_values() -> None:
    """`form_fields` gives each field its form value: JSON text for containers; bytes stay."""
    body = {"n": Scalar(3, "i"), "at": Timestamp(2026, 1, 2), "on": True, "l": [NA, {"a": 1}, [1]]}
    fields = form_fields({**body, "raw": b"x"})
    expected = {"n": 3, "at": DAY, "on": "true", "l": [None, '{"a":1}', "[1]"], "raw": b"x"}
    assert fields == expected
    assert form_fields(b"raw") == b"raw"


def test_keys_that_become_the_same_text_are_refused() -> None:
    """A dict whose keys 1 and "1" become the same text raises TypeError."""
    with pytest.raises(TypeError, match="two keys of a dict are the same text"):
        plain({"a": {1: "x", "1": "y"}})


def test_neither_numpy_nor_pandas_is_imported() -> None:
    """Importing the library and encoding values imports neither numpy nor pandas."""
    code = (
        "import sys, rxbosbase; from rxbosbase.encoding.json import encode;"
        "encode({'a': [1.5, float('nan'), __import__('datetime').datetime.now()]});"
        "sys.exit(bool({'numpy', 'pandas'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
