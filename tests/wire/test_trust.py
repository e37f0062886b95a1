"""Trusted certificates of the environment: for requests, streams, doctor and the commands."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import certifi
import pytest
from support import wire_server as wire
from support.command import run
from support.realtime_client import connect, wait_state
from support.seen import Seen

from rxbosbase import BosBase, ConnectionFailedError, RecordEvent
from rxbosbase.cli.connection_checks import run_checks
from rxbosbase.http.certificates import FILES, FOLDERS, TrustedCertificates, trusted_certificates

VARIABLES = (*FILES, FOLDERS)


@pytest.fixture
def secure(monkeypatch: pytest.MonkeyPatch) -> Iterator[wire.WireServer]:
    """Yield a server whose certificate no authority of the system has signed."""
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    with wire.WireServer(tls=True) as running:
        yield running


def authority(server: wire.WireServer) -> str:
    assert server.ca_file is not None
    return str(server.ca_file)


def folder_of(server: wire.WireServer, folder: Path) -> Path:
    """Return a folder in OpenSSL's form: each file is named by the hash of its subject."""
    command = ["openssl", "x509", "-noout", "-hash", "-in", authority(server)]
    name = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout
    folder.mkdir()
    shutil.copy(authority(server), folder / f"{name.strip()}.0")
    return folder


def serves_requests_and_the_stream(server: wire.WireServer) -> None:
    seen: Seen[RecordEvent[dict[str, Any]]] = Seen()
    with connect(server) as client:
        assert client.health()["code"] == 200
        client.collection("posts").subscribe("*", seen)
        server.send("posts/*", {"id": "a"}, "create")
        assert seen.wait(1)[0].record["id"] == "a"


@pytest.mark.parametrize("variable", FILES)
def test_a_file_that_the_environment_names_serves_requests_and_the_stream(
    secure: wire.WireServer, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """A CA file named by the environment works for requests and the stream."""
    monkeypatch.setenv(variable, authority(secure))
    serves_requests_and_the_stream(secure)


def test_a_folder_of_the_environment_works_beside_a_file(
    secure: wire.WireServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`SSL_CERT_DIR` may be a list and is used beside `SSL_CERT_FILE` alone."""
    folder = folder_of(secure, tmp_path / "certs")
    monkeypatch.setenv(FOLDERS, f"/nowhere{os.pathsep}{folder}")
    serves_requests_and_the_stream(secure)
    monkeypatch.setenv("SSL_CERT_FILE", certifi.where())
    serves_requests_and_the_stream(secure)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", certifi.where())
    with BosBase(secure.url) as client, pytest.raises(ConnectionFailedError, match="cannot trust"):
        client.health()


@pytest.mark.parametrize("first", range(len(FILES)))
def test_the_first_variable_counts(first: int) -> None:
    """The first variable in the order of `FILES` names the CA file, for https alone."""
    there = [str(Path(__file__).parents[n]) for n in range(len(FILES))]
    environ: dict[str, str] = dict(list(zip(FILES, there, strict=True))[first:])
    expected = TrustedCertificates(there[first], "", f" by {FILES[first]}={there[first]}")
    for url in ("https://localhost", "HTTPS://localhost"):
        assert trusted_certificates(True, url, environ) == expected
    assert trusted_certificates(True, "http://localhost", environ) == TrustedCertificates()
    assert trusted_certificates(False, "https://localhost", environ) == TrustedCertificates(False)


def test_verify_takes_precedence_over_the_environment(
    secure: wire.WireServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The `verify` of a client takes precedence over the environment."""
    for variable in VARIABLES:
        monkeypatch.setenv(variable, "/nowhere")
    with BosBase(secure.url, verify=authority(secure)) as client:
        assert client.health()["code"] == 200
    with pytest.warns(UserWarning, match="not checked"):
        BosBase(secure.url, verify=False).close()


@pytest.mark.parametrize("variable", VARIABLES)
def test_a_variable_that_names_no_file_is_an_error_for_https(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """A variable that names no file raises `ValueError` at once, for https alone."""
    for each in VARIABLES:
        monkeypatch.delenv(each, raising=False)
    monkeypatch.setenv(variable, "/nowhere/ca.pem")
    with pytest.raises(ValueError, match=rf"{variable} of the environment .*'/nowhere/ca\.pem'"):
        BosBase("https://localhost:1")
    BosBase("http://localhost:1").close()
    monkeypatch.setenv(variable, "")
    BosBase("https://localhost:1").close()


@pytest.mark.parametrize("wrong", ["no certificate", "another authority"])
def test_an_error_has_the_variable_that_named_the_file(
    secure: wire.WireServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, wrong: str
) -> None:
    """An error of an untrusted certificate has the variable that named the CA file."""
    path = Path(__file__)  # holds no certificate
    if wrong == "another authority":
        path = tmp_path / "other.pem"
        with wire.WireServer(tls=True) as other:
            shutil.copy(authority(other), path)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    with BosBase(secure.url) as client:
        with pytest.raises(ConnectionFailedError, match=rf"by SSL_CERT_FILE={path}: "):
            client.health()
        client.collection("posts").observe("*", check=False).subscribe()
        wait_state(client, "waiting")
        with pytest.raises(TimeoutError, match=f"SSL_CERT_FILE={path}"):
            client.realtime.wait_active(0.01)


def test_a_file_deleted_meanwhile_is_named(
    secure: wire.WireServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The error for a CA file that was deleted meanwhile has its variable and path."""
    path = tmp_path / "ca.pem"
    shutil.copy(authority(secure), path)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    with BosBase(secure.url) as client:
        path.unlink()
        with pytest.raises(ConnectionFailedError, match=rf"SSL_CERT_FILE={path}, which is gone"):
            client.health()


def test_doctor_and_the_commands_use_the_same_certificates(
    secure: wire.WireServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`doctor` and `run_checks` use the CA file of the environment or report it missing."""
    env = {"SSL_CERT_FILE": authority(secure)}
    done = run("doctor", secure.url, env=env)
    assert "health: the server is healthy" in done.stdout, done.stderr
    assert "PB_CONNECT" in done.stdout
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere")
    with pytest.raises(ValueError, match="SSL_CERT_FILE"):
        list(run_checks(secure.url))
    missing = run("doctor", secure.url, env={"SSL_CERT_FILE": "/nowhere"})
    assert missing.returncode == 1
    assert missing.stderr.startswith("rxbosbase: SSL_CERT_FILE of the environment names no file")
