"""What a missing optional part says to type: it depends on how the package was installed."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

from rxbosbase._extras import install_command, missing_extra

GIT = {
    "url": "https://git.example.com/rxbosbase.git",
    "vcs_info": {"vcs": "git", "requested_revision": "main", "commit_id": "0123abc"},
}
IN_A_FOLDER = {
    "url": "https://ann:secret@git.example.com/all.git",
    "vcs_info": {"vcs": "git", "commit_id": "0"},
    "subdirectory": "py",
}
WHEEL_URL = "https://files.example.com/rxbosbase-0.1.0-py3-none-any.whl"
PIP = f"{shlex.quote(sys.executable)} -m pip"
WHEEL = {"url": WHEEL_URL, "archive_info": {}}


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that makes it look as if pip had installed the package from `origin`."""

    def install(origin: dict[str, Any] | None) -> None:
        info = tmp_path / "site" / "rxbosbase-0.1.0.dist-info"
        info.mkdir(parents=True)
        info.joinpath("METADATA").write_text("Name: rxbosbase\nVersion: 0.1.0\n")
        if origin is not None:
            info.joinpath("direct_url.json").write_text(json.dumps(origin))
        monkeypatch.syspath_prepend(str(info.parent))

    return install


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        (None, "'rxbosbase[demo]'"),
        (GIT, f"'rxbosbase[demo] @ git+{GIT['url']}@0123abc'"),
        (IN_A_FOLDER, "'rxbosbase[demo] @ git+https://git.example.com/all.git@0#subdirectory=py'"),
        (WHEEL, f"'rxbosbase[demo] @ {WHEEL_URL}'"),
        ({"url": "file:///no/such.whl", "archive_info": {}}, "'rxbosbase[demo]'"),
        ({"url": "file:///no/such/folder", "dir_info": {}}, "'rxbosbase[demo]'"),
    ],
    ids=["index", "git", "folder of git", "wheel", "wheel that is gone", "checkout that is gone"],
)
def test_the_command_names_where_the_package_came_from(
    installed: Any, origin: dict[str, Any] | None, expected: str
) -> None:
    """From an index the name is enough; else the command has the address that pip recorded."""
    installed(origin)
    assert install_command("demo") == f"{PIP} install {expected}"


@pytest.mark.parametrize(("editable", "flag"), [(False, ""), (True, "-e ")])
def test_from_a_checkout_the_command_has_its_path(
    installed: Any, tmp_path: Path, editable: bool, flag: str
) -> None:
    """A copy of a checkout gets the extra from there, whatever the current folder is."""
    checkout = tmp_path / "my checkout"
    checkout.mkdir()
    installed({"url": checkout.as_uri(), "dir_info": {"editable": editable}})
    assert install_command("demo") == f"{PIP} install {flag}'{checkout}[demo]'"


def test_the_error_has_the_command(installed: Any) -> None:
    """`MissingExtraError` shows what needs the part, and the command; it holds both."""
    installed(WHEEL)
    error = missing_extra("A DataFrame", "notebook")
    assert str(error) == f"A DataFrame needs an optional part: {error.command}"
    assert error.extra == "notebook" and WHEEL_URL in error.command
