"""The shortest way from one sequence of ids to another, as removals, insertions and moves."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterator, Sequence

__all__ = ("sequence_diff",)


def sequence_diff(
    old: Sequence[str], new: Sequence[str], changed: Collection[str]
) -> Iterator[tuple[str, int | None, int | None]]:
    """Iterate over steps ``(id, old index, new index)`` that turn ``old`` into ``new``, in order.

    Each index is valid after the steps before. An id of ``changed`` gets a step also where it
    stays. No more records move than must.

    >>> list(sequence_diff(["a", "b", "c"], ["b", "c", "d", "a"], ()))
    [('d', None, 3), ('a', 0, 3)]
    """
    kept = set(new)
    work = list(old)
    for index in reversed(range(len(work))):
        if work[index] not in kept:
            yield work.pop(index), index, None
    present = set(work)
    staying = _longest_run(work, new)
    at = 0
    for id in new:
        if id not in present:
            work.insert(at, id)
            yield id, None, at
        elif id in staying:
            at = work.index(id, at)
            if id in changed:
                yield id, at, at
        else:
            index = work.index(id)
            del work[index]
            at -= index < at
            work.insert(at, id)
            yield id, index, at
        at += 1


def _longest_run(old: Sequence[str], new: Sequence[str]) -> set[str]:
    """Return the most ids in the same order in both: the longest increasing subsequence."""
    places = {id: index for index, id in enumerate(old)}
    tails: list[int] = []  # the smallest last place of a run of each length
    ends: list[str] = []  # … and its id
    before: dict[str, str | None] = {}
    for id in new:
        place = places.get(id)
        if place is None:
            continue
        length = bisect_left(tails, place)
        before[id] = ends[length - 1] if length else None
        tails[length : length + 1] = [place]
        ends[length : length + 1] = [id]
    run: set[str] = set()
    last = ends[-1] if ends else None
    while last is not None:
        run.add(last)
        last = before[last]
    return run
