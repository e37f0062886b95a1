"""Stamps: what a row and the records that it expands say of their age."""

from __future__ import annotations

import sys
from typing import Any

from rxbosbase.live.stamps import expanded_records, stamp_of


def test_every_expanded_record_is_found_at_any_depth() -> None:
    town = {"id": "t", "updated": "3"}
    ann = {"id": "ann", "updated": "2", "expand": {"town": town, "odd": [5, None]}}
    post = {"id": "p", "updated": "1", "expand": {"by": ann, "liked_by": [ann, {"id": "bob"}]}}
    found = sorted(str(record["id"]) for record in expanded_records(post))
    assert found == ["ann", "ann", "bob", "t", "t"]
    assert stamp_of(post) == (("p", "1"), ("ann", "2"), ("bob", ""), ("t", "3"))


def test_an_expansion_deeper_than_the_interpreters_stack_is_read_all_the_same() -> None:
    depth = 2 * sys.getrecursionlimit()
    record: dict[str, Any] = {"id": "innermost"}
    for _ in range(depth):
        record = {"id": "x", "expand": {"by": record}}
    assert sum(1 for _ in expanded_records(record)) == depth
