"""Each test says in one line what it promises, asserts something, and reads what it collects.

Nor does it return before its end.

Whether an assertion can fail is not seen here. One is an ``assert``, ``pytest.raises``, ``warns``
or ``fail``, or the call of a helper of the test tree with one of these in it, or with an
``AssertionError`` or ``TimeoutError`` of its own; `ASSERTING` names those of other packages.
In a function inside the test it counts if the test calls that one, or gives it to a helper: what a
callback of the library raises is logged, and fails nothing.
"""

from __future__ import annotations

import ast
import gc
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, TypeAlias

import pytest

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests"

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)

PYTEST = {"pytest.raises", "pytest.warns", "pytest.fail"}
ASSERTING = {"assert_type", "assert_outcomes", "fnmatch_lines", "run_state_machine_as_test"}
RAISED = {"AssertionError", "TimeoutError"}
COLLECTORS = {"list", "Received", "Seen"}
COLLECTING = {"append", "extend"}


class Facts(NamedTuple):
    """A function of the tests: whether it asserts something by itself, or returns; what it calls.

    A function is called by its name, ``"wait_event"``; a method by its class, ``"Seen.wait"``, or
    by the function that made its object, ``"collect.wait"``.
    """

    asserts: bool
    returns: bool
    calls: set[str]


def inside(function: Function) -> list[ast.AST]:
    """All nodes of a function but those of functions and classes inside it."""
    found: list[ast.AST] = []
    waiting: list[ast.AST] = [*function.body]
    for node in waiting:
        found.append(node)
        if not isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            waiting.extend(ast.iter_child_nodes(node))
    return found


def last_name(node: ast.AST | None) -> str:
    """``Seen``, of ``Seen``, ``seen.Seen``, ``Seen[int]`` and ``Seen()``."""
    match node:
        case ast.Name(name) | ast.Attribute(attr=name):
            return name
        case ast.Subscript(value=inner) | ast.Call(func=inner):
            return last_name(inner)
    return ""


def classes_of(function: Function, nodes: Iterable[ast.AST]) -> dict[str, str]:
    """The class of each argument and variable, or what made it, as far as it is written there."""
    found = {each.arg: last_name(each.annotation) for each in function.args.args}
    for node in nodes:
        match node:
            case (
                ast.AnnAssign(target=ast.Name(name), annotation=kind)
                | ast.Assign(targets=[ast.Name(name)], value=ast.Call() as kind)
            ):
                found[name] = last_name(kind)
    return found


def facts_of(function: Function, owner: str = "") -> Facts:
    nodes = inside(function)
    classes = classes_of(function, nodes) | {"self": owner}
    asserts = False
    returns = False
    calls: set[str] = set()
    given: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Assert):
            asserts = True
        elif isinstance(node, ast.Return):
            returns = True
        elif isinstance(node, ast.Raise):
            asserts = asserts or last_name(node.exc) in RAISED
        elif isinstance(node, ast.Call):
            asserts = (
                asserts or ast.unparse(node.func) in PYTEST or last_name(node.func) in ASSERTING
            )
            match node.func:
                case ast.Name(name):
                    calls.add(name)
                    given |= {each.id for each in node.args if isinstance(each, ast.Name)}
                case ast.Attribute(ast.Name(name), attr):
                    calls.add(f"{classes.get(name, '')}.{attr}")
    for node in nodes:
        if isinstance(node, FUNCTIONS) and node.name in calls | given:
            inner = facts_of(node, owner)
            asserts = asserts or inner.asserts
            calls |= inner.calls
    return Facts(asserts, returns, calls)


class Tree:
    """The tests of some modules, and their helpers.

    Attributes:
        functions: the tests, by where they stand.
        facts: of each function and method, by all names that it is called by.
        bases: the names of the base classes of each class.
        made: the names in the return annotations of the functions of this name: its classes.
    """

    def __init__(self, sources: Mapping[str, str]) -> None:
        self.functions: dict[str, Function] = {}
        self.facts: dict[str, list[Facts]] = defaultdict(list)
        self.bases: dict[str, list[str]] = {}
        self.made: dict[str, set[str]] = defaultdict(set)
        self._asserting: dict[str, bool] = {}
        for file, source in sources.items():
            module = ast.parse(source)
            self._read_functions(
                file, [each for each in module.body if isinstance(each, FUNCTIONS)]
            )
            for each in module.body:
                if isinstance(each, ast.ClassDef):
                    self._read_class(each)

    def _read_functions(self, file: str, functions: list[Function]) -> None:
        names = {function.name for function in functions}
        for function in functions:
            facts = facts_of(function)
            calls = {f"{file}:{name}" if name in names else name for name in facts.calls}
            facts = facts._replace(calls=calls)
            self.facts[function.name].append(facts)
            self.facts[f"{file}:{function.name}"].append(facts)
            if function.returns is not None:
                names_in = (last_name(each) for each in ast.walk(function.returns))
                self.made[function.name] |= set(names_in) - {""}
            if function.name.startswith("test_"):
                self.functions[f"{file}:{function.name}"] = function

    def _read_class(self, node: ast.ClassDef) -> None:
        self.bases[node.name] = list(map(last_name, node.bases))
        for method in node.body:
            if isinstance(method, FUNCTIONS):
                self.facts[f"{node.name}.{method.name}"].append(facts_of(method, node.name))

    def asserts(self, name: str) -> bool:
        """Whether a function that is called so asserts something, or one that it calls."""
        if name not in self._asserting:
            self._asserting[name] = False  # until it is known: they may call each other
            self._asserting[name] = any(
                facts.asserts or any(map(self.asserts, facts.calls)) for facts in self._found(name)
            )
        return self._asserting[name]

    def _found(self, name: str) -> list[Facts]:
        owner, dot, method = name.partition(".")
        if not dot or name in self.facts:
            return self.facts.get(name, [])
        kinds = self.bases[owner] if owner in self.bases else self.made.get(owner, set())
        return [
            each for kind in kinds if kind in self.bases for each in self._found(f"{kind}.{method}")
        ]


def unread(function: Function) -> Iterator[str]:
    """The names of lists that are filled in the function, and never looked at."""
    reads: dict[str, int] = Counter()
    kinds: dict[str, str] = {}
    for node in ast.walk(function):
        match node:
            case ast.Name(name, ctx=ast.Load()):
                reads[name] += 1
            case ast.Attribute(ast.Name(name), attr) if attr in COLLECTING:
                reads[name] -= 1
            case ast.Call(args=arguments):
                for each in arguments:
                    if isinstance(each, ast.Name) and kinds.get(each.id) in ("Received", "Seen"):
                        reads[each.id] -= 1
            case (
                ast.AnnAssign(target=ast.Name(name), value=value)
                | ast.Assign(targets=[ast.Name(name)], value=value)
            ) if isinstance(value, ast.List) or last_name(value) in COLLECTORS:
                kinds[name] = last_name(value)
    yield from (name for name in kinds if reads[name] == 0)


def silent(tests: Tree) -> list[str]:
    return [name for name in tests.functions if not tests.asserts(name)]


def returning(tests: Tree) -> list[str]:
    return [name for name in tests.functions if any(each.returns for each in tests.facts[name])]


def collecting(tests: Tree) -> list[str]:
    return [
        f"{name}: {unused}"
        for name, function in tests.functions.items()
        for unused in unread(function)
    ]


def unpromising(tests: Tree) -> list[str]:
    """The tests whose docstring is not one sentence on one line."""
    promises = {name: ast.get_docstring(function) for name, function in tests.functions.items()}
    return [name for name, text in promises.items() if not text or "\n" in text or text[-1] != "."]


# -- our own tests


@pytest.fixture(scope="module")
def ours() -> Iterator[Tree]:
    paths = sorted(TESTS.rglob("*.py"))
    gc.disable()  # a quarter of a million nodes, and none of them is garbage
    try:
        yield Tree({str(path.relative_to(TESTS)): path.read_text("utf-8") for path in paths})
    finally:
        gc.enable()


def test_every_test_asserts_something(ours: Tree) -> None:
    """Every test function contains an assertion or calls a helper that contains one."""
    assert silent(ours) == []


def test_no_test_returns_before_its_end(ours: Tree) -> None:
    """No test function contains a `return`; a case is excluded by `assume` or `pytest.skip`."""
    assert returning(ours) == []


def test_what_a_test_collects_is_looked_at(ours: Tree) -> None:
    """Every list or `Seen` that a test function fills is read in the same function."""
    assert collecting(ours) == []


def test_every_test_says_in_one_line_what_it_promises(ours: Tree) -> None:
    """Every test function has a docstring of one line, which ends with a full stop."""
    assert unpromising(ours) == []


# -- the checks themselves

HELPERS = """
class Seen:
    def wait(self, count):
        if count: raise TimeoutError("late")

class Watcher(Seen):
    def shows(self): self.wait(1)

def check(value): assert value

def careful(value): check(value)

def waits(event): event.wait(1)

def listen() -> Seen[int]: return Seen()
"""


@pytest.mark.parametrize(
    "body",
    [
        "assert given", "careful(given)",
        "with pytest.raises(ValueError): pass",
        "seen: Seen[int] = Seen(); seen.wait(1)",
        "watcher = Watcher(); watcher.wait(1)", "heard = listen(); heard.wait(1)",
        "def work(): check(1)\n    run(work)",
    ],
)  # fmt: skip
def test_the_check_sees_what_asserts(body: str) -> None:
    """The check accepts `assert`, `pytest.raises`, and a helper that asserts or times out."""
    assert silent(Tree({"a.py": HELPERS, "b.py": f"def test_it(given):\n    {body}"})) == []


@pytest.mark.parametrize(
    "body",
    [
        "pass", "print(given)", "waits(given)", "given.wait(1)", "given.shows()", "careful",
        "given.fail(ValueError())", "given.raises(ValueError)",
        "def work(): check(1)\n    given.subscribe(work)",
    ],
)  # fmt: skip
def test_the_check_sees_what_asserts_nothing(body: str) -> None:
    """The check reports a test that asserts nothing or does not call the asserting helper."""
    tests = Tree({"a.py": HELPERS, "b.py": f"def test_it(given):\n    {body}"})
    assert silent(tests) == ["b.py:test_it"]


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("seen = []; subscribe(seen.append)", ["seen"]),
        ("seen: Seen[int] = Seen(); subscribe(seen)", ["seen"]),
        ("seen: Seen[int] = Seen(); subscribe(seen); assert seen.items", []),
        ("seen: list[int] = []; subscribe(seen.append); assert seen", []),
    ],
)
def test_the_check_sees_what_is_collected_and_never_read(body: str, found: list[str]) -> None:
    """The check reports a list or `Seen` that is filled and never read, and no other."""
    tests = Tree({"a.py": f"def test_it():\n    {body}"})
    assert collecting(tests) == [f"a.py:test_it: {name}" for name in found]


def test_the_check_sees_a_test_that_returns() -> None:
    """The check reports a `return` of the test itself, not one of a function inside it."""
    source = "def test_it(given):\n    def inner(): return 1\n    if inner(): {}\n    assert given"
    assert returning(Tree({"a.py": source.format("return")})) == ["a.py:test_it"]
    assert returning(Tree({"a.py": source.format("pass")})) == []


@pytest.mark.parametrize("line", ["pass", '"""Too short"""', '"""Two.\n\n    Lines."""'])
def test_the_check_sees_a_test_without_a_promise(line: str) -> None:
    """The check reports a test without a docstring, or with one that is not one sentence."""
    assert unpromising(Tree({"a.py": f"def test_it():\n    {line}"})) == ["a.py:test_it"]
    assert unpromising(Tree({"a.py": 'def test_it():\n    """A promise."""'})) == []
