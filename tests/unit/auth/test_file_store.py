"""The login in a file: private, never half-written, and safe against hostile files."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import socket
import stat
import threading
import warnings
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from rxbosbase.auth.file_store import LEFTOVER_SECONDS, MAX_FILE_BYTES, FileAuthStore
from rxbosbase.auth.store import AuthState, AuthStore

TOKEN = "head.body.signature"
RECORD = {"id": "u1", "name": "Zażółć", "tags": [1, None]}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "login.json"


@pytest.fixture
def careless_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


# -- saving ---------------------------------------------------------------------------------------


def test_a_login_survives_in_its_file(path: Path) -> None:
    """A new store of the same path returns the saved token and record."""
    FileAuthStore(path).save(TOKEN, RECORD)
    again = FileAuthStore(str(path))
    assert (again.token, again.record) == (TOKEN, RECORD)
    assert again.state == AuthState(TOKEN, RECORD)


def test_a_logout_removes_the_file_and_may_be_repeated(path: Path) -> None:
    """`clear` removes the file; a second `clear` does nothing."""
    store = FileAuthStore(path)
    store.save(TOKEN, RECORD)
    store.clear()
    store.clear()
    assert not path.exists()
    assert FileAuthStore(path).state == AuthState()


def test_a_logout_leaves_no_token_in_what_was_kept_aside(path: Path) -> None:
    """`clear` also removes the `.broken` file, which may contain a token."""
    path.write_text(json.dumps({"token": TOKEN})[:-1])
    store = FileAuthStore(path)
    assert TOKEN in path.with_name("login.json.broken").read_text()
    store.save("d.e.f")
    store.clear()
    assert list(path.parent.iterdir()) == []


def test_a_logout_touches_no_folder_of_that_name_and_nothing_that_a_link_names(path: Path) -> None:
    """`clear` leaves a folder named `.broken`, and removes a link without its target."""
    aside, other = path.with_name("login.json.broken"), path.with_name("other")
    other.write_text(TOKEN)
    aside.mkdir()
    FileAuthStore(path).clear()
    assert aside.is_dir()
    aside.rmdir()
    aside.symlink_to(other)
    FileAuthStore(path).clear()
    assert [each.name for each in path.parent.iterdir()] == ["other"]


def test_a_login_without_a_record_is_one(path: Path) -> None:
    """A login saved without a record is restored with its token and no record."""
    FileAuthStore(path).save(TOKEN)
    assert FileAuthStore(path).state == AuthState(TOKEN)


def test_the_home_folder_is_found_and_missing_folders_are_made_private(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`~` in the path is expanded, and missing folders are created with mode 0700."""
    monkeypatch.setenv("HOME", str(tmp_path))
    FileAuthStore("~/.config/app/login.json").save(TOKEN)
    assert (tmp_path / ".config/app/login.json").exists()
    assert mode(tmp_path / ".config/app") == 0o700


def test_the_file_is_written_before_observers_are_called(path: Path) -> None:
    """When an observer of `changes` is called, the file already contains the new login."""
    store = FileAuthStore(path)
    found: list[str] = []
    store.changes.subscribe(lambda state: found.append(FileAuthStore(path).token))
    store.save(TOKEN, RECORD)
    store.clear()
    assert found == ["", TOKEN, ""]


def test_an_observer_may_use_the_store_from_another_thread(path: Path) -> None:
    """An observer may wait for another thread that uses the store: no lock is held."""
    store = FileAuthStore(path)

    def log_out_elsewhere(state: AuthState) -> None:
        if state.token:
            thread = threading.Thread(target=store.clear)
            thread.start()
            thread.join(5)
            assert not thread.is_alive()

    store.changes.subscribe(log_out_elsewhere)
    store.save(TOKEN)
    assert not path.exists()
    assert store.token == ""


def test_file_and_memory_hold_the_same_login_after_concurrent_saves(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After two concurrent `save` calls, the file and the store contain the same login."""
    store = FileAuthStore(path)
    second = threading.Thread(target=lambda: store.save("the.second.one"))
    real_replace = os.replace

    def overtaken(*names: Any) -> None:
        real_replace(*names)
        if second.ident is None:
            second.start()
            second.join(0.1)  # without a lock it ends within this time

    monkeypatch.setattr(os, "replace", overtaken)
    store.save("the.first.one")
    second.join(5)
    assert FileAuthStore(path).token == store.token == "the.second.one"


def test_what_cannot_be_kept_is_refused_and_leaves_the_old_login(path: Path) -> None:
    """`save` raises for a token or record it cannot store, and the old login stays."""
    store = FileAuthStore(path)
    store.save(TOKEN, RECORD)
    for token, record in (
        ("a\r\nb", None),
        (" a", None),
        ("ż", None),
        (None, None),
        ("a.b.c", {"x": object()}),
        ("a.b.c", {"x": "y" * MAX_FILE_BYTES}),
    ):
        bad: Any = token
        with pytest.raises((ValueError, TypeError)):
            store.save(bad, record)
    assert store.state == FileAuthStore(path).state == AuthState(TOKEN, RECORD)


def test_a_write_that_fails_leaves_the_old_login_in_file_and_memory(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If writing fails, `save` raises OSError, the old login stays and no file is added."""
    store = FileAuthStore(path)
    store.save(TOKEN, RECORD)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        store.save("d.e.f")
    assert store.token == FileAuthStore(path).token == TOKEN
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_the_whole_login_is_on_the_disk_before_it_takes_the_files_place(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`save` calls `fsync` for the complete new file before it replaces the old one."""
    store = FileAuthStore(path)
    store.save(TOKEN, RECORD)
    done: list[tuple[str, int, int]] = []
    real_fsync, real_replace = os.fsync, os.replace

    def note(what: str, info: os.stat_result) -> None:
        done.append((what, info.st_ino, info.st_size))

    def synced(descriptor: int) -> None:
        real_fsync(descriptor)
        note("fsync", os.fstat(descriptor))

    def replaced(source: Any, target: Any) -> None:
        note("replace", os.stat(source))
        real_replace(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", replaced)
    store.save("d.e.f", RECORD)
    file = path.stat()
    same = (file.st_ino, file.st_size)
    assert done == [("fsync", *same), ("replace", *same)]


def test_repr_shows_no_token(path: Path) -> None:
    """The `repr` of a file store shows whether there is a login, and not the token."""
    store = FileAuthStore(path)
    assert repr(store) == "<FileAuthStore: guest>"
    store.save(TOKEN)
    assert repr(store) == "<FileAuthStore: logged in>"


# -- owner and mode -------------------------------------------------------------------------------


@pytest.mark.usefixtures("careless_umask")
def test_the_mode_is_0600_before_the_first_byte_whatever_the_umask(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each file that `save` creates has mode 0600 while still empty, also with umask 0."""
    born: list[tuple[int, int]] = []
    real_open = os.open

    def watched(name: Any, flags: int, *rest: Any, **more: Any) -> int:
        descriptor = real_open(name, flags, *rest, **more)
        if flags & os.O_CREAT:
            info = os.fstat(descriptor)
            born.append((stat.S_IMODE(info.st_mode), info.st_size))
        return descriptor

    monkeypatch.setattr(os, "open", watched)
    store = FileAuthStore(path)
    store.save(TOKEN, RECORD)
    store.save("d.e.f", RECORD)
    assert born == [(0o600, 0), (0o600, 0)]
    assert mode(path) == 0o600


def test_a_file_that_others_could_read_becomes_the_owners_alone(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A file of mode 0644 is read and set to 0600; the logged warning contains no token."""
    path.write_text(json.dumps({"token": TOKEN, "record": None}))
    path.chmod(0o644)
    assert FileAuthStore(path).token == TOKEN
    assert mode(path) == 0o600
    assert "could be read by others" in caplog.text
    assert TOKEN not in caplog.text


def test_a_file_of_another_user_gives_no_login(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file owned by another user gives no login and is renamed to `.broken`."""
    FileAuthStore(path).save(TOKEN)
    monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 12345)
    assert FileAuthStore(path).token == ""
    assert path.with_name("login.json.broken").exists()


def test_root_takes_no_file_of_another_user_either(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root does not load a file of another user; its owner and mode stay when it is renamed."""
    FileAuthStore(path).save(TOKEN)
    if os.geteuid() == 0:
        os.chown(path, 12345, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 0)
    before = path.stat()
    assert FileAuthStore(path).token == ""
    aside = path.with_name("login.json.broken").stat()
    assert (aside.st_uid, aside.st_mode) == (before.st_uid, before.st_mode)


def test_a_link_that_is_swapped_in_while_the_file_is_read_changes_no_other_file(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If a link replaces the file during reading, the mode of its target does not change."""
    other = tmp_path / "other"
    other.write_text("")
    other.chmod(0o644)
    path.write_bytes(WHOLE)
    path.chmod(0o644)
    real_fstat = os.fstat

    def swapped(descriptor: int) -> os.stat_result:
        info = real_fstat(descriptor)
        path.unlink()
        path.symlink_to(other)
        monkeypatch.setattr(os, "fstat", real_fstat)
        return info

    monkeypatch.setattr(os, "fstat", swapped)
    assert FileAuthStore(path).token == TOKEN
    assert mode(other) == 0o644


def test_a_link_that_is_swapped_in_for_what_is_kept_aside_changes_no_other_file(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If a link replaces the `.broken` file, the mode of its target does not change."""
    other = tmp_path / "other"
    other.write_text("")
    other.chmod(0o644)
    path.write_text("nonsense")
    aside = path.with_name("login.json.broken")
    real_replace = os.replace

    def swap(*_: Any) -> bool:
        """Runs just after the rename, or after the check of the renamed file."""
        aside.unlink()
        aside.symlink_to(other)
        return False

    def replaced(*names: Any) -> None:
        real_replace(*names)
        swap()

    for place, name, swapper in ((os, "replace", replaced), (Path, "is_symlink", swap)):
        path.write_text("nonsense")
        with monkeypatch.context() as patched:
            patched.setattr(place, name, swapper)
            FileAuthStore(path)
        assert mode(other) == 0o644


def test_what_becomes_no_file_at_the_last_moment_is_not_read(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If a FIFO replaces the file before it is opened, nothing is read and nothing blocks."""
    path.write_bytes(WHOLE)
    real_open = os.open

    def swapped(name: Any, *rest: Any, **more: Any) -> int:
        if Path(name) == path:
            path.unlink()
            os.mkfifo(path)
        return real_open(name, *rest, **more)

    monkeypatch.setattr(os, "open", swapped)
    assert FileAuthStore(path).token == ""  # and it does not wait for a writer


@pytest.mark.parametrize(("bits", "warned"), [(0o777, True), (0o1777, False), (0o775, False)])
def test_a_world_writable_folder_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, bits: int, warned: bool
) -> None:
    """A folder that every user can write to, without the sticky bit, causes a warning."""
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(bits)
    FileAuthStore(folder / "login.json")
    assert ("every user may remove or replace files" in caplog.text) is warned


# -- files that hold no login ---------------------------------------------------------------------

WHOLE = json.dumps({"token": TOKEN, "record": RECORD}).encode()

HOSTILE: dict[str, bytes] = {
    "empty": b"",
    "truncated": WHOLE[: len(WHOLE) // 2],
    "truncated by one": WHOLE[:-1],
    "binary": bytes(range(256)) * 10,
    "zeros": b"\0" * 100,
    "huge": WHOLE[:-1] + b" " * MAX_FILE_BYTES + b"}",
    "deep": b'{"token": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "another document": b"[1, 2]",
    "a number": b"1",
    "null": b"null",
    "no token": b'{"record": {}}',
    "an empty token": b'{"token": ""}',
    "a token that is a number": b'{"token": 1}',
    "a token that is a list": b'{"token": ["a"]}',
    "a token with a line break": b'{"token": "a\\r\\nX-Evil: 1"}',
    "a token with NUL": b'{"token": "a\\u0000b"}',
    "a token with an outer space": b'{"token": " a"}',
    "a token that is not ASCII": '{"token": "ż"}'.encode(),
    "a record that is a list": b'{"token": "a.b.c", "record": []}',
    "half a surrogate": b'{"token": "\\ud800"}',
    "invalid UTF-8": b'{"token": "\xff"}',
    "NaN": b'{"token": NaN}',
    "a byte order mark": b"\xef\xbb\xbf" + WHOLE,
    "two documents": WHOLE + WHOLE,
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_file_is_kept_aside_and_treated_as_logged_out(
    path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """An invalid file gives no login and is renamed to `.broken`, mode 0600; `save` works."""
    path.write_bytes(content)
    path.chmod(0o644)
    store = FileAuthStore(path)
    aside = path.with_name("login.json.broken")
    assert store.state == AuthState()
    assert not path.exists()
    assert aside.read_bytes() == content
    assert mode(aside) == 0o600
    assert "you are logged out" in caplog.text
    assert TOKEN not in caplog.text
    store.save(TOKEN, RECORD)
    assert FileAuthStore(path).token == TOKEN
    assert aside.exists()


def test_a_token_that_is_no_jwt_is_one_without_an_end(path: Path) -> None:
    """A stored token that is no JWT is loaded; it has no expiry and is not valid."""
    path.write_text('{"token": "not.a.jwt", "record": {"id": 1}}')
    path.chmod(0o600)
    store = FileAuthStore(path)
    assert store.token == "not.a.jwt"
    assert store.state.expires is None
    assert not store.is_valid


def test_an_unreadable_file_is_kept_aside(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file without read permission gives no login and is renamed to `.broken`."""
    FileAuthStore(path).save(TOKEN)
    real_open = os.open

    def forbidden(name: Any, *rest: Any, **more: Any) -> int:  # root may read everything
        if Path(name) == path:
            raise PermissionError(13, "Permission denied")
        return real_open(name, *rest, **more)

    monkeypatch.setattr(os, "open", forbidden)
    assert FileAuthStore(path).token == ""
    assert path.with_name("login.json.broken").exists()


def test_an_invalid_file_that_cannot_be_renamed_gives_no_login(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """An invalid file that cannot be renamed gives no login, stays unchanged and is logged."""
    path.write_text("nonsense")
    (path.parent / "login.json.broken").mkdir()
    assert FileAuthStore(path).token == ""
    assert path.read_text() == "nonsense"
    assert "stays there" in caplog.text


def test_a_link_is_not_followed_and_what_it_names_is_not_touched(
    path: Path, tmp_path: Path
) -> None:
    """A symbolic link gives no login and is renamed; its target keeps its content and mode."""
    other = tmp_path / "other.json"
    other.write_bytes(WHOLE)
    other.chmod(0o644)
    path.symlink_to(other)
    store = FileAuthStore(path)
    assert store.token == ""
    assert path.with_name("login.json.broken").is_symlink()
    store.save("d.e.f")
    assert not path.is_symlink()
    assert other.read_bytes() == WHOLE
    assert mode(other) == 0o644


def test_a_link_to_nowhere_is_kept_aside_too(path: Path) -> None:
    """`save` replaces a symbolic link without a target and does not create the target."""
    path.symlink_to("nowhere")
    FileAuthStore(path).save(TOKEN)
    assert not path.is_symlink()
    assert not (path.parent / "nowhere").exists()


def test_a_folder_a_fifo_and_a_socket_are_refused_untouched(tmp_path: Path) -> None:
    """Raise ValueError for a folder, FIFO, socket or device, and leave its mode unchanged."""
    folder, fifo, plug = (tmp_path / name for name in ("folder", "fifo", "plug"))
    folder.mkdir()
    os.mkfifo(fifo)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(plug))
        for path in (folder, fifo, plug, Path("/dev/null")):
            before = path.lstat().st_mode
            with pytest.raises(ValueError, match="give the path of a file"):
                FileAuthStore(path)
            assert path.lstat().st_mode == before


def test_a_folder_that_cannot_be_used_is_an_error_at_once(tmp_path: Path) -> None:
    """Raise OSError when the store is created below a path that is no folder."""
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        FileAuthStore(tmp_path / "file" / "login.json")


# -- crashes, and other programs ------------------------------------------------------------------


@contextlib.contextmanager
def forked_saver(path: Path) -> Generator[tuple[int, int]]:
    """The id of a child that saves without a pause, and a pipe that gets a byte for each save."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the child runs no threads
        child = os.fork()
    if child == 0:
        try:
            logging.disable()
            store = FileAuthStore(path)
            number = 0
            while True:
                number += 1
                store.save(f"child.{number}.{'x' * (number % 50_000)}", RECORD)
                os.write(writing, b".")
        finally:
            os._exit(1)
    try:
        yield child, reading
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(reading)
        os.close(writing)


def test_kill_9_in_the_middle_of_writing_leaves_a_whole_login(path: Path) -> None:
    """SIGKILL during `save` leaves a complete login of mode 0600 in the file."""
    FileAuthStore(path).save(TOKEN, RECORD)
    for saves in range(1, 21):
        with forked_saver(path) as (child, reading):
            for _ in range(saves):
                os.read(reading, 1)
            os.kill(child, signal.SIGKILL)
        store = FileAuthStore(path)
        assert store.token.startswith("child.")
        assert store.record == RECORD
        assert mode(path) == 0o600
    assert not path.with_name("login.json.broken").exists()


def test_what_a_killed_program_left_half_written_is_removed(path: Path) -> None:
    """A new store removes temporary files older than `LEFTOVER_SECONDS`, and no newer ones."""
    store = FileAuthStore(path)
    store.save(TOKEN)
    old, new = (path.parent / f".login.json.{name}.new" for name in ("old", "young"))
    for each in (old, new):
        each.write_text("a.half.token")
    then = path.stat().st_mtime - LEFTOVER_SECONDS - 1
    os.utime(old, (then, then))
    FileAuthStore(path)
    assert not old.exists()
    assert new.exists()  # another program may still write it


def test_two_programs_that_share_a_file_never_see_half_a_login(path: Path) -> None:
    """While two processes save to one file, every read returns a complete login."""
    with forked_saver(path) as (_, first), forked_saver(path) as (_, second):
        os.read(first, 1)
        os.read(second, 1)
        for _ in range(100):
            assert FileAuthStore(path).token.startswith("child.")
    assert not path.with_name("login.json.broken").exists()


def test_a_store_of_ones_own_can_be_built_on_the_plain_one() -> None:
    """A subclass of `AuthStore` may override `save`, which stores the token in both places."""
    kept: dict[str, Any] = {}

    class Elsewhere(AuthStore):
        def save(self, token: str, record: Any = None) -> None:
            super().save(token, record)
            kept["token"] = token

    store = Elsewhere()
    store.save(TOKEN)
    assert kept == {"token": store.token} == {"token": TOKEN}
