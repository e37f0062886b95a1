"""The pytest plugin in a project that uses it, in a pytest run of its own."""

from __future__ import annotations

import ast
import textwrap
import threading
from pathlib import Path

import pytest
from reactivex import operators as ops

from rxbosbase import BosBase
from rxbosbase.testing import VirtualScheduler, record_stream, replay_stream

pytest_plugins = ["pytester", "pytest_rxbosbase"]

ROOT = Path(__file__).parents[2]

ALL_THREE = """
    import pytest

    @pytest.fixture(scope="session")
    def first_pid(bosbase_server):
        return bosbase_server.pid

    def test_the_server_is_real(bosbase_server, bosbase_client, first_pid):
        assert bosbase_client.health()["code"] == 200
        assert bosbase_client.auth_store.record["collectionName"] == "_superusers"
        assert bosbase_server.url == bosbase_client.base_url

    def test_it_is_one_for_all_and_the_client_is_not(bosbase_client, bosbase_server, first_pid):
        assert bosbase_server.pid == first_pid
        assert not bosbase_client.is_closed

    def test_time_is_virtual(virtual_time):
        seen = []
        virtual_time.client.collection("posts").observe("*").subscribe(seen.append)
        virtual_time.advance(3600)
        assert virtual_time.push("posts", "create", {}) == 1
        assert len(seen) == 1
"""

NONE = """
    import sys

    def test_nothing_of_the_library_was_imported():
        assert [name for name in sys.modules if name.startswith("rxbosbase")] == []
"""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A project outside this checkout, whose pytest measures no coverage."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    return pytester


def test_a_project_gets_the_three_fixtures(project: pytest.Pytester) -> None:
    """The plugin gives a project a server per run, a superuser client and a virtual time."""
    project.makepyfile(ALL_THREE)
    result = project.runpytest_subprocess("-p", "pytest_rxbosbase", "-W", "error")
    result.assert_outcomes(passed=3)


def test_the_examples_of_the_fixtures_pass(project: pytest.Pytester) -> None:
    """The test that each fixture's docstring shows passes in a project."""
    plugin = ast.parse((ROOT / "pytest_rxbosbase.py").read_text(encoding="utf-8"))
    fixtures = [node for node in plugin.body if isinstance(node, ast.FunctionDef)]
    docs = [ast.get_docstring(fixture) or "" for fixture in fixtures]
    project.makepyfile("\n".join(textwrap.dedent(doc.partition("Example::")[2]) for doc in docs))
    result = project.runpytest_subprocess("-p", "pytest_rxbosbase", "-W", "error")
    result.assert_outcomes(passed=3)


def test_a_run_without_the_fixtures_imports_nothing(project: pytest.Pytester) -> None:
    """A test run that uses no fixture of the plugin imports nothing of `rxbosbase`."""
    project.makepyfile(NONE)
    result = project.runpytest_subprocess("-p", "pytest_rxbosbase", "-W", "error")
    result.assert_outcomes(passed=1)


def test_the_fixtures_say_what_they_are(project: pytest.Pytester) -> None:
    """`pytest --fixtures` lists the three fixtures of the plugin with their description."""
    result = project.runpytest_subprocess("-p", "pytest_rxbosbase", "--fixtures")
    result.stdout.fnmatch_lines(
        ["bosbase_server *session scope*", "*real server*", "bosbase_client*", "virtual_time*"]
    )


def test_a_real_stream_is_recorded_and_replayed(bosbase_client: BosBase, tmp_path: Path) -> None:
    """`replay_stream` emits events equal to those that `record_stream` wrote to its file."""
    fields = [{"name": "title", "type": "text"}]
    bosbase_client.collections.create({"name": "recorded", "type": "base", "fields": fields})
    posts, recording = bosbase_client.collection("recorded"), tmp_path / "posts.jsonl"
    live: list[object] = []
    done = threading.Event()
    posts.observe("*").pipe(record_stream(recording), ops.take(4)).subscribe(
        live.append, on_completed=done.set
    )
    bosbase_client.realtime.wait_active()
    for title in ("a", "b"):
        posts.delete(posts.create({"title": title})["id"])
    assert done.wait(10)
    again: list[object] = []
    scheduler = VirtualScheduler()
    replay_stream(recording, scheduler=scheduler).subscribe(again.append)
    scheduler.clock.advance(60)
    assert len(again) == 4
    assert again == live
