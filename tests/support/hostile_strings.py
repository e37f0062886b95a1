"""Texts that broke filters, or might: each must come back as plain data."""

from __future__ import annotations

__all__ = ["HOSTILE_STRINGS", "INEXPRESSIBLE_STRINGS", "writable"]

HOSTILE_STRINGS: tuple[str, ...] = (
    "plain",
    "o'neil",
    'say "hi"',
    "both ' and \"",
    "'",
    '"',
    "''",
    "' || id != '",
    '" || id != "',
    "\\",
    "\\\\",
    "ends in a backslash\\",
    "ends in two\\\\",
    "\\'",
    '\\"',
    "\\\\'",
    "'\\",
    "\\' || id != ''",
    "\\n is not a newline",
    "\\x41\\u0041\\101\\t\\r\\0\\a\\e",
    "\\{:x}",
    "{:x}",
    "{:x} {:y} {{:x}}",
    "${x} %s %(x)s {0}",
    "line\nfeed",
    "carriage\rreturn",
    "\r\n",
    "tab\there",
    "\x01\x02\x07\x08\x0b\x0c\x1b\x1f\x7f",
    "\x80\x85\x9f\u2028\u2029",
    "// no comment",
    "a // b ' c",
    "/* no comment */",
    ") || (id != ''",
    "((((",
    "))))",
    "&& || = != ~ !~ ?= > <",
    "@now",
    "@request.auth.id",
    "null",
    "true",
    "1e5",
    "-0",
    "%",
    "_%_",
    "100% \\% \\_",
    "; drop table x; --",
    "`backtick`",
    "  outer spaces  ",
    " ",
    "\ufeffbom",
    "\ufffd",
    "naïve ünïcödé",
    "日本語",
    "👩‍👩‍👧",
    "e\u0301 combining",
    "\u202eright to left",
    "\U0010ffff",
    "&filter=x&perPage=1",
    "a+b c%20d#e?f",
    "<script>alert('x')</script>",
    "x" * 1000,
    "'" * 100,
    "\\" * 101,
)


def writable(dialect: str) -> list[str]:
    """Return those that a filter of this dialect can hold."""
    return [each for each in HOSTILE_STRINGS if dialect == "escaped" or not each.endswith("\\")]


INEXPRESSIBLE_STRINGS: tuple[str, ...] = ("\x00", "nul\x00inside", "\ud800", "half \udfff pair")
