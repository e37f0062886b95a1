"""The writes of the sample users. The random generator is an argument, so that tests repeat."""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, NamedTuple

from rxbosbase.events import RecordEvent
from rxbosbase.server.sample import POSTS, ROOMS, SampleUser

__all__ = ("SampleWrites", "Write", "WriteKey", "key_of")

ID_LENGTH = 15  # as in ids that the server makes
ID_LETTERS = string.ascii_lowercase + string.digits

MAX_KEPT = 20
"""Records of one user at a time; at the limit no other is created before one is deleted."""

CREATE, UPDATE = (
    0.55,
    0.85,
)  # bounds of a random number: below the first create, below the second update

LINES = (
    "Good morning!",
    "Has anyone seen the new build?",
    "Shipping it now 🚀",
    "Zażółć gęślą jaźń",
    "I will take a look after lunch.",
    "That fixed it, thank you.",
    "Who has the key to the lab?",
    "Works on my machine…",
    "Can we move the meeting to three?",
    "Coffee, anyone? ☕",
)
GOODS = ("tea", "coffee", "notebook", "pencil", "lamp", "chair")
STATUSES = ("new", "paid", "packed", "sent")
CHOICES = ("messages",) * 5 + ("orders",) * 3 + ("comments",) * 2 + ("posts",)


class WriteKey(NamedTuple):
    """Identifies one change of one record."""

    collection: str
    id: str
    action: str
    revision: int


def key_of(event: RecordEvent[dict[str, Any]]) -> WriteKey:
    """Return the key of the write that caused the event.

    >>> key_of(RecordEvent("orders/*", "update", {"id": "a", "revision": 2}))
    WriteKey(collection='orders', id='a', action='update', revision=2)
    """
    collection = event.topic.partition("/")[0]
    return WriteKey(collection, event.record["id"], event.action, event.record.get("revision", 0))


@dataclass(frozen=True, slots=True)
class Write:
    """A request to send. `body` is empty for a delete."""

    key: WriteKey
    body: Mapping[str, Any] = field(default_factory=dict[str, Any])


class SampleWrites:
    """Generates the writes of one user, who changes only their own records.

    Args:
        user: the author of the records.
        random: chooses actions and contents.
    """

    def __init__(self, user: SampleUser, random: Random) -> None:
        self._user = user
        self._random = random
        self._kept: list[tuple[str, str, int]] = []  # collection, id, revision; the oldest first

    def next(self) -> Write:
        """Return the next write; it assumes that the earlier ones have succeeded."""
        number = self._random.random()
        if not self._kept or (number < CREATE and len(self._kept) < MAX_KEPT):
            return self._create()
        if number < UPDATE:
            return self._update()
        return self._delete()

    def _create(self) -> Write:
        collection = self._random.choice(CHOICES)
        id = "".join(self._random.choices(ID_LETTERS, k=ID_LENGTH))
        if collection != "posts":  # posts are never deleted: they may have comments
            self._kept.append((collection, id, 1))
        body = {"id": id, "revision": 1, **self._content(collection), **self._owned(collection)}
        return Write(WriteKey(collection, id, "create", 1), body)

    def _update(self) -> Write:
        index = self._random.randrange(len(self._kept))
        collection, id, revision = self._kept[index]
        self._kept[index] = (collection, id, revision + 1)
        body = {"revision": revision + 1, **self._content(collection)}
        return Write(WriteKey(collection, id, "update", revision + 1), body)

    def _delete(self) -> Write:
        collection, id, revision = self._kept.pop(0)
        return Write(WriteKey(collection, id, "delete", revision))

    def _content(self, collection: str) -> dict[str, Any]:
        pick = self._random.choice
        if collection == "messages":
            return {"room": pick(ROOMS), "text": pick(LINES)}
        if collection == "comments":
            return {"post": pick(list(POSTS)), "text": pick(LINES)}
        if collection == "orders":
            quantity = self._random.randint(1, 9)
            return {"item": pick(GOODS), "quantity": quantity, "status": pick(STATUSES)}
        return {"title": f"{self._user.name} on {pick(GOODS)}", "text": pick(LINES)}

    def _owned(self, collection: str) -> dict[str, str]:
        return {"customer" if collection == "orders" else "author": self._user.id}
