"""JSON: values to text and back, with errors that are `TypeError` and `ValueError` alone. Pure.

``msgspec`` does the work; this module translates its errors. The hot path, `rxbosbase.events`,
uses a decoder of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from math import inf, isinf
from typing import Any

import msgspec

from .narrowing import is_array, is_object
from .utf8 import place_of_surrogate
from .values import plain

__all__ = (
    "MAX_EXPANSION",
    "TooDeepError",
    "decode",
    "decoded_size",
    "encode",
    "encode_sorted",
    "encode_stored",
)

MAX_EXPANSION = 8
"""How many times the limit of a text the values decoded from it may take in memory, by the estimate
of `decoded_size`. The estimate for records is 5 to 7 times their text; they take 3 to 5."""


class TooDeepError(ValueError):
    """A JSON text is nested deeper than the interpreter can decode."""


# A Decimal is sent as a number: as text the server would store no other digits of it.
_encoder = msgspec.json.Encoder(decimal_format="number")
_sorting_encoder = msgspec.json.Encoder(decimal_format="number", order="sorted")
_decoder = msgspec.json.Decoder()


def encode(value: Any) -> bytes:
    """Return the JSON text of `value`, as UTF-8 and without spaces.

    Beside what JSON has, it takes the values of `values.plain`: dates and times, missing values
    and scalars of pandas and numpy, Decimals, UUIDs, enums, dataclasses.

    Raises:
        TypeError: it has no JSON form, or holds half a surrogate pair, or itself.
        ValueError: it holds a number that is infinite, or a time that the server cannot read.

    >>> encode({"text": "zażółć", "n": (1, 2.5, None)}).decode()
    '{"text":"zażółć","n":[1,2.5,null]}'
    """
    return _encoded(_encoder, value)


def encode_sorted(value: Any) -> bytes:
    """Return the text of `encode` with sorted keys in each object: equal values have equal texts.

    >>> encode_sorted({"b": 1, "a": {"d": 1, "c": 2}})
    b'{"a":{"c":2,"d":1},"b":1}'
    """
    return _encoded(_sorting_encoder, value)


def encode_stored(value: Any) -> bytes:
    """Return the JSON text of `value` as PocketBase stores it, to be compared with a JSON field.

    The server decodes what it receives and encodes it again: keys sorted, and each number as the
    shortest digits of a float (ECMA-262, Number::toString, as Go's ``encoding/json`` does).

    Raises:
        TypeError, ValueError: as `encode`; a number that no float can hold.

    >>> encode_stored({"b": [1.0, 1e21, 1e-7], "a": 2**63})
    b'{"a":9223372036854776000,"b":[1,1e+21,1e-7]}'
    """
    return _encoded(_sorting_encoder, value, _as_stored)


def _encoded(
    encoder: msgspec.json.Encoder, value: Any, change: Callable[[Any], Any] | None = None
) -> bytes:
    value = plain(value)
    try:
        return encoder.encode(value if change is None else change(value))
    except UnicodeEncodeError:
        place = place_of_surrogate(value) or ""
        raise TypeError(f"a text holds half a surrogate pair{place and f': {place}'}") from None
    except RecursionError:
        raise TypeError("it is nested too deeply, or holds itself") from None


def _as_stored(value: Any) -> Any:
    if is_object(value):
        return {key: _as_stored(each) for key, each in value.items()}
    if is_array(value):
        return [_as_stored(each) for each in value]
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        return value
    try:
        number = float(value)
    except OverflowError:
        number = inf
    if isinf(number):
        raise ValueError("a number in it is larger than the server's numbers: give text")
    text = repr(number)
    if 1e-6 <= abs(number) < 1e21 or not number:
        text = format(Decimal(text), "f").removesuffix(".0")
    return msgspec.Raw(text.replace("e-0", "e-").encode())


def decode(text: bytes | str) -> Any:
    """Return the value of a JSON text: dicts, lists, str, int, float, bool and None.

    Raises:
        TooDeepError: it is nested too deeply; `unreadable` decodes the rest of it.
        ValueError: it is no JSON. The message quotes at most a position.

    >>> decode(b'{"a": [1, 2.5, null]}')
    {'a': [1, 2.5, None]}
    """
    try:
        return _decoder.decode(text)
    except RecursionError:
        raise TooDeepError("it is nested too deeply") from None


def decoded_size(text: bytes | bytearray) -> int:
    """Estimate the bytes of memory that the values of a JSON text take, without decoding it.

    Each object, key, array, text and comma has a cost, as measured on CPython 3.11. Characters
    inside texts count too, so the estimate is rather too high than too low.

    >>> decoded_size(b'[{"id":"abc"},{"id":"def"}]') < 600
    True
    """
    keys = text.count(b'":')
    texts = max(text.count(b'"') // 2 - keys, 0)
    brackets = 100 * text.count(b"{") + 90 * text.count(b"[")
    return len(text) + brackets + 48 * keys + 32 * texts + 32 * text.count(b",")
