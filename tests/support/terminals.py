"""What a record may hold to command a terminal, and what must never reach one."""

from __future__ import annotations

import re

__all__ = ["COMMANDS", "HOSTILE", "commands_in"]

HOSTILE = (
    "\x1b]52;c;ZXZpbA==\x07|\x9d52;c;ZXZpbA==\x9c|\x1b[2J|\x9b31m|\x7f|\b\b|\r\n|\u2028|\u2029|"
    "\u202eevil\u202c|\u2066\u2069|\u200e\u200f\u061c|\ufeff|\u200b|\ufff9\ufffb|\U000e0041|end"
)
"""Writes the clipboard in two ways, clears the screen, turns the line around, hides a letter."""

COMMANDS = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\U000e0000-\U000e007f]"
)
"""All but the line break, which ends a line of ours."""

_OURS = re.compile(r"\x1b\[[0-9;]*[mAKG]|\x1b\[\?25[hl]|\r\n|\r(?=\x1b\[)")
"""Colours, the cursor's moves and a terminal's line ends: what rich itself sends."""


def commands_in(output: bytes) -> list[str]:
    """Which of them the output of a command holds, beside what draws its own picture."""
    return [ascii(each) for each in COMMANDS.findall(_OURS.sub("", output.decode()))]
