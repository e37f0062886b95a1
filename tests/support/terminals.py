"""Text that controls a terminal, and the characters that no output may contain."""

from __future__ import annotations

import re

__all__ = ["CONTROL_CHARACTERS", "HOSTILE", "control_characters_in"]

HOSTILE = (
    "\x1b]52;c;ZXZpbA==\x07|\x9d52;c;ZXZpbA==\x9c|\x1b[2J|\x9b31m|\x7f|\b\b|\r\n|\u2028|\u2029|"
    "\u202eevil\u202c|\u2066\u2069|\u200e\u200f\u061c|\ufeff|\u200b|\ufff9\ufffb|\U000e0041|end"
)
"""It sets the clipboard in two ways, clears the screen, reverses the text, hides a letter."""

CONTROL_CHARACTERS = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\U000e0000-\U000e007f]"
)
"""All control and invisible characters but the line break, which ends a line of output."""

_OF_RICH = re.compile(r"\x1b\[[0-9;]*[mAKG]|\x1b\[\?25[hl]|\r\n|\r(?=\x1b\[)")
"""Colours, cursor movements and line ends: what rich itself sends."""


def control_characters_in(output: bytes) -> list[str]:
    """Return the control characters of a command's output, without those that rich sends."""
    return [ascii(each) for each in CONTROL_CHARACTERS.findall(_OF_RICH.sub("", output.decode()))]
