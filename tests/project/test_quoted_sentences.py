"""Each sentence of a standard that the code quotes has a test of the same name."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
QUOTING = ROOT / "rxbosbase/realtime/protocol/frames.py"
TESTS = ROOT / "tests/unit/realtime/protocol/test_event_stream_standard.py"

LEAST_WORDS = 8
"""A name may leave out the end of its sentence, if it has so many words."""


def quoted(text: str) -> list[str]:
    """Return the sentences in a module's comments that it says to be of the HTML standard."""
    comments = re.sub(r"\n +# ", " ", text)
    return re.findall(r'HTML 9\.2\.[56]: "([^"]+)"', comments)


def name_of(sentence: str) -> str:
    """Return the name of the test of a sentence: its words, without code points and brackets.

    >>> name_of("If the line is empty (a blank line) Dispatch the event")
    'if_the_line_is_empty_dispatch_the_event'
    """
    words = re.sub(r"\([^()]*\)|U\+[0-9A-F]{4}|['-]", "", sentence)
    return "_".join(re.findall("[a-z0-9]+", words.lower()))


def is_named_after(test: str, sentence: str) -> bool:
    """Return True if the test has the sentence's name, or the beginning of it."""
    words, whole = test.split("_"), name_of(sentence).split("_")
    return words == whole[: len(words)] and (len(words) >= LEAST_WORDS or words == whole)


def test_each_quoted_sentence_has_a_test_of_its_name() -> None:
    """Each sentence that `frames.py` quotes has exactly one test, and each test its sentence."""
    sentences = quoted(QUOTING.read_text(encoding="utf-8"))
    tests = re.findall(r"^def test_(\w+)", TESTS.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(sentences) > 20 and len(set(sentences)) == len(sentences)
    of_each = {s: [test for test in tests if is_named_after(test, s)] for s in sentences}
    assert {s: names for s, names in of_each.items() if len(names) != 1} == {}
    named = [names[0] for names in of_each.values()]
    assert sorted({*tests} - {*named}) == ["an_example_of_the_standard_has_the_events_that_it_says"]


def test_a_name_is_the_words_of_its_sentence() -> None:
    """A test's name has the words of its sentence, without brackets and code points."""
    line = "If the line starts with a U+003A COLON character (:) Ignore the line."
    assert name_of(line) == "if_the_line_starts_with_a_colon_character_ignore_the_line"
    assert is_named_after("if_the_line_starts_with_a_colon_character", line)
    assert not is_named_after("if_the_line_starts", line)
    assert not is_named_after("if_the_line_starts_with_a_comma_character_x", line)
    assert name_of("the data buffer's UTF-8") == "the_data_buffers_utf8"
