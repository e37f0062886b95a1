"""``of_action`` refuses what can never match."""

from __future__ import annotations

import pytest

from rxbosbase import operators as rxb


@pytest.mark.parametrize("actions", [(), ("created",), ("create", "CREATE"), ("",)])
def test_a_wrong_action_is_refused_at_once(actions: tuple[str, ...]) -> None:
    """A typing error must not look like a stream in which nothing happens."""
    with pytest.raises(ValueError, match="'create', 'update'"):
        rxb.of_action(*actions)
