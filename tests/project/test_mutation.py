"""What the mutation run tries, and which mutants it is told to leave."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest
from mutation import run, types

ENTRIES = run.named()


def functions_of(module: str) -> set[str]:
    """Each function of the module as ``function`` or ``Class.method``."""
    tree = ast.parse(run.path_of(module).read_text(encoding="utf-8"))
    found = set()
    for node in tree.body:
        members = node.body if isinstance(node, ast.ClassDef) else [node]
        prefix = f"{node.name}." if isinstance(node, ast.ClassDef) else ""
        for member in members:
            if isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef):
                found.add(f"{module}.{prefix}{member.name}")
    return found


def test_the_parts_together_are_the_scope_and_of_about_one_size() -> None:
    """Each module of the scope is in exactly one part; no part has twice another's size."""
    parts = run.parts()
    assert sorted(module for part in parts for module in part) == sorted(set(run.SCOPE))
    assert len(parts) == run.PARTS
    sizes = [sum(len(run.path_of(name).read_bytes()) for name in part) for part in parts]
    assert max(sizes) < 2 * min(sizes)


def test_an_equivalent_mutant_is_of_a_function_that_exists_and_has_a_reason() -> None:
    """Each listed equivalent mutant names an existing function and a reason of three words."""
    known = {function for module in run.SCOPE for function in functions_of(module)}
    assert {function for function, _, _ in ENTRIES} - known == set()
    assert [key for key, why in ENTRIES.items() if len(why.split()) < 3] == []


@pytest.mark.parametrize(
    ("name", "function"),
    [
        (
            "rxbosbase.records.filters.x_build_filter__mutmut_3",
            "rxbosbase.records.filters.build_filter",
        ),
        (
            "rxbosbase.runtime.pool.xǁReadPoolǁsubmit__mutmut_12",
            "rxbosbase.runtime.pool.ReadPool.submit",
        ),
        (
            "rxbosbase.runtime.pool.xǁReadPoolǁ__init____mutmut_1",
            "rxbosbase.runtime.pool.ReadPool.__init__",
        ),
        ("rxbosbase.records.filters.x__quoted__mutmut_3", "rxbosbase.records.filters._quoted"),
    ],
)
def test_a_mutants_function_is_read_from_its_name(name: str, function: str) -> None:
    """The function of a mutant is derived from mutmut's name, also for methods."""
    assert run.Mutant(name, "survived").function == function


def test_a_mutant_is_known_by_its_lines_and_not_by_its_number() -> None:
    """A mutant is identified by the removed and the added line of its diff."""
    diff = "--- a\n+++ b\n@@ -1,3 +1,3 @@\n def f(x):\n-    return x + 1\n+    return x - 1\n"
    assert run.changed(diff) == ("return x + 1", "return x - 1")


def test_the_part_of_a_day_is_one_of_them() -> None:
    """`today` returns the index of an existing part."""
    assert run.today() in range(run.PARTS)


def test_lines_with_a_message_are_left_alone_and_no_others() -> None:
    """`lines_of_prose` returns only lines with a string, those of messages among them."""
    lines = [line.strip() for line in run.lines_of_prose("rxbosbase.records.filters")]
    assert any(line.startswith('"BosBase and older') for line in lines)
    assert not any('"' not in line for line in lines)


NAMED = next(iter(ENTRIES))


def mutants(**counts: int) -> list[run.Mutant]:
    """So many of each status, in a module of no entry."""
    return [
        run.Mutant(f"rxbosbase.none.x_f__mutmut_{number}", status.replace("_", " "), "a", "b")
        for status, count in counts.items()
        for number in range(count)
    ]


@pytest.mark.parametrize(
    ("found", "score"),
    [
        (mutants(killed=3), 100.0),
        (mutants(killed=2, timeout=1, caught_by_type_check=1), 100.0),
        (mutants(killed=3, survived=1), 75.0),
        (mutants(killed=1, no_tests=1), 50.0),
        (mutants(killed=1, suspicious=1, segfault=1, not_checked=1), 25.0),
        ([run.Mutant("rxbosbase.none.x_f__mutmut_1", run.COULD_NOT_RUN[255])], 0.0),
        ([], 0.0),
    ],
)
def test_the_score_is_the_share_that_is_caught(found: list[run.Mutant], score: float) -> None:
    """The score is the percentage of mutants killed, timed out or caught by the type check."""
    assert run.report(found, ["rxbosbase.none"])[0] == score


def test_what_survives_is_shown_unless_it_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """A surviving mutant is printed with its diff unless it is listed as equivalent."""
    function, was, becomes = NAMED
    module, _, name = function.rpartition(".")
    if module.rpartition(".")[2][:1].isupper():  # a method
        module, _, owner = module.rpartition(".")
        name = f"xǁ{owner}ǁ{name}"
    else:
        name = f"x_{name}"
    alive = run.Mutant(f"{module}.{name}__mutmut_1", "survived", was, becomes)
    assert alive.key == NAMED
    score, told = run.report([alive, *mutants(killed=1, survived=1)], [module])
    assert score == 50.0
    assert "1 more change nothing" in told
    shown = capsys.readouterr().out
    assert "rxbosbase.none.x_f__mutmut_0: survived\n  - a\n  + b" in shown
    assert f"{module}.{name}" not in shown


def test_what_is_named_and_caught_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """A listed mutant of a tested module that did not survive is printed as caught or gone."""
    module = max((m for m in run.SCOPE if NAMED[0].startswith(f"{m}.")), key=len)
    run.report(mutants(killed=1), [module])
    assert f"caught or gone: {NAMED[0]}" in capsys.readouterr().out


def test_an_error_counts_for_the_mutant_whose_line_it_is(tmp_path: Path) -> None:
    """`mutant_lines` returns the lines of each mutant but new attributes in `__init__`."""
    source = tmp_path / "mutants.py"
    source.write_text(
        "class A:\n"
        "    def xǁAǁ__init____mutmut_orig(self):\n"
        "        self.a = 1\n"
        "    def xǁAǁ__init____mutmut_1(self):\n"
        "        self.a = None\n"
        "        self.b: int = None\n"
        "    def xǁAǁset__mutmut_12(self):\n"
        "        self.a = None\n",
        encoding="utf-8",
    )
    assert types.mutant_lines(source) == {4, 6, 7, 8}


def test_an_entry_is_a_line_of_each_and_one_reason() -> None:
    """Each entry of the equivalence list has exactly the four keys, and none is repeated."""
    entries = json.loads(run.EQUIVALENT.read_text(encoding="utf-8"))
    assert len(entries) == len(ENTRIES)
    assert {tuple(entry) for entry in entries} == {("function", "was", "becomes", "why")}


@pytest.mark.parametrize("suite", ["unit", "wire"])
def test_no_test_has_an_id_that_pytest_escapes_once_more_when_it_collects_again(suite: str) -> None:
    """No test uses `ids=ascii` or `ids=repr`: mutmut collects twice and would not find it."""
    files = sorted((run.ROOT / "tests" / suite).rglob("test_*.py"))
    escaped = re.compile("ids=(ascii|repr)")
    found = [path.name for path in files if escaped.search(path.read_text(encoding="utf-8"))]
    assert found == []
