"""The types that checkers see along a pipeline: the same expressions under mypy and pyright.

Both run once over a file with ``reveal_type(…)`` for each row of `ROWS`. Where mypy knows less, the
row says so: inside a ``pipe`` it types a lambda that is not in the first operator as ``Any``.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
LIMIT = 300.0  # seconds: pyright may have to install itself first

BEFORE = """\
from __future__ import annotations

from dataclasses import dataclass
from typing import reveal_type

import reactivex
from reactivex import Observable
from reactivex import operators as ops
from reactivex.observable import GroupedObservable

from rxbosbase import BosBase, RecordEvent
from rxbosbase import operators as rxb
from rxbosbase.server import EmbeddedServer


@dataclass
class Order:
    id: str
    title: str
    n: int


def is_create(event: RecordEvent[Order]) -> bool:
    return event.action == "create"


def record_of(event: RecordEvent[Order]) -> Order:
    return event.record


def add(total: int, event: RecordEvent[Order]) -> int:
    return total + event.record.n


def titles(source: Observable[RecordEvent[Order]]) -> Observable[str]:
    return reactivex.empty()


def count(group: GroupedObservable[str, RecordEvent[Order]]) -> Observable[tuple[str, int]]:
    return reactivex.empty()


client = BosBase("http://127.0.0.1:1")
orders = client.collection("orders", model=Order)
events = orders.observe("*")
view = orders.live()
numbers = events.map(lambda event: event.record.n)

"""

EVENT = "RecordEvent[Order]"
GROUP = f"GroupedObservable[str, {EVENT}]"


class Row(NamedTuple):
    """An expression, its exact type, and what mypy makes of it where it knows less."""

    expression: str
    exact: str
    mypy: str | None = None


SOURCES = [
    Row("orders.observe('*')", f"Stream[{EVENT}]"),
    Row("orders.live()", "LiveView[Order]"),
    Row("orders.live().current", "Snapshot[Order]"),
    Row("orders.changes(filter='n > 1')", "Stream[Change[Order]]"),
    Row("orders.live_record('a')", "Stream[Order | None]"),
    Row("view.record('a')", "Stream[Order | None]"),
    Row("client.collection('x').observe()", "Stream[RecordEvent[dict[str, Any]]]"),
    Row("client.realtime.events", "Stream[Message]"),
    Row("client.realtime.observe('chat')", "Stream[Message]"),
    Row("client.realtime.status", "Latest[Status]"),
]

LAMBDAS = [
    Row("events.pipe(ops.filter(lambda e: e.action == 'create'))", f"Stream[{EVENT}]"),
    Row("events.pipe(ops.map(lambda e: e.record.n))", "Stream[int]"),
    Row("events.pipe(ops.flat_map(lambda e: [e.record.n]))", "Stream[int]"),
    Row("events.pipe(ops.switch_map(lambda e: reactivex.of(e.record.n)))", "Stream[int]"),
    Row("events.pipe(ops.scan(lambda total, e: total + e.record.n, 0))", "Stream[int]"),
    Row("events.pipe(ops.first(lambda e: e.record.n > 3)).run()", EVENT),
    Row("events.pipe(ops.distinct_until_changed(lambda e: e.record.n))", f"Stream[{EVENT}]"),
    Row("events.pipe(ops.do_action(lambda e: print(e.record.title)))", f"Stream[{EVENT}]"),
    Row(
        "events.pipe(ops.filter(lambda e: e.record.n > 1), ops.debounce(0.25))", f"Stream[{EVENT}]"
    ),
    Row(
        "events.pipe(ops.filter(lambda e: e.record.n > 1), ops.map(lambda e: e.record.title))",
        "Stream[str]",
        "Stream[Any]",
    ),
    Row(
        "events.pipe(ops.map(lambda e: e.record), ops.filter(lambda o: o.n > 1), "
        "ops.map(lambda o: o.title))",
        "Stream[str]",
        "Stream[Any]",
    ),
    Row("events.pipe(ops.buffer_with_time(1.0), ops.map(lambda batch: len(batch)))", "Stream[int]"),
    Row(
        "events.pipe(ops.pairwise(), ops.map(lambda p: p[1].record.n))",
        "Stream[int]",
        "Stream[Any]",
    ),
    Row("events.pipe(ops.group_by(lambda e: e.action, lambda e: e))", f"Stream[{GROUP}]"),
    Row(
        "events.pipe(rxb.of_action('update'), ops.scan(lambda total, e: total + e.record.n, 0))",
        "Stream[int]",
    ),
    Row("events.pipe(rxb.records(), ops.map(lambda o: o.n))", "Stream[int]", "Stream[Any]"),
    Row("events.pipe(ops.take(3)).pipe(ops.map(lambda e: e.record.n))", "Stream[int]"),
    Row("view.pipe(ops.map(lambda s: s.records))", "Stream[Sequence[Order]]"),
    Row("view.pipe(ops.map(lambda s: s.by_id), ops.sample(1.0))", "Stream[Mapping[str, Order]]"),
    Row("view.changes().pipe(ops.map(lambda c: c.before))", "Stream[Order | None]"),
]

FUNCTIONS = [
    Row("events.pipe(ops.filter(is_create))", f"Stream[{EVENT}]"),
    Row("events.pipe(ops.map(record_of))", "Stream[Order]"),
    Row("events.pipe(ops.filter(is_create), ops.map(record_of))", "Stream[Order]"),
    Row("events.pipe(ops.filter(is_create), ops.map(record_of), ops.take(3))", "Stream[Order]"),
    Row(
        "events.pipe(rxb.of_action('create'), ops.debounce(0.25), ops.scan(add, 0))", "Stream[int]"
    ),
    Row("events.pipe(titles)", "Stream[str]"),
    Row("events.pipe(ops.take(3), titles, ops.to_list())", "Stream[list[str]]"),
    Row(
        "events.pipe(ops.group_by(lambda e: e.action, lambda e: e), ops.flat_map(count))",
        "Stream[tuple[str, int]]",
    ),
    Row("events.pipe(rxb.records())", "Stream[Order]"),
    Row("events.pipe(rxb.of_action('create'))", f"Stream[{EVENT}]"),
    Row("events.pipe(rxb.distinct_record())", f"Stream[{EVENT}]"),
    Row("events.pipe(rxb.conflate_by_id(0.5), rxb.records())", "Stream[Order]"),
    Row("events.pipe(rxb.debounce_by_id(0.5), ops.take(1))", f"Stream[{EVENT}]"),
    Row("events.pipe(rxb.changed('n'))", "Stream[FieldChange[Order]]"),
    Row("events.pipe(rxb.to_state())", "Stream[Mapping[str, Order]]"),
    Row("events.pipe(rxb.rate(1.0))", "Stream[float]"),
    Row("events.pipe(ops.buffer_with_count(3))", f"Stream[list[{EVENT}]]"),
    Row("events.pipe(ops.window_with_time(1.0))", f"Stream[Observable[{EVENT}]]"),
    Row("events.pipe(ops.share())", f"Stream[{EVENT}]"),
    Row("events.pipe(ops.count())", "Stream[int]"),
]

FLUENT = [
    Row("events.filter(lambda e: e.action == 'create')", f"Stream[{EVENT}]"),
    Row("events.filter(lambda e: e.record.n > 1).map(lambda e: e.record.title)", "Stream[str]"),
    Row(
        "events.map(record_of).filter(lambda o: o.n > 1).take(3).map(lambda o: o.n)", "Stream[int]"
    ),
    Row("events.filter(is_create).debounce(0.25).first().run()", EVENT),
    Row("events.group_by(lambda e: e.action)", f"Stream[{GROUP}]"),
    Row("events.group_by(lambda e: e.action).flat_map(count)", "Stream[tuple[str, int]]"),
    Row("events.group_by(lambda e: e.action).flat_map(lambda group: group.take(1))", "Stream[Any]"),
    Row("events.flat_map(lambda e: reactivex.of(e.record.n))", "Stream[int]"),
    Row("events.scan(lambda total, e: total + e.record.n, 0)", "Stream[int]"),
    Row(
        "events.buffer_with_time(1.0).filter(lambda b: len(b) > 0).map(lambda b: b[0].record)",
        "Stream[Order]",
    ),
    Row("events.combine_latest(numbers)", f"Stream[tuple[{EVENT}, int]]"),
    Row("events.with_latest_from(numbers).starmap(lambda e, n: e.record.n + n)", "Stream[int]"),
    Row("events.group_by(lambda e: e.action).flat_map(lambda g: g.count())", "Stream[int]"),
    Row("events.window_with_time(1.0).flat_map(lambda w: w.count())", "Stream[int]"),
    Row("events.take(3).flat_map(lambda e: reactivex.of(e.record.n))", "Stream[int]"),
    Row("events.map(lambda e: e.action).pairwise().map(lambda p: p[0].upper())", "Stream[str]"),
    Row("events.partition(lambda e: e.record.n > 1)", f"list[Stream[{EVENT}]]"),
    Row("events.catch(lambda error, source: numbers)", f"Stream[{EVENT} | int]"),
    Row("events.start_with(None)", f"Stream[{EVENT} | None]"),
    Row("events.merge(numbers)", f"Stream[{EVENT} | int]"),
    Row("events.publish()", f"ConnectableStream[{EVENT}]"),
    Row("events.publish().ref_count().map(lambda e: e.record.n)", "Stream[int]"),
    Row("events.share().distinct_until_changed(lambda e: e.record.n)", f"Stream[{EVENT}]"),
    Row("events.map(lambda e: reactivex.of(e.record.n)).switch_latest()", "Stream[int]"),
    Row("events.timestamp().map(lambda t: t.value.record.n)", "Stream[int]"),
    Row("events.to_dict(lambda e: e.record.id, lambda e: e.record.n)", "Stream[dict[str, int]]"),
    Row(
        "view.map(lambda s: [o.title for o in s.records]).throttle_first(1.0)", "Stream[list[str]]"
    ),
    Row(
        "view.pipe(ops.sample(1.0)).map(lambda s: s.version).pairwise()", "Stream[tuple[int, int]]"
    ),
]

ROWS = [*SOURCES, *LAMBDAS, *FUNCTIONS, *FLUENT]

COMPLAINTS = {
    "events.pipe(ops.group_by(lambda e: e.action), ops.flat_map(lambda g: g.pipe(ops.count())))": {
        "mypy",
        "pyright",
    },
    "events.pipe(ops.window_with_time(1.0), ops.flat_map(lambda w: w.pipe(ops.count())))": {
        "pyright",
    },
    "events.pipe(ops.take(3), ops.flat_map(lambda e: reactivex.of(e.record.n)))": {"mypy"},
    (
        "events.pipe(ops.map(lambda e: e.action), ops.distinct_until_changed(), ops.pairwise(), "
        "ops.map(lambda p: p[0].upper()))"
    ): {"mypy"},
    "events.pipe(ops.partition(lambda e: e.record.n > 1))": {"mypy"},
    "events.pipe(ops.publish()).connect()": {"mypy"},
    "events.pipe(ops.to_future())": {"mypy"},
}
"""Right programs that a checker refuses, by the checker, as the guide lists them: RxPY's `flat_map`
and `partition` have overloads or types that it cannot follow through ``pipe``. As fluent methods
they are accepted."""

REFUSED = [
    "orders.changes(filters='x')",
    "orders.changes(limit='3')",
    "orders.get_list(filtr='x')",
    "orders.get_one('a', sort='n')",
    "orders.create({}, filter='x')",
    "orders.update('a', {}, timeout='soon')",
    "client.collections.get_list(sorted='name')",
    "EmbeddedServer().client(time_out=3)",
    "events.map(lambda e: e.record.nothing)",
    "events.pipe(ops.map(lambda e: e.record.nothing))",
    "events.filter(lambda e: e.record.n)",
    "events.pipe(ops.take(3), 5)",
]
"""Expressions that both checkers refuse."""


FIRST = BEFORE.count("\n") + 1
FIRST_REFUSED = FIRST + len(ROWS)
FIRST_COMPLAINT = FIRST_REFUSED + len(REFUSED)


class Report(NamedTuple):
    """What a checker prints for a line of the page: its errors, and the type it reveals."""

    errors: dict[int, str]
    revealed: dict[int, str]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program that reveals the type of each row, one a line, and then has what is refused."""
    lines = [f"reveal_type({row.expression})" for row in ROWS] + REFUSED + [*COMPLAINTS]
    path = tmp_path_factory.mktemp("typing") / "pipelines.py"
    path.write_text(BEFORE + "\n".join(lines) + "\n", encoding="utf-8")
    return path


def run(*command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=ROOT, capture_output=True, text=True, timeout=LIMIT, check=False,
    )  # fmt: skip
    return done.stdout


@pytest.fixture(scope="module")
def mypy(page: Path) -> Report:
    """The report of ``mypy --strict``."""
    pytest.importorskip("mypy", reason="needs the extra `dev`")
    printed = run("mypy", "--config-file", "", "--strict", str(page))
    errors = re.findall(r"pipelines\.py:(\d+): error: (.*)", printed)
    revealed = re.findall(r'pipelines\.py:(\d+): note: Revealed type is "(.*)"', printed)
    return Report({int(n): text for n, text in errors}, {int(n): text for n, text in revealed})


@pytest.fixture(scope="module")
def pyright(page: Path) -> Report:
    """The report of pyright in its strict mode."""
    pytest.importorskip("pyright", reason="needs the extra `dev`")
    config = page.with_name("pyrightconfig.json")
    settings = {
        "typeCheckingMode": "strict", "reportUnusedExpression": False,
        "extraPaths": [str(ROOT)], "include": [str(page)],
    }  # fmt: skip
    config.write_text(json.dumps(settings), encoding="utf-8")
    printed = run(
        "pyright", "--outputjson", "--project", str(config), "--pythonpath", sys.executable
    )
    errors, revealed = {}, {}
    for entry in json.loads(printed)["generalDiagnostics"]:
        line = entry["range"]["start"]["line"] + 1
        if entry["severity"] == "error":
            errors[line] = entry["message"]
        elif match := re.search(r'" is "(.*)"$', entry["message"]):
            revealed[line] = match[1]
    return Report(errors, revealed)


def short(revealed: str) -> str:
    """Return the type without modules, with one kind of quotes."""
    return re.sub(r"\b(?:\w+\.)+(?=\w)", "", revealed).replace('"', "'")


def differences(report: Report, expected: list[str]) -> list[str]:
    got = [short(report.revealed.get(FIRST + at, "nothing")) for at in range(len(ROWS))]
    return [
        f"{row.expression} is {is_}, not {should}"
        for row, is_, should in zip(ROWS, got, expected, strict=True)
        if is_ != should
    ]


def accepted_errors(report: Report) -> list[str]:
    return [text for line, text in sorted(report.errors.items()) if line < FIRST_REFUSED]


def complaints(report: Report, checker: str) -> list[str]:
    """Return the right programs about which the guide is wrong: refused or not, by this checker."""
    return [
        text
        for at, (text, checkers) in enumerate(COMPLAINTS.items())
        if (checker in checkers) != (FIRST_COMPLAINT + at in report.errors)
    ]


def missing_errors(report: Report) -> list[str]:
    return [text for at, text in enumerate(REFUSED) if FIRST_REFUSED + at not in report.errors]


@pytest.mark.timeout(LIMIT)
def test_mypy_reveals_the_types_of_the_table(mypy: Report) -> None:
    """Under `mypy --strict` each expression has the type of its row, and no error."""
    assert accepted_errors(mypy) == []
    assert differences(mypy, [row.mypy or row.exact for row in ROWS]) == []


@pytest.mark.timeout(LIMIT)
def test_pyright_reveals_the_types_of_the_table(pyright: Report) -> None:
    """Under strict pyright each expression has its exact type, and no error."""
    assert accepted_errors(pyright) == []
    assert differences(pyright, [row.exact for row in ROWS]) == []


@pytest.mark.timeout(LIMIT)
def test_mypy_refuses_what_is_wrong(mypy: Report) -> None:
    """Each expression of `REFUSED` is an error under mypy."""
    assert missing_errors(mypy) == []


@pytest.mark.timeout(LIMIT)
def test_pyright_refuses_what_is_wrong(pyright: Report) -> None:
    """Each expression of `REFUSED` is an error under pyright."""
    assert missing_errors(pyright) == []


@pytest.mark.timeout(LIMIT)
def test_mypy_refuses_only_those_right_programs_that_the_guide_names(mypy: Report) -> None:
    """mypy complains about the rows of `COMPLAINTS` that name it, and about no other."""
    assert complaints(mypy, "mypy") == []


@pytest.mark.timeout(LIMIT)
def test_pyright_refuses_only_those_right_programs_that_the_guide_names(pyright: Report) -> None:
    """pyright complains about the rows of `COMPLAINTS` that name it, and about no other."""
    assert complaints(pyright, "pyright") == []
