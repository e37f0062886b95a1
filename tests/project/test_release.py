"""What a release runs: files that exist, versions of one list, and checks that refuse."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
SETUP = configparser.ConfigParser()
SETUP.read(ROOT / "setup.cfg", encoding="utf-8")
CLASSIFIERS = SETUP["metadata"]["classifiers"].split("\n")
VERSIONS = re.findall(r"Python :: (3\.\d+)$", SETUP["metadata"]["classifiers"], re.M)


def read(workflow: Path) -> dict[Any, Any]:
    yaml = pytest.importorskip("yaml", reason="needs the extra `docs`")
    found: dict[Any, Any] = yaml.safe_load(workflow.read_text(encoding="utf-8"))
    return found


def steps(workflow: Path) -> list[dict[str, Any]]:
    return [step for job in read(workflow)["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_runs_files_that_exist_and_may_do_little(workflow: Path) -> None:
    """Each script that a step runs exists; the workflow itself may only read the repository."""
    assert read(workflow)["permissions"] == {"contents": "read"}
    scripts = [re.findall(r"\.ci/\w+", step.get("run", "")) for step in steps(workflow)]
    named = [script for found in scripts for script in found]
    assert named and all((ROOT / script).is_file() for script in named)


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_installs_the_versions_that_the_classifiers_name(workflow: Path) -> None:
    """The versions of Python in a workflow are those of `setup.cfg`, the oldest one last."""
    (wanted,) = (
        step["with"]["python-version"].split()
        for step in steps(workflow)
        if "python-version" in step.get("with", {})
    )
    assert sorted(wanted, key=VERSIONS.index) == VERSIONS
    assert wanted[-1] == VERSIONS[0], "the last one is python3, and python3 runs README's command"


def test_only_the_job_that_publishes_has_an_identity() -> None:
    """The job that signs and uploads runs nothing of the repository; no other has its rights."""
    jobs = read(ROOT / ".github" / "workflows" / "release.yml")["jobs"]
    assert jobs["publish"]["permissions"] == {"id-token": "write"}
    assert not any("run" in step for step in jobs["publish"]["steps"])
    assert "permissions" not in jobs["build"]


def test_ci_reads_its_versions_from_the_classifiers() -> None:
    """`.ci/versions` prints the classifiers' versions; the first is that of `python_requires`."""
    printed = subprocess.run(
        [ROOT / ".ci" / "versions"], capture_output=True, text=True, check=True
    )
    assert printed.stdout.split() == VERSIONS
    assert SETUP["options"]["python_requires"] == f">={VERSIONS[0]}"


@pytest.mark.parametrize("version", VERSIONS)
def test_an_interpreter_that_is_found_is_of_that_version(version: str) -> None:
    """`.ci/versions 3.X` prints an interpreter that runs, or nothing and 1."""
    found = subprocess.run([ROOT / ".ci" / "versions", version], capture_output=True, text=True)
    path = found.stdout.strip()
    assert (found.returncode == 0) == bool(path)
    command = [path, "--version"] if path else ["echo", f"Python {version}.x is not here"]
    told = subprocess.run(command, capture_output=True, text=True)
    assert told.stdout.startswith(f"Python {version}.")


def release(checkout: Path, *arguments: str) -> str:
    """Run `.ci/release`, which has to refuse; return what it says."""
    done = subprocess.run(
        [checkout / ".ci" / "release", *arguments],
        env={name: value for name, value in os.environ.items() if name != "RXBOSBASE_REPOSITORY"},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout
    return done.stderr


def git(checkout: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=Ann", "-c", "user.email=ann@example.com")
    subprocess.run(["git", *identity, *arguments], cwd=checkout, check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with what `.ci/release` checks before it builds anything."""
    for name in (".ci", "changelog.d"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "setup.cfg", tmp_path)
    shutil.copy(ROOT / "CHANGELOG.md", tmp_path)
    return tmp_path


def test_a_release_is_refused_until_version_notes_and_tag_agree(checkout: Path) -> None:
    """Another version, missing notes, fragments that are left, no tag and no address: refused."""
    assert "another version than 9.9.9" in release(checkout, "--version", "9.9.9")
    version = SETUP["metadata"]["version"]
    assert f"no section {version}" in release(checkout, "--version", version)
    changelog = checkout / "CHANGELOG.md"
    changelog.write_text(f"## {version} (2026-01-01)\n", encoding="utf-8")
    (checkout / "changelog.d" / "+left.added.md").write_text("Left.\n", encoding="utf-8")
    assert "fragments are left" in release(checkout, "--version", version)
    for fragment in (checkout / "changelog.d").glob("+*.md"):
        fragment.unlink()
    git(checkout, "init", "--quiet")
    git(checkout, "add", "--all")
    git(checkout, "commit", "--quiet", "--message", "A release")
    git(checkout, "tag", f"v{version}.post1")
    assert f"no tag v{version}" in release(checkout, "--version", version)
    git(checkout, "tag", f"v{version}")  # a lightweight one, beside another
    assert "RXBOSBASE_REPOSITORY=https://" in release(checkout, "--version", version)


def test_a_release_needs_to_be_told_what_to_do(checkout: Path) -> None:
    """Without a mode, with an unknown argument, or with a folder in use, nothing is built."""
    assert "--check, or --version" in release(checkout)
    assert "unknown argument" in release(checkout, "--force")
    assert "--publish needs --version" in release(checkout, "--check", "--publish")
    assert "is not empty" in release(checkout, "--check", "--into", "changelog.d")
