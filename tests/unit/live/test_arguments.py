"""Arguments of live views that raise at once, without a server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rxbosbase import BosBase, ClientResponseError, Collection

Posts = Collection[dict[str, Any]]

WRONG: list[tuple[Callable[[Posts], object], type[Exception], str]] = [
    (lambda p: p.live(limit=0), ValueError, "limit must be at least 1, not 0"),
    (lambda p: p.live(limit=True), TypeError, "limit must be an int, not bool"),
    (lambda p: p.live(sort=5), TypeError, "sort must be a str, not int"),  # type: ignore[arg-type]
    (lambda p: p.live(reconcile=0), ValueError, "reconcile must be more than 0 seconds"),
    (lambda p: p.live(interval=-1), ValueError, "interval must be more than 0 seconds"),
    (lambda p: p.live(query={"perPage": 5}), ValueError, "use limit= to cut it"),
    (lambda p: p.live(sort="n", query={"sort": "n"}), ValueError, "sort is given twice"),
    (lambda p: p.live(filter="n = 1 || " * 400), ClientResponseError, "shorten the filter"),
    (lambda p: p.live_record(""), ValueError, "must not be empty"),
    (lambda p: p.live_record("a/b"), ValueError, "must hold no '/'"),
    (lambda p: p.live_record(".."), ValueError, "which lead elsewhere in a URL"),
    (lambda p: p.live_record("*"), ValueError, r"the id of one record; .* use live\(\)"),
    (lambda p: p.changes(limit=0), ValueError, "limit must be at least 1"),
]


@pytest.mark.parametrize(("call", "error", "message"), WRONG)
def test_a_wrong_argument_is_refused_with_what_to_do(
    call: Callable[[Posts], object], error: type[Exception], message: str
) -> None:
    """A wrong argument of a live view raises at once, with a message that names the remedy."""
    with BosBase("http://127.0.0.1:1") as client, pytest.raises(error, match=message):
        call(client.collection("posts"))
