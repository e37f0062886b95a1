"""The examples in docstrings, which the reference shows: each runs and has the output it shows."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from types import ModuleType
from typing import Any

import pytest

import rxbosbase
from rxbosbase.errors import MissingExtraError
from rxbosbase.testing import FakeRealtime

FINDER = doctest.DocTestFinder(exclude_empty=True)
NAMES = sorted(
    module.name
    for module in pkgutil.walk_packages(rxbosbase.__path__, "rxbosbase.")
    if not module.name.endswith("__main__")
)


def examples(name: str) -> list[doctest.DocTest]:
    """Return the examples in a module's docstrings; none where an extra is missing."""
    try:
        module: ModuleType = importlib.import_module(name)
    except ImportError:
        return []
    found = FINDER.find(module, name, extraglobs={"FakeRealtime": FakeRealtime})
    return [test for test in found if test.examples]


EXAMPLES = [test for name in NAMES for test in examples(name)]


class Runner(doctest.DocTestRunner):
    """Skip an example that needs an extra that is not installed, with its name."""

    def report_unexpected_exception(
        self, out: Any, test: doctest.DocTest, example: doctest.Example, exc_info: Any
    ) -> None:
        if isinstance(exc_info[1], MissingExtraError):
            pytest.skip(f"NO EXAMPLE OF {test.name}: {exc_info[1]}")
        super().report_unexpected_exception(out, test, example, exc_info)


@pytest.mark.parametrize("test", EXAMPLES, ids=lambda test: test.name)
def test_an_example_of_a_docstring_gives_what_it_says(test: doctest.DocTest) -> None:
    """Each example in a docstring gives the result that it shows."""
    output: list[str] = []
    Runner(verbose=False).run(test, out=output.append)
    assert not output, "".join(output)


def test_there_are_examples() -> None:
    """The package's docstrings have more than 30 examples."""
    assert len(EXAMPLES) > 30
