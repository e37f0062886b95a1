"""The notebooks: each runs from top to bottom as a reader would run it, and leaves nothing."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.notebooks import NOTEBOOKS, execute, executed, keep, read

NEEDED = ("nbclient", "ipykernel", "matplotlib", "pandas")
EXTRA = "NO NOTEBOOK TESTS: pip install 'rxbosbase[demo,notebook]'"

NOTE_WHAT_IS_THERE = """
import json, threading
import psutil

_threads, _processes = set(threading.enumerate()), set(psutil.Process().children(recursive=True))
"""

# The kernel keeps for itself who sends large pictures, and its loop's workers for `to_thread`.
TELL_WHAT_IS_LEFT = """
_threads = {
    thread
    for thread in set(threading.enumerate()) - _threads
    if not type(thread).__module__.startswith("zmq.") and not thread.name.startswith("asyncio_")
}
for _thread in _threads:
    _thread.join(2)
_processes = set(psutil.Process().children(recursive=True)) - _processes
print(
    json.dumps(
        {
            "threads": [thread.name for thread in _threads if thread.is_alive()],
            "processes": [process.name() for process in _processes],
        }
    )
)
"""


def name_of(path: Path) -> str:
    return path.stem


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder of a short name: sockets in it have to fit into 100 bytes."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def probe(source: str) -> Any:
    import nbformat

    return nbformat.v4.new_code_cell(source)


def test_there_are_four() -> None:
    """There are four notebooks, numbered from 1 to 4."""
    assert [path.name[:2] for path in NOTEBOOKS] == ["1-", "2-", "3-", "4-"]


@pytest.mark.timeout(180)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=name_of)
def test_a_notebook_runs_to_its_end_complains_of_nothing_and_leaves_nothing(
    path: Path, home: Path
) -> None:
    """A notebook runs to its end without stderr output and leaves no thread or process."""
    for needed in NEEDED:
        pytest.importorskip(needed, reason=EXTRA)
    notebook = read(path)
    notebook.cells.insert(0, probe(NOTE_WHAT_IS_THERE))
    notebook.cells.append(probe(TELL_WHAT_IS_LEFT))

    execute(notebook, home)

    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert [output.text for output in outputs if output.get("name") == "stderr"] == []
    assert json.loads(outputs[-1].text) == {"threads": [], "processes": []}
    del notebook.cells[0], notebook.cells[-1]
    keep(notebook, path)


def test_an_executed_notebook_that_was_kept_is_not_executed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stored execution of an unchanged notebook is used instead of a new one."""
    pytest.importorskip("nbclient", reason=EXTRA)
    monkeypatch.setenv("RXBOSBASE_NOTEBOOKS", str(tmp_path))
    notebook = read(NOTEBOOKS[0])
    notebook.cells[0].metadata["kept"] = True
    keep(notebook, NOTEBOOKS[0])
    assert executed(NOTEBOOKS[0]).cells[0].metadata == {"kept": True}


def test_one_that_was_kept_before_its_cells_were_changed_is_executed_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stored execution of a notebook whose cells have changed since is not used."""
    for needed in NEEDED:
        pytest.importorskip(needed, reason=EXTRA)
    monkeypatch.setenv("RXBOSBASE_NOTEBOOKS", str(tmp_path / "kept"))
    path = tmp_path / "1-small.ipynb"
    notebook = read(NOTEBOOKS[0])
    notebook.cells = [probe("1 + 1")]
    keep(notebook, path)
    notebook.cells = [probe("1 + 2")]
    path.write_text(json.dumps(notebook), encoding="utf-8")
    [cell] = executed(path).cells
    assert cell.outputs[0].data == {"text/plain": "3"}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name_of)
def test_what_is_kept_of_a_notebook_is_what_somebody_wrote(path: Path) -> None:
    """A notebook in the repository has no outputs, counts or metadata of a machine."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert notebook["metadata"] == {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    assert [cell["id"] for cell in notebook["cells"] if cell.get("outputs")] == []
    assert [cell["id"] for cell in notebook["cells"] if cell.get("execution_count")] == []
    assert [cell["id"] for cell in notebook["cells"] if cell["metadata"]] == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name_of)
def test_the_cells_of_a_notebook_have_names_that_stay(path: Path) -> None:
    """The cells of a notebook have unique ids that consist of words."""
    ids = [cell["id"] for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]]
    assert len(set(ids)) == len(ids)
    assert [id for id in ids if not re.fullmatch(r"[a-z]+(-[a-z]+)*", id)] == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name_of)
def test_a_notebook_brings_its_server_and_says_what_it_needs(path: Path) -> None:
    """A notebook starts its own server and names the extras that it needs."""
    text = path.read_text(encoding="utf-8")
    assert "EmbeddedServer(" in text
    assert "pip install 'rxbosbase[demo,notebook]'" in text


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name_of)
def test_the_table_of_notebooks_leads_to_it(path: Path) -> None:
    """The README of the notebooks has a link to each notebook."""
    assert f"]({path.name})" in (path.parent / "README.md").read_text(encoding="utf-8")
