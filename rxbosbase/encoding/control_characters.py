"""Words of others, made fit for messages, logs and terminals. Pure.

A terminal obeys what it is shown: ESC and the C1 controls begin commands that write the clipboard,
rename the window or type an answer; bidirectional overrides show a text in another order than it
has; what is invisible hides a text in another. Here is the one list of such characters.
"""

from __future__ import annotations

import json
import re

__all__ = ["one_line", "plain_json"]

_COMMANDS = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"  # C0, DEL and C1
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # they turn the direction of the line
    "\u2028\u2029"  # they break it
    "\u200b\u2060-\u2065\u206a-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f"  # never visible
    "\ud800-\udfff"  # halves of pairs: no encoding has them
    "]"
)
"""Joiners (U+200C, U+200D) are none of them: Persian words and emoji fall apart without."""


def one_line(text: str, *, keep: str = "") -> str:
    r"""What somebody else said, as one line that commands no terminal and forges no line of a log.

    Args:
        keep: the characters that stay as they are, such as a line break.

    >>> one_line("no\n12:00 ERROR \x1b[31mfire")
    'no\\n12:00 ERROR \\x1b[31mfire'
    """
    return _COMMANDS.sub(lambda f: f[0] if f[0] in keep else ascii(f[0])[1:-1], text)


def plain_json(text: str) -> str:
    r"""A JSON text of the same value that commands no terminal.

    >>> plain_json('{"a":"\x9b31m","b":"\u202e"}')
    '{"a":"\\u009b31m","b":"\\u202e"}'
    """
    # JSON has no control below U+0020 in its strings, and no more than white space around them.
    return _COMMANDS.sub(lambda f: f[0] if f[0] < " " else json.dumps(f[0])[1:-1], text)
