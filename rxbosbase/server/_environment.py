"""The environment of the server's processes: what a program needs, and no secret of the caller."""

from __future__ import annotations

import os
from collections.abc import Mapping

__all__ = ("environment_of",)

INHERITED = frozenset(
    {
        *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TMPDIR", "TZ", "LANG", "LANGUAGE"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR"),  # trusted certificates for the server's own requests
        *("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"),  # without them some interpreters do not start
    }
)
"""Variables that begin with ``LC_`` are inherited too. Proxies are not, since their addresses may
contain a password: each has to be given."""


def environment_of(given: Mapping[str, str]) -> dict[str, str]:
    """Return the inherited variables and the given ones, which take precedence."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name in INHERITED or name.startswith("LC_")
    }
    return {**inherited, **given}
