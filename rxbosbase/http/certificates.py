"""The authorities that a client trusts to sign the server's certificate."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import cast

import msgspec

from rxbosbase.encoding.control_characters import one_line

__all__ = ("FILES", "FOLDERS", "TrustedCertificates", "check_verify", "trusted_certificates")

FILES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
"""The first that is set counts: the special ones come before the general one, which OpenSSL reads,
and with it curl, Go and httpx."""

FOLDERS = "SSL_CERT_DIR"
"""Folders beside the file; a list, as in OpenSSL."""


class TrustedCertificates(msgspec.Struct, frozen=True):
    """Where the trusted authorities are.

    Attributes:
        verify: a file or a folder; True for those of the library ``certifi``; False for no check
            at all.
        folders: further ones, in a list as of ``PATH``.
        setting: which setting names them, for messages: ``" by SSL_CERT_FILE=/path/to/ca.pem"``.
    """

    verify: bool | str = True
    folders: str = ""
    setting: str = ""


def trusted_certificates(
    verify: object, url: str, environ: Mapping[str, str]
) -> TrustedCertificates:
    """Return the trusted authorities: the argument comes before the environment, which counts for
    ``https://`` alone.

    Raises:
        ValueError: the named file or folder does not exist.
        TypeError: `verify` is neither a bool nor a path.

    >>> trusted_certificates(True, "https://localhost", {"SSL_CERT_FILE": ""})
    TrustedCertificates(verify=True, folders='', setting='')
    """
    given = check_verify(verify)
    if isinstance(given, str):
        return TrustedCertificates(given, setting=_setting({"verify": given}))
    if not given or not url.lower().startswith("https:"):
        return TrustedCertificates(given)
    named: dict[str, str] = {}
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
    return TrustedCertificates(environ[variable] if variable else True, folders, _setting(named))


def check_verify(verify: object) -> bool | str:
    """Return `verify` as `requests` takes it. A false value would switch the check off there."""
    if isinstance(verify, bool):
        return verify
    if not isinstance(verify, (str, os.PathLike)):
        raise TypeError(f"verify must be a bool or a path, not {type(verify).__name__}")
    path: object = os.fspath(cast("os.PathLike[str]", verify))
    if not isinstance(path, str) or not os.path.exists(path):
        raise ValueError(f"verify names no file or folder of certificates: {path!r}")
    return path


def _setting(paths: Mapping[str, str]) -> str:
    text = " and ".join(f"{name}={path}" for name, path in paths.items())
    return one_line(f" by {text}") if text else ""
