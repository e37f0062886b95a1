"""A self-signed certificate for 127.0.0.1 and localhost, made by the ``openssl`` binary."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from pathlib import Path

import pytest

__all__ = ["make_certificate", "server_context"]


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Write ``cert.pem`` (also the CA file of a client) and ``key.pem``; skips without openssl."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("TLS is NOT TESTED here: install the openssl command")
    cert, key = folder / "cert.pem", folder / "key.pem"
    command = [
        *(openssl, "req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=localhost"),
        *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
        *("-keyout", str(key), "-out", str(cert)),
        *("-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"),
        # Python 3.13 verifies strictly: a certificate that is its own CA needs this usage.
        *("-addext", "keyUsage=critical,digitalSignature,keyCertSign"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    if done.returncode:
        raise RuntimeError(f"openssl made no certificate:\n{done.stderr}")
    return cert, key


def server_context(cert: Path, key: Path) -> ssl.SSLContext:
    """Return the TLS settings of a server with this certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context
