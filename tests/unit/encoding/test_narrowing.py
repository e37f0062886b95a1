"""The checks of decoded JSON that type checkers follow."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import pytest

from rxbosbase.encoding.narrowing import is_array, is_mapping, is_object, is_sequence

VALUES: list[tuple[Any, set[str]]] = [
    ({}, {"object", "mapping"}),
    (MappingProxyType({}), {"mapping"}),
    ([], {"array", "sequence"}),
    ((), {"sequence"}),
    ("text", set()),
    (None, set()),
    (0, set()),
]


@pytest.mark.parametrize(("value", "kinds"), VALUES, ids=lambda value: type(value).__name__)
def test_a_value_is_of_these_kinds_alone(value: Any, kinds: set[str]) -> None:
    """Each check accepts what its name says, and nothing else; a text is no sequence."""
    checks: dict[str, Any] = {
        "object": is_object, "array": is_array, "mapping": is_mapping, "sequence": is_sequence,
    }  # fmt: skip
    assert {name for name, check in checks.items() if check(value)} == kinds
