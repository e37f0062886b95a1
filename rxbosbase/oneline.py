"""Words of a server, made fit for messages and logs."""

from __future__ import annotations

import re

__all__ = ["one_line"]

_BREAKS = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def one_line(text: str) -> str:
    r"""What a server said, fit for a log: it forges no line there, and commands no terminal.

    >>> one_line("no\n12:00 ERROR \x1b[31mfire")
    'no\\n12:00 ERROR \\x1b[31mfire'
    """
    return _BREAKS.sub(lambda found: ascii(found[0])[1:-1], text)
