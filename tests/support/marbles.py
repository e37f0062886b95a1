"""Runs the marble diagrams in docstrings: the diagram in the documentation is the test's input.

A diagram is three lines of a docstring, and as many more as it has values to name::

    source:  a1--(b1+c1)--~a2--|
    call:    of_action("create")
    result:  ----+c1-----------X
    where:   X = anything Python

Time is the column: one character is one second, and a notification happens at the column of its
first character. ``-`` and blanks let time pass. ``a1``, ``+a1`` and ``~a1`` are an update, a create
and a delete of record ``a`` in version 1; parentheses put several at the column of the opening one;
``|`` completes, ``#`` is an error; a capital letter is the value of a ``where`` line. The source
is cold: it starts from its beginning for each subscription.
"""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass, field
from typing import Any

from reactivex.notification import OnCompleted, OnError, OnNext
from reactivex.testing import Recorded, TestScheduler

from rxbosbase.events import RecordEvent

__all__ = ["BOOM", "Diagram", "diagrams", "event", "pending", "play", "record"]

BOOM = RuntimeError("the # of a diagram")

TOKEN = re.compile(r"(?P<event>[+~]?[a-z]\d)|(?P<named>[A-Z])|(?P<sign>[|#()])|(?P<time>[- ])")
LINE = re.compile(r"^(?P<indent>\s*(?P<label>source|call|result|where):\s+)(?P<text>\S.*?)\s*$")
ACTIONS = {"+": "create", "~": "delete"}

Timeline = list[tuple[float, Any]]


def record(token: str) -> dict[str, Any]:
    """``record("a1")`` is record ``a`` in version 1."""
    return {"id": token[-2], "v": int(token[-1])}


def event(token: str) -> RecordEvent[dict[str, Any]]:
    """``event("+a1")`` is the create of record ``a`` in version 1."""
    return RecordEvent("posts/*", ACTIONS.get(token[0], "update"), record(token))


@dataclass
class Diagram:
    """One diagram as written. ``source`` and ``result`` keep their columns."""

    source: str
    call: str = ""
    result: str = ""
    where: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return "\n".join([self.source, self.call, self.result, *self.where])


def diagrams(function: object) -> list[Diagram]:
    """Return all diagrams in a docstring, in order."""
    found: list[Diagram] = []
    start = 0
    for line in (inspect.getdoc(function) or "").splitlines():
        match = LINE.match(line)
        if match is None:
            continue
        label, text = match["label"], match["text"]
        if label == "source":
            start = len(match["indent"])
            found.append(Diagram(text))
        elif not found:
            raise ValueError(f"a diagram begins with its source, not with {line.strip()!r}")
        elif label == "result":
            if not line[:start].rstrip().endswith("result:"):
                raise ValueError(f"the result must begin below its source: {line!r}")
            found[-1].result = line[start:].rstrip()
        elif label == "call":
            found[-1].call = text
        else:
            found[-1].where.append(text)
    return found


def timeline(text: str, named: dict[str, Any]) -> Timeline:
    """Return the notifications of one line with their times."""
    found: Timeline = []
    group: int | None = None
    column = 0
    while column < len(text):
        token = TOKEN.match(text, column)
        if token is None:
            raise ValueError(f"column {column} of {text!r} is no marble")
        time = float(column if group is None else group)
        if token["event"]:
            found.append((time, OnNext(event(token["event"]))))
        elif token["named"]:
            found.append((time, OnNext(named[token["named"]])))
        elif token["sign"] in ("|", "#"):
            found.append((time, OnCompleted() if token["sign"] == "|" else OnError(BOOM)))
        elif token["sign"] == "(":
            group = column
        elif token["sign"] == ")":
            group = None
        column = token.end()
    return found


def play(diagram: Diagram, names: dict[str, Any]) -> tuple[Timeline, Timeline]:
    """Run a diagram in virtual time; return the actual and the expected notifications."""
    scheduler = TestScheduler()
    scope = {**names, "scheduler": scheduler, "event": event, "record": record}
    named: dict[str, Any] = {}
    for line in diagram.where:
        name, _, expression = line.partition("=")
        named[name.strip()] = eval(expression, scope)
    operator = eval(diagram.call, scope)
    messages = [Recorded(round(time), what) for time, what in timeline(diagram.source, named)]
    observer = scheduler.create_observer()
    source = scheduler.create_cold_observable(messages)
    source.pipe(operator).subscribe(observer, scheduler=scheduler)
    scheduler.start()
    actual = [(round(float(message.time), 6), message.value) for message in observer.messages]
    return actual, timeline(diagram.result, named)


def pending(scheduler: TestScheduler) -> int:
    """Return the number of scheduled actions that are not cancelled."""
    return sum(not item.is_cancelled() for item, _ in scheduler._queue.items)
