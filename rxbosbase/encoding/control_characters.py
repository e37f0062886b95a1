"""Escapes control characters of foreign text, for messages, logs and terminals. Pure.

ESC and the C1 controls start commands of a terminal, which write the clipboard, rename the window
or send input; bidirectional overrides change the order in which text is shown; invisible characters
hide text. This module has the one list of such characters.
"""

from __future__ import annotations

import json
import re

__all__ = ("one_line", "plain_json", "short_repr")

_COMMANDS = (
    "["
    "\x00-\x1f\x7f-\x9f"  # C0, DEL and C1
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # they change the direction of the line
    "\u2028\u2029"  # they break it
    "\u200b\u2060-\u2065\u206a-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f"  # never visible
    "\ud800-\udfff"  # halves of pairs: no encoding has them
    "]"
)
"""Joiners (U+200C, U+200D) are not among them: Persian words and emoji need them."""


def one_line(text: str, *, keep: str = "") -> str:
    r"""Return foreign text as one line with control characters escaped: it commands no terminal,
    and forges no line of a log.

    Args:
        keep: the characters that stay as they are, such as a line break.

    >>> one_line("no\n12:00 ERROR \x1b[31mfire")
    'no\\n12:00 ERROR \\x1b[31mfire'
    """
    return re.sub(_COMMANDS, lambda f: f[0] if f[0] in keep else ascii(f[0])[1:-1], text)


def short_repr(value: object, most: int = 60) -> str:
    r"""Return the repr of a value as one line, cut to about `most` characters: for the repr of what
    holds it.

    >>> print(short_repr("a\n" * 1000, 5), short_repr([1, 2, 3], 5))
    'a\na\na'… [1, 2…
    """
    if isinstance(value, str):
        return one_line(repr(value)) if len(value) <= most else f"{one_line(repr(value[:most]))}…"
    text = one_line(repr(value))
    return text if len(text) <= most else f"{text[:most]}…"


def plain_json(text: str) -> str:
    r"""Return a JSON text of the same value, with the control characters in it escaped.

    >>> plain_json('{"a":"\x9b31m","b":"\u202e"}')
    '{"a":"\\u009b31m","b":"\\u202e"}'
    """
    # JSON has no control below U+0020 in its strings, and only white space around them.
    return re.sub(_COMMANDS, lambda f: f[0] if f[0] < " " else json.dumps(f[0])[1:-1], text)
