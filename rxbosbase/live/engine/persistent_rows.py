"""Persistent collections: a new version shares all but a few hundred slots with the one before.

`RecordSequence` keeps rows in order, in chunks; `RowsById` finds them by id, in small dicts. Both
are immutable: an insertion or a removal copies one chunk (or dict) and the short spine above.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, chain, islice
from operator import eq
from typing import Any, Generic, NamedTuple, TypeVar, cast, overload

from rxbosbase.encoding.control_characters import short_repr

__all__ = ("RecordSequence", "Row", "RowsById")

T = TypeVar("T")
Key = tuple[Any, ...]

CHUNK = 256
"""Entries in a chunk when it is built or split; it splits at twice as many."""
BUCKETS = 256
"""Dicts in a `RowsById`: 40 entries each at 10 000 records."""

SHOWN = 3
"""Records in the repr of a sequence; the others are counted."""


class Row(NamedTuple, Generic[T]):
    """A record with its place in the order."""

    key: Key
    record: T


class _Chunk(NamedTuple, Generic[T]):
    keys: tuple[Key, ...]
    records: tuple[T, ...]


class RecordSequence(Sequence[T]):
    """The records of a snapshot, in the order of their keys: no two of these are equal.

    Equal to any list or tuple with the same records.
    """

    __slots__ = ("_chunks", "_firsts", "_starts")

    def __init__(self, chunks: tuple[_Chunk[T], ...] = ()) -> None:
        self._chunks = chunks
        keys = [chunk.keys for chunk in chunks]
        self._firsts = [each[0] for each in keys]
        self._starts = list(accumulate(map(len, keys), initial=0))

    @classmethod
    def build(cls, entries: Iterable[Row[T]]) -> RecordSequence[T]:
        """Build it from entries in any order: much cheaper than inserting one by one."""
        ordered = sorted(entries, key=lambda entry: entry.key)
        pieces = (ordered[at : at + CHUNK] for at in range(0, len(ordered), CHUNK))
        return cls(tuple(_chunk_of(piece) for piece in pieces))

    def __len__(self) -> int:
        return self._starts[-1]

    def __iter__(self) -> Iterator[T]:
        return chain.from_iterable(chunk.records for chunk in self._chunks)

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[T]: ...
    def __getitem__(self, index: int | slice) -> T | Sequence[T]:
        size = len(self)
        if isinstance(index, slice):
            return [self[at] for at in range(*index.indices(size))]
        index += size if index < 0 else 0
        if not 0 <= index < size:
            raise IndexError("no record has this index")
        at = bisect_right(self._starts, index) - 1
        return self._chunks[at].records[index - self._starts[at]]

    def __eq__(self, other: object) -> bool:
        if isinstance(other, RecordSequence | list | tuple):
            others = cast(Sequence[Any], other)
            return len(self) == len(others) and all(map(eq, self, others))
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]  # it may hold dicts

    def __repr__(self) -> str:
        shown = [short_repr(record, 200) for record in islice(self, SHOWN)]
        more = [f"… {len(self) - SHOWN} more"] if len(self) > SHOWN else []
        return f"RecordSequence([{', '.join(shown + more)}])"

    def inserted(self, entry: Row[T]) -> tuple[RecordSequence[T], int]:
        """Return the sequence with the entry, and its index."""
        if not self._chunks:
            return RecordSequence((_chunk_of([entry]),)), 0
        at = max(bisect_right(self._firsts, entry.key) - 1, 0)
        keys, records = self._chunks[at]
        within = bisect_left(keys, entry.key)
        keys = (*keys[:within], entry.key, *keys[within:])
        records = (*records[:within], entry.record, *records[within:])
        return self._with(at, _split(_Chunk(keys, records))), self._starts[at] + within

    def without(self, key: Key) -> tuple[RecordSequence[T], int]:
        """Return the sequence without the record at ``key``, which must be there, and its index."""
        at = bisect_right(self._firsts, key) - 1
        keys, records = self._chunks[at]
        within = bisect_left(keys, key)
        left = _Chunk(
            (*keys[:within], *keys[within + 1 :]), (*records[:within], *records[within + 1 :])
        )
        return self._with(at, (left,) if left.keys else ()), self._starts[at] + within

    def replaced(self, entry: Row[T]) -> tuple[RecordSequence[T], int]:
        """Return the sequence with another record at a key that is there, and its index."""
        at = bisect_right(self._firsts, entry.key) - 1
        keys, records = self._chunks[at]
        within = bisect_left(keys, entry.key)
        records = (*records[:within], entry.record, *records[within + 1 :])
        return self._with(at, (_Chunk(keys, records),)), self._starts[at] + within

    def _with(self, at: int, chunks: tuple[_Chunk[T], ...]) -> RecordSequence[T]:
        return RecordSequence((*self._chunks[:at], *chunks, *self._chunks[at + 1 :]))


def _chunk_of(entries: Sequence[Row[T]]) -> _Chunk[T]:
    return _Chunk(tuple(e.key for e in entries), tuple(e.record for e in entries))


def _split(chunk: _Chunk[T]) -> tuple[_Chunk[T], ...]:
    if len(chunk.keys) < 2 * CHUNK:
        return (chunk,)
    left = _Chunk(chunk.keys[:CHUNK], chunk.records[:CHUNK])
    return left, _Chunk(chunk.keys[CHUNK:], chunk.records[CHUNK:])


class RowsById(Mapping[str, T]):
    """A mapping from id that is cheap to copy with one change."""

    __slots__ = ("_buckets", "_size")

    def __init__(self, buckets: tuple[dict[str, T], ...] = (), size: int = 0) -> None:
        self._buckets: tuple[dict[str, T], ...] = buckets or ({},) * BUCKETS
        self._size = size

    @classmethod
    def build(cls, items: Mapping[str, T]) -> RowsById[T]:
        """Build it from all items at once."""
        buckets: tuple[dict[str, T], ...] = tuple({} for _ in range(BUCKETS))
        for id, value in items.items():
            buckets[hash(id) % BUCKETS][id] = value
        return cls(buckets, len(items))

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[str]:
        return chain.from_iterable(self._buckets)

    def __getitem__(self, id: str) -> T:
        return self._buckets[hash(id) % BUCKETS][id]

    def pairs(self) -> Iterator[tuple[str, T]]:
        """Iterate over the ids with their values: much cheaper than `items`, which looks each
        up."""
        return chain.from_iterable(bucket.items() for bucket in self._buckets)

    def __reduce__(self) -> Any:
        # Which bucket an id is in depends on its hash, and that on the process.
        return RowsById[T].build, (dict(self),)

    def set(self, id: str, value: T) -> RowsById[T]:
        """Return the mapping with this value for the id."""
        bucket = self._buckets[hash(id) % BUCKETS]
        return self._with(id, {**bucket, id: value}, self._size + (id not in bucket))

    def without(self, id: str) -> RowsById[T]:
        """Return the mapping without the id, which must be there."""
        bucket = dict(self._buckets[hash(id) % BUCKETS])
        del bucket[id]
        return self._with(id, bucket, self._size - 1)

    def differing(self, other: RowsById[T]) -> Iterator[str]:
        """Iterate over the ids whose values are not the very same object in both."""
        for mine, theirs in zip(self._buckets, other._buckets, strict=True):
            if mine is not theirs:
                for id in {**theirs, **mine}:
                    if mine.get(id) is not theirs.get(id):
                        yield id

    def _with(self, id: str, bucket: dict[str, T], size: int) -> RowsById[T]:
        at = hash(id) % BUCKETS
        return RowsById((*self._buckets[:at], bucket, *self._buckets[at + 1 :]), size)
