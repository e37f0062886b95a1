"""What to type to install an optional part, in the way in which this copy was installed.

The package may be on no index: then only the path or address that it came from works. pip
records it ("Recording the Direct URL Origin of installed distributions", PyPA specifications).
"""

from __future__ import annotations

import json
import re
import shlex
import sys
from importlib.metadata import Distribution, PackageNotFoundError
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from .errors import MissingExtraError

__all__ = ("install_command", "missing_extra")

NAME = "rxbosbase"


def missing_extra(what: str, extra: str) -> MissingExtraError:
    """Return the error for a part that needs `extra`, such as ``("The dashboard", "dashboard")``.

    >>> missing_extra("A DataFrame", "notebook").extra
    'notebook'
    """
    return MissingExtraError(what, extra, install_command(extra))


def install_command(extra: str) -> str:
    """Return the command that adds `extra` to this copy of the package."""
    origin: dict[str, Any]
    try:
        origin = _origin(Distribution.from_name(NAME))
    except PackageNotFoundError:  # run from a checkout
        origin = {"url": Path(__file__).parents[1].as_uri(), "dir_info": {}}
    # Of this interpreter: a bare `pip` may be that of another one.
    return f"{shlex.quote(sys.executable)} -m pip install {_requirement(origin, extra)}"


def _origin(installed: Distribution) -> dict[str, Any]:
    """Return pip's record of where the package came from; {} if it came from an index."""
    text = installed.read_text("direct_url.json")
    found: dict[str, Any] = json.loads(text) if text else {}
    return found


def _requirement(origin: dict[str, Any], extra: str) -> str:
    wanted = f"{NAME}[{extra}]"
    url = re.sub(r"//[^/@]*@", "//", origin.get("url", ""), count=1)  # without credentials
    path = Path(unquote(urlsplit(url).path))
    if "vcs_info" in origin:
        info = origin["vcs_info"]
        inside = f"#subdirectory={folder}" if (folder := origin.get("subdirectory")) else ""
        return shlex.quote(f"{wanted} @ {info['vcs']}+{url}@{info['commit_id']}{inside}")
    if not url or (url.startswith("file:") and not path.exists()):  # of an index, or gone
        return shlex.quote(wanted)
    if "dir_info" not in origin:
        return shlex.quote(f"{wanted} @ {url}")
    flag = "-e " if origin["dir_info"].get("editable") else ""
    return flag + shlex.quote(f"{path}[{extra}]")
