"""The architecture: what may import what, in which layers, and how large a module may grow.

``PYTHONPATH=tests python -m project.test_architecture`` draws the imports into CONTRIBUTING.md.
"""

from __future__ import annotations

import ast
import graphlib
import importlib
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest
from mutation.pure import PURE

from rxbosbase.errors import MissingExtraError

ROOT = Path(__file__).parents[2]
PACKAGE = "rxbosbase"

MODULE_LIMIT = 400
MODULE_MEDIAN = 120
FUNCTION_LIMIT = 40
OPERATOR_LIMIT = 120

CLOCKS = {"time", "sched"}
IMPURE = CLOCKS | {
    *("asyncio", "concurrent", "contextvars", "multiprocessing", "queue", "threading", "_thread"),
    *("ftplib", "http", "requests", "select", "selectors", "smtplib", "socket", "ssl", "urllib3"),
    *("fcntl", "glob", "mmap", "os", "pathlib", "shutil", "signal", "subprocess", "tempfile"),
    *("random", "secrets", "uuid"),
    *("urllib.request", "urllib.error"),
}
IMPURE_CALLS = {
    *("input", "open", "print"),
    *("date.today", "datetime.now", "datetime.today", "datetime.utcnow"),
}

# Late imports keep what is optional, or much and not always used, out of `import rxbosbase`;
# nothing else is a reason for one.
MAY_IMPORT_LATE = ("rxbosbase.cli",)
MAY_BE_IMPORTED_LATE = (
    "rxbosbase.aio",
    "rxbosbase.dashboard",
    "rxbosbase.dataframes",
    "rxbosbase.live",
    "rxbosbase.server",
)
HEAVY = {"asyncio", "hypothesis", "pandas", "panel", "pytest", "rich", "typer"}


# -- reading the package


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {name_of(path): path for path in sorted((ROOT / PACKAGE).rglob("*.py"))}
OPERATORS = [
    name
    for name in FILES
    if name.startswith("rxbosbase.operators.") and not name.rpartition(".")[2].startswith("_")
]


TIMED = [
    "rxbosbase.runtime.backoff",
    "rxbosbase.runtime.retry",
    *(name for name in FILES if name.startswith("rxbosbase.operators.")),
]


@cache
def tree_of(name: str) -> ast.Module:
    return ast.parse(FILES[name].read_text(encoding="utf-8"))


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def walk(node: ast.AST, *, enter: Callable[[ast.AST], bool]) -> Iterator[ast.AST]:
    """All nodes below this one, in no part that ``enter`` refuses."""
    for child in ast.iter_child_nodes(node):
        if enter(child):
            yield child
            yield from walk(child, enter=enter)


def imports_at(nodes: Iterable[ast.AST], importer: str) -> Iterator[str]:
    """The full names of the modules that these nodes import."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = source_of(node, importer)
            for alias in node.names:
                submodule = f"{base}.{alias.name}"
                yield submodule if submodule in FILES or base == "urllib" else base


def source_of(node: ast.ImportFrom, importer: str) -> str:
    if not node.level:
        return node.module or ""
    package = importer.split(".")
    if FILES[importer].name != "__init__.py":
        package.pop()
    package = package[: len(package) - node.level + 1]
    return ".".join([*package, node.module] if node.module else package)


@cache
def imports_of(name: str) -> frozenset[str]:
    """What a module imports when it is imported or used, type checking left out."""
    nodes = walk(tree_of(name), enter=lambda node: not is_type_checking(node))
    return frozenset(imports_at(nodes, name))


def is_function(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)


def early_imports_of(name: str) -> frozenset[str]:
    """What a module imports when it is imported: not what its functions do."""
    nodes = walk(
        tree_of(name), enter=lambda node: not (is_type_checking(node) or is_function(node))
    )
    return frozenset(imports_at(nodes, name))


def belongs_to(name: str, roots: Iterable[str]) -> bool:
    return any(name == root or name.startswith(f"{root}.") for root in roots)


def existing(names: Iterable[str]) -> list[str]:
    return [name for name in names if name in FILES]


# -- the pure modules


def impurities(name: str, seen: set[str]) -> Iterator[str]:
    """What makes a module impure, with the way there."""
    seen.add(name)
    for imported in sorted(imports_of(name)):
        if belongs_to(imported, IMPURE):
            yield f"{name} imports {imported}"
        elif imported in FILES and imported not in seen:
            yield from (f"{name} > {trail}" for trail in impurities(imported, seen))
    for node in ast.walk(tree_of(name)):
        if isinstance(node, ast.Call):
            called = ".".join(ast.unparse(node.func).split(".")[-2:])
            if called in IMPURE_CALLS:
                yield f"{name}:{node.lineno} calls {called}()"


def test_the_pure_modules_include_those_in_other_packages() -> None:
    """The derived list holds the errors, the events, filters and models, and the places whole."""
    names = ("errors", "events", "auth.login", "records.filters", "records.models", "http.chunked")
    expected = {
        f"rxbosbase.{name}" for name in (*names, "testing.collation", "runtime.retry_delay")
    }
    assert expected <= set(PURE)
    assert len(PURE) > 45


@pytest.mark.parametrize("name", PURE)
def test_a_pure_module_reaches_no_io_no_thread_no_clock_and_no_randomness(name: str) -> None:
    """A pure module imports no I/O, thread, clock or randomness, nor does what it imports."""
    assert list(impurities(name, set())) == []


@pytest.mark.parametrize("name", TIMED)
def test_what_is_timed_takes_its_time_from_a_scheduler(name: str) -> None:
    """The retry mechanism, its policy, and each module of the operators import no clock."""
    clocks = {imported for imported in imports_of(name) if belongs_to(imported, CLOCKS)}
    assert clocks == set()


def test_the_check_sees_an_impurity_behind_an_import() -> None:
    """The check reports an impure import of an imported module, with the import path."""
    found = list(impurities("rxbosbase.server", set()))
    assert any("rxbosbase.server > rxbosbase.server.embedded imports os" in f for f in found)


# -- sizes


def lines_of(name: str) -> int:
    return len(FILES[name].read_text(encoding="utf-8").splitlines())


@pytest.mark.parametrize("name", FILES)
def test_no_module_outgrows_its_limit(name: str) -> None:
    """No module has more than `MODULE_LIMIT` lines."""
    assert lines_of(name) <= MODULE_LIMIT


def test_most_modules_are_short() -> None:
    """The median length of the modules is at most `MODULE_MEDIAN` lines."""
    assert statistics.median(map(lines_of, FILES)) <= MODULE_MEDIAN


def body_length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


@pytest.mark.parametrize("name", FILES)
def test_no_function_outgrows_its_limit(name: str) -> None:
    """No function has more than `FUNCTION_LIMIT` lines, its docstring not counted."""
    functions = (
        node
        for node in ast.walk(tree_of(name))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    lengths = {f"{node.name}:{node.lineno}": body_length(node) for node in functions}
    assert {at: length for at, length in lengths.items() if length > FUNCTION_LIMIT} == {}


# -- the direction of imports

Graph = dict[str, set[str]]
"""Each node, and the nodes that it imports."""

MOST_NODES = 24
MOST_LAYERS = 11
GUIDE = ROOT / "CONTRIBUTING.md"
BEGIN, END = "<!-- the imports, as tests/project/test_architecture.py drew them -->", "<!-- end -->"
DRAWN = (PACKAGE, f"{PACKAGE}.realtime", f"{PACKAGE}.live")
PACKAGES = [name for name, path in FILES.items() if path.name == "__init__.py"]


@cache
def all_imports_of(name: str) -> frozenset[str]:
    """What a module imports, for type checkers alone too."""
    return frozenset(existing(imports_at(ast.walk(tree_of(name)), name)))


def node_of(name: str, package: str) -> str | None:
    """The module or subpackage of `package` that holds this module; None outside of it."""
    inside = name.removeprefix(f"{package}.")
    return None if inside == name else inside.partition(".")[0]


def graph_of(package: str) -> Graph:
    """The modules and subpackages of a package, and which of the others each imports."""
    graph: Graph = {}
    for name in FILES:
        if (node := node_of(name, package)) is not None:
            imported = {node_of(other, package) for other in all_imports_of(name)}
            graph.setdefault(node, set()).update(imported - {node, None})  # type: ignore[arg-type]
    return graph


def layers_of(graph: Graph) -> dict[str, int]:
    """The layer of each node: one above the highest that it imports, from 1.

    Raises:
        graphlib.CycleError: the imports form a circle.
    """
    layers: dict[str, int] = {}
    for node in graphlib.TopologicalSorter(graph).static_order():
        layers[node] = 1 + max((layers[below] for below in graph[node]), default=0)
    return layers


def drawing_of(package: str) -> str:
    """The layers from the top down: a line for each node, with what it imports."""
    graph = graph_of(package)
    layers = layers_of(graph)
    folders = {name.rpartition(".")[2] for name in PACKAGES if name.startswith(f"{package}.")}
    shown = {node: f"{node}/" if node in folders else node for node in graph}
    width = max(map(len, shown.values()))
    lines = []
    for node in sorted(graph, key=lambda node: (-layers[node], node)):
        below = sorted(graph[node], key=lambda node: (-layers[node], node))
        imported = f"  > {' '.join(below)}" if below else ""
        lines.append(f"{layers[node]:2}  {shown[node]:{width}}{imported}".rstrip())
    return "\n".join(lines)


def drawings() -> str:
    """What belongs between the markers of the guide."""
    return "\n".join(f"\n`{name}`:\n\n```text\n{drawing_of(name)}\n```" for name in DRAWN)


@pytest.mark.parametrize("package", PACKAGES)
def test_the_imports_of_a_package_form_few_layers_and_no_circle(package: str) -> None:
    """A package has at most 24 modules and subpackages, on at most 11 layers, without a circle."""
    graph = graph_of(package)
    assert len(graph) <= MOST_NODES
    assert max(layers_of(graph).values(), default=0) <= MOST_LAYERS


def test_no_modules_import_each_other_in_a_circle() -> None:
    """No chain of imports leads back to where it started, those for type checkers included."""
    layers = layers_of({name: set(all_imports_of(name) - {name}) for name in FILES})
    assert set(layers) == set(FILES)


def test_the_check_sees_a_circle() -> None:
    """Two modules that import each other are refused."""
    with pytest.raises(graphlib.CycleError):
        layers_of({"a": {"b"}, "b": {"a"}})


def test_the_root_holds_the_public_face_alone() -> None:
    """At most seven modules lie directly in the package."""
    modules = [node for node in graph_of(PACKAGE) if f"{PACKAGE}.{node}" not in PACKAGES]
    assert len(modules) <= 7


def test_the_guide_shows_the_imports_as_they_are() -> None:
    """CONTRIBUTING.md holds the drawing that this file makes of the imports."""
    text = GUIDE.read_text(encoding="utf-8")
    assert text.partition(BEGIN)[2].partition(END)[0].strip() == drawings().strip()


def redraw() -> None:
    """Replaces the drawing in the guide."""
    before, _, rest = GUIDE.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    GUIDE.write_text(f"{before}{BEGIN}\n{drawings()}\n\n{END}{after}", encoding="utf-8")


@pytest.mark.parametrize("name", [name for name in FILES if not belongs_to(name, MAY_IMPORT_LATE)])
def test_no_module_imports_another_late_to_dodge_a_circle(name: str) -> None:
    """A function imports a module of the package only if it is in `MAY_BE_IMPORTED_LATE`."""
    late = existing(imports_of(name) - early_imports_of(name))
    assert [target for target in late if not belongs_to(target, MAY_BE_IMPORTED_LATE)] == []


# -- the public names


def says_something(name: str) -> bool:
    """False for a package's marker file that holds a docstring at most."""
    return any(not isinstance(node, ast.Expr) for node in tree_of(name).body)


PUBLIC = [
    name
    for name in FILES
    if not any(part.startswith("_") for part in name.split(".")) and says_something(name)
]


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_module_lists_its_names_and_has_them(name: str) -> None:
    """Each public module has `__all__`, and each name in it exists."""
    try:
        module = importlib.import_module(name)
    except MissingExtraError as missing:
        pytest.skip(str(missing))
    assert [public for public in module.__all__ if not hasattr(module, public)] == []


LISTING = [
    path
    for path in (*FILES.values(), ROOT / "pytest_rxbosbase.py")
    if "\n__all__" in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("path", LISTING, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_list_of_public_names_is_a_sorted_tuple(path: Path) -> None:
    """`__all__` is a literal tuple, which nobody changes, without doubles, in ruff's order."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    (listed,) = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign) and "__all__" in ast.unparse(node)
    ]
    assert isinstance(listed, ast.Tuple)
    names = ast.literal_eval(listed)
    assert list(names) == sorted(set(names), key=isort_order)


def isort_order(name: str) -> tuple[int, str]:
    """Constants before classes before functions, as ruff's rule RUF022 has it."""
    if len(name) > 1 and name.isupper():
        return 0, name
    return (1 if name[0].isupper() else 2), name


def run_python(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_the_package_warns_of_nothing() -> None:
    """`import rxbosbase` succeeds with all warnings turned into errors."""
    run_python("-W", "error", "-c", "import rxbosbase")


def test_importing_the_package_loads_nothing_optional() -> None:
    """`import rxbosbase` loads neither a package of `HEAVY` nor `rxbosbase.live`."""
    before = set(run_python("-c", "import reactivex, requests, sys; print(*sys.modules)").split())
    after = set(run_python("-c", "import rxbosbase, sys; print(*sys.modules)").split())
    assert {name for name in after - before if belongs_to(name, HEAVY)} == set()
    late = ["rxbosbase.live", "rxbosbase.operators"]
    late += ["dataclasses", "pickle", "reactivex.operators"]  # each takes 0.5 to 2 ms
    assert {name for name in after if belongs_to(name, late)} == set()


# -- the terminal

TERMINALS = ("rxbosbase.cli.console", "rxbosbase.cli.terminal")
"""What a server sent is made harmless there, and so nobody else speaks to a terminal."""

PRINTING = {"print", "echo", "secho", "pprint", "Console", "print_json", "print_exception"}
STREAMS = {"sys.stdout", "sys.stderr", "sys.__stdout__", "sys.__stderr__"}
ASKING = {"isatty"}  # writes nothing


def is_used_stream(node: ast.Attribute) -> bool:
    return node.attr not in ASKING and ast.unparse(node.value) in STREAMS


def printers(tree: ast.AST) -> Iterator[str]:
    """Where the code of a module writes to a terminal, as far as its words tell."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called.rpartition(".")[2] in PRINTING and called != "console.print":
                yield f"{node.lineno}: {called}()"
        elif isinstance(node, ast.Attribute) and is_used_stream(node):
            yield f"{node.lineno}: {ast.unparse(node)}"


@pytest.mark.parametrize("name", [name for name in FILES if name not in TERMINALS])
def test_nobody_prints_but_the_two_who_make_it_harmless(name: str) -> None:
    """Only the two modules of `TERMINALS` write to a terminal."""
    assert list(printers(tree_of(name))) == []


def test_the_check_sees_who_prints() -> None:
    """The check reports `print()` and `sys.stdout.buffer` in the modules of `TERMINALS`."""
    found = {entry.partition(": ")[2] for name in TERMINALS for entry in printers(tree_of(name))}
    assert {"print()", "sys.stdout.buffer"} <= found


# -- operators


@pytest.mark.parametrize("name", OPERATORS)
def test_an_operator_has_a_short_file_of_its_own(name: str) -> None:
    """An operator's module has one public function, of its name, in `OPERATOR_LIMIT` lines."""
    public = [
        node.name
        for node in tree_of(name).body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
    ]
    assert set(public) == {name.rpartition(".")[2]}
    assert lines_of(name) <= OPERATOR_LIMIT


if __name__ == "__main__":
    redraw()
