"""JSON: values to text and back, with errors that are `TypeError` and `ValueError` alone. Pure.

``msgspec`` does the work; what it calls by names of its own is brought to Python's here. The hot
path, `realtime.events`, uses a decoder of its own.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from enum import Enum
from math import isfinite
from typing import Any

import msgspec

from .utf8 import place_of_surrogate

__all__ = [
    "MAX_EXPANSION",
    "TooDeepError",
    "decode",
    "decoded_size",
    "encode",
    "encode_sorted",
]

MAX_EXPANSION = 8
"""The values of a text may take this many times the memory that the text itself may, by the
estimate of `decoded_size`. It gives records 5 to 7 times theirs; they take 3 to 5."""


class TooDeepError(ValueError):
    """A JSON text that is nested deeper than the interpreter can follow."""


def _plain(value: Any) -> Any:
    """What subclasses of plain types are sent as: the encoder knows the types themselves alone."""
    for plain in (str, int, float):
        if isinstance(value, plain) and not isinstance(value, Enum):
            return plain(value)
    raise TypeError(f"a {type(value).__name__} has no JSON form")


_encoder = msgspec.json.Encoder(enc_hook=_plain)
_sorting_encoder = msgspec.json.Encoder(enc_hook=_plain, order="sorted")
_decoder = msgspec.json.Decoder()


def encode(value: Any) -> bytes:
    """The JSON text of `value`, as UTF-8 and without spaces.

    Beside what JSON has: tuples, dates and times (ISO 8601), UUIDs, Decimals (as text),
    enums by their value, dataclasses.

    Raises:
        TypeError: it has no JSON form, or holds half a surrogate pair, or itself.
        ValueError: it holds a number that is not finite.

    >>> encode({"text": "zażółć", "n": (1, 2.5, None)}).decode()
    '{"text":"zażółć","n":[1,2.5,null]}'
    """
    return _encoded(_encoder, value)


def encode_sorted(value: Any) -> bytes:
    """As `encode`, with the keys of each object in order: equal values have equal texts.

    >>> encode_sorted({"b": 1, "a": {"d": 1, "c": 2}})
    b'{"a":{"c":2,"d":1},"b":1}'
    """
    return _encoded(_sorting_encoder, value)


def _encoded(encoder: msgspec.json.Encoder, value: Any) -> bytes:
    try:
        _refuse_lossy(value)
        return encoder.encode(value)
    except UnicodeEncodeError:
        place = place_of_surrogate(value) or ""
        raise TypeError(f"a text holds half a surrogate pair{place and f': {place}'}") from None
    except RecursionError:
        raise TypeError("it is nested too deeply, or holds itself") from None
    except msgspec.MsgspecError as error:
        raise TypeError(str(error)) from None


def _refuse_lossy(value: Any) -> None:
    # The encoder would make Base64 of bytes, a list of a set, and null of NaN: none comes back.
    if isinstance(value, (bytes, bytearray, memoryview, set, frozenset)):
        raise TypeError(f"{type(value).__name__} has no JSON form")
    if isinstance(value, float) and not isfinite(value):
        raise ValueError(f"{value} has no JSON form: give None in its place")
    if isinstance(value, dict):
        value = (*value, *value.values())
    elif is_dataclass(value):
        value = [getattr(value, field.name, None) for field in fields(value)]
    elif not isinstance(value, (list, tuple)):
        return
    for each in value:
        _refuse_lossy(each)


def decode(text: bytes | str) -> Any:
    """The value of a JSON text: dicts, lists, str, int, float, bool and None.

    Raises:
        TooDeepError: it is nested too deeply; `unreadable` reads what can be read of it.
        ValueError: it is no JSON. The message may quote no more than a position.

    >>> decode(b'{"a": [1, 2.5, null]}')
    {'a': [1, 2.5, None]}
    """
    try:
        return _decoder.decode(text)
    except RecursionError:
        raise TooDeepError("it is nested too deeply") from None


def decoded_size(text: bytes | bytearray) -> int:
    """About how many bytes of memory the values of a JSON text take, without decoding it.

    Each object, key, array, text and comma has a price, as measured on CPython 3.11. What stands
    inside texts counts too: it is rather too much than too little.

    >>> decoded_size(b'[{"id":"abc"},{"id":"def"}]') < 600
    True
    """
    keys = text.count(b'":')
    texts = max(text.count(b'"') // 2 - keys, 0)
    brackets = 100 * text.count(b"{") + 90 * text.count(b"[")
    return len(text) + brackets + 48 * keys + 32 * texts + 32 * text.count(b",")
