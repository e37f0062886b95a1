"""What the docstrings draw is what the operators do."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from support.marbles import Diagram, diagrams, play, timeline

from rxbosbase import operators
from rxbosbase.runtime.backoff import BackoffPolicy

NAMES: dict[str, Any] = {name: getattr(operators, name) for name in operators.__all__}
OPERATORS = {name: value for name, value in NAMES.items() if inspect.isfunction(value)}
NAMES["BackoffPolicy"] = BackoffPolicy

DIAGRAMS = [
    pytest.param(diagram, id=f"{name}-{number}")
    for name, operator in OPERATORS.items()
    for number, diagram in enumerate(diagrams(operator), start=1)
]


@pytest.mark.parametrize("name", OPERATORS)
def test_each_operator_has_a_diagram(name: str) -> None:
    """Every operator has a diagram, and the diagram is about that operator."""
    drawn = diagrams(OPERATORS[name])
    assert drawn, f"{name} has no marble diagram in its docstring"
    assert all(name in diagram.call for diagram in drawn)


@pytest.mark.parametrize("diagram", DIAGRAMS)
def test_the_operator_does_what_its_diagram_shows(diagram: Diagram) -> None:
    """The operator, run in virtual time, gives the drawn result at the drawn times."""
    came, drawn = play(diagram, NAMES)
    assert drawn, "an empty result line would agree with anything that gives nothing"
    assert came == drawn, str(diagram)


def test_an_unknown_marble_is_refused() -> None:
    """An unknown marble raises `ValueError` with its column."""
    with pytest.raises(ValueError, match="column 2"):
        timeline("--?", {})


def test_a_result_that_does_not_begin_below_its_source_is_refused() -> None:
    """A result line that does not begin below its source raises `ValueError`."""

    def crooked() -> None:
        """
        source:  a1|
        call:    records()
        result: a1|
        """

    with pytest.raises(ValueError, match="below its source"):
        diagrams(crooked)
