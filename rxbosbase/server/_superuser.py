"""Makes the superuser of an embedded server, and keeps the password to itself."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from rxbosbase.errors import ConnectionFailedError, RequestTimeoutError

__all__ = ["create_superuser"]

UPSERT_TIMEOUT = 30.0


def create_superuser(
    binary: Path, folders: Sequence[str], email: str, password: str, *, cwd: Path
) -> None:
    """Create the superuser, or give an existing one of this address the new password.

    The binary takes the password as an argument and in no other way: for the tenth of a second
    that this takes, other users of the machine can see it in the list of processes.

    Raises:
        ConnectionFailedError: the binary does not run, or refuses; its output is in the message.
        RequestTimeoutError: it did not end in time.
    """
    # After `--`, a password that begins with a dash is no option.
    command = [str(binary), "superuser", "upsert", *folders, "--", email, password]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            timeout=UPSERT_TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:  # its text holds the command, and so the password
        raise RequestTimeoutError(
            f"{binary} made no superuser within {UPSERT_TIMEOUT:g} s: is its data folder on a slow "
            "disk, or in use by another server?"
        ) from None
    except OSError as problem:
        raise ConnectionFailedError(f"Cannot run {binary}: {problem.strerror}") from None
    if done.returncode != 0:
        said = done.stdout.decode(errors="replace").strip().replace(password, "***")
        raise ConnectionFailedError(
            f"{binary} made no superuser (exit code {done.returncode}). It said:\n{said}"
        )
