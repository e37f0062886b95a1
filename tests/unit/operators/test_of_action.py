"""``of_action`` refuses what can never match."""

from __future__ import annotations

import pytest

from rxbosbase import operators as rxb


@pytest.mark.parametrize("actions", [(), ("created",), ("create", "CREATE"), ("",)])
def test_a_wrong_action_is_refused_at_once(actions: tuple[str, ...]) -> None:
    """No action, or an unknown one, raises `ValueError` with the known actions."""
    with pytest.raises(ValueError, match="'create', 'update'"):
        rxb.of_action(*actions)
