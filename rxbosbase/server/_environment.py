"""What the server's processes inherit: what a program needs to run, and no secret of the caller."""

from __future__ import annotations

import os
from collections.abc import Mapping

__all__ = ["environment_of"]

INHERITED = frozenset(
    {
        *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TMPDIR", "TZ", "LANG", "LANGUAGE"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR"),  # whom the server trusts, where it calls others
        *("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"),  # without them some interpreters do not start
    }
)
"""And all that begins with ``LC_``. Proxies are not among them: their address may hold a password,
and so each of them has to be given."""


def environment_of(given: Mapping[str, str]) -> dict[str, str]:
    """The inherited variables, and those that were given."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in INHERITED or name.startswith("LC_")
    }
    return {**kept, **given}
