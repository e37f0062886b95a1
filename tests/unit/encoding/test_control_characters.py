"""Control characters of a terminal are escaped, and nothing else is."""

from __future__ import annotations

import json
import sys
import unicodedata

import pytest
from support.terminals import CONTROL_CHARACTERS, HOSTILE

from rxbosbase.encoding.control_characters import one_line, plain_json
from rxbosbase.encoding.json import encode

EVERY = [chr(code) for code in range(sys.maxunicode + 1)]


def test_no_control_and_no_bidirectional_override_is_left() -> None:
    """Every control, separator, surrogate and bidirectional override is escaped to ASCII."""
    turns = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    harmful = [
        each
        for each in EVERY
        if unicodedata.category(each) in ("Cc", "Zl", "Zp", "Cs")
        or unicodedata.bidirectional(each) in turns
    ]
    assert len(harmful) > 2000
    for each in harmful:
        assert one_line(each).isascii() and one_line(each).isprintable(), ascii(each)


def test_terminal_commands_are_escaped_in_text_and_in_json() -> None:
    """No terminal command is left in a text or in JSON; the JSON's value is the same."""
    assert not CONTROL_CHARACTERS.search(one_line(HOSTILE))
    text = encode({HOSTILE: [HOSTILE, {"deep": HOSTILE}]}).decode()
    assert CONTROL_CHARACTERS.search(text)
    assert not CONTROL_CHARACTERS.search(plain_json(text))
    assert json.loads(plain_json(text)) == json.loads(text)


def test_the_value_of_a_json_text_is_the_same_for_every_character() -> None:
    """`plain_json` keeps the value of a JSON text for every Unicode character."""
    for start in range(0, len(EVERY), 4096):
        texts = [c for c in EVERY[start : start + 4096] if unicodedata.category(c) != "Cs"]
        assert json.loads(plain_json(encode(texts).decode())) == texts
    indented = json.dumps({"a": [HOSTILE]}, ensure_ascii=False, indent=2)
    assert json.loads(plain_json(indented)) == {"a": [HOSTILE]}


@pytest.mark.parametrize(
    "text", ["Zażółć gęślą jaźń", "👨‍👩‍👧 ok", "日本語", "5 × “tea”…", "می‌خواهم", "עברית"]
)
def test_text_without_control_characters_is_unchanged(text: str) -> None:
    """Text without control characters is unchanged: accents, emoji, other scripts."""
    assert one_line(text) == text
    assert plain_json(f'["{text}"]') == f'["{text}"]'


def test_only_the_characters_of_keep_stay_unescaped() -> None:
    """Only the characters of `keep` are left unescaped."""
    assert one_line("a\nb\tc\x1b", keep="\n") == "a\nb\\tc\\x1b"
