"""Whom a client trusts: the authorities that have to have signed the server's certificate."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from rxbosbase.encoding.control_characters import one_line

__all__ = ["FILES", "FOLDERS", "Trust", "check_verify", "trust_of"]

FILES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
"""The first that is set counts: those for programs of one kind stand before that for all, which
OpenSSL reads, and with it curl, Go and httpx."""

FOLDERS = "SSL_CERT_DIR"
"""Folders beside the file; as OpenSSL has it, a list."""


@dataclass(frozen=True, slots=True)
class Trust:
    """Where the authorities are.

    Attributes:
        verify: a file or a folder; True for those that the library ``certifi`` brings; False for
            no check at all.
        folders: further ones, in a list as of ``PATH``.
        named: by what, for messages: ``" by SSL_CERT_FILE=/path/to/ca.pem"``.
    """

    verify: bool | str = True
    folders: str = ""
    named: str = ""


def trust_of(verify: object, url: str, environ: Mapping[str, str]) -> Trust:
    """Whom to trust: what the user says goes before the environment, which counts for ``https://``
    alone.

    Raises:
        ValueError: what is named is not there.
        TypeError: `verify` is neither a bool nor a path.

    >>> trust_of(True, "https://localhost", {"SSL_CERT_FILE": ""})
    Trust(verify=True, folders='', named='')
    """
    given = check_verify(verify)
    if isinstance(given, str):
        return Trust(given, named=_named({"verify": given}))
    if not given or not url.lower().startswith("https:"):
        return Trust(given)
    named = {}
    if variable := next((each for each in FILES if environ.get(each)), None):
        named[variable] = environ[variable]
    folders = environ.get(FOLDERS, "") if variable in (None, "SSL_CERT_FILE") else ""
    if folders:
        named[FOLDERS] = folders
    for name, value in named.items():
        paths = value.split(os.pathsep) if name == FOLDERS else [value]
        if not any(map(os.path.exists, paths)):
            raise ValueError(
                f"{name} of the environment names no file or folder of certificates: {value!r}; "
                "correct it, unset it, or pass BosBase(url, verify='/path/to/ca.pem')"
            )
    return Trust(environ[variable] if variable else True, folders, _named(named))


def check_verify(verify: object) -> bool | str:
    """`verify` as `requests` takes it. What is merely false there would switch the check off."""
    if isinstance(verify, bool):
        return verify
    if not isinstance(verify, (str, os.PathLike)):
        raise TypeError(f"verify must be a bool or a path, not {type(verify).__name__}")
    path = os.fspath(verify)
    if not isinstance(path, str) or not os.path.exists(path):
        raise ValueError(f"verify names no file or folder of certificates: {path!r}")
    return path


def _named(paths: Mapping[str, str]) -> str:
    told = " and ".join(f"{name}={path}" for name, path in paths.items())
    return one_line(f" by {told}") if told else ""
