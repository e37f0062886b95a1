"""Sample collections, users and records, for demos, examples and tests.

====================== ========================================= ==================================
collection             who may read                              fields
====================== ========================================= ==================================
``users``              everyone (names, not addresses)           name
``messages``           everyone                                  room, text, author
``posts``              everyone                                  title, text, author
``comments``           everyone                                  post, text, author
``orders``             each customer their own                   customer, item, quantity, status
``audit``              superusers alone                          entry
====================== ========================================= ==================================

Logged-in users may write what is own. All but ``users`` and ``audit`` also have ``revision``,
``created`` and ``updated``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rxbosbase.errors import ClientResponseError

if TYPE_CHECKING:
    from rxbosbase.client import BosBase

__all__ = ("POSTS", "ROOMS", "SAMPLE_PASSWORD", "SAMPLE_USERS", "SampleUser", "create_sample")

SAMPLE_PASSWORD = "password123"
"""The default password of every sample user. It is published, so it protects nothing."""

ROOMS = ("general", "random", "help")


@dataclass(frozen=True, slots=True)
class SampleUser:
    """A user that can log in with `email` and the password given to `create_sample`.

    Attributes:
        id: the record's id, 15 characters.
        name: the first name.
        email: the address to log in with.

    >>> SAMPLE_USERS[0]
    SampleUser(id='ada000000000000', name='Ada', email='ada@example.com')
    """

    id: str
    name: str
    email: str


SAMPLE_USERS = tuple(
    SampleUser(f"{name.lower():0<15}", name, f"{name.lower()}@example.com")
    for name in ("Ada", "Ben", "Chloe", "Dan")
)

POSTS = {
    "post00000000001": "Why streams beat polling",
    "post00000000002": "A week with relations",
    "post00000000003": "Notes from the night shift",
}
"""The ids and titles of the posts that `create_sample` creates."""

_Field = dict[str, Any]


def create_sample(admin: BosBase, *, password: str = SAMPLE_PASSWORD) -> None:
    """Create what the table above lists, as far as it is missing.

    Args:
        admin: a superuser's client.
        password: of every sample user, also of existing ones.

    Raises:
        ClientResponseError: the client may not do that, or has collections of these names with
            other fields.
        ConnectionFailedError, RequestTimeoutError: the server does not respond.

    Example:
        >>> from rxbosbase.server import EmbeddedServer
        >>> with EmbeddedServer() as server, server.client(superuser=True) as admin:
        ...     create_sample(admin)
        ...     sorted(user["name"] for user in admin.collection("users").get_full_list())
        ['Ada', 'Ben', 'Chloe', 'Dan']
    """
    # Sign-up is closed: any web site that a browser opens could send such a request unseen.
    rules = {"listRule": "", "viewRule": "", "createRule": None, "authAlert": {"enabled": False}}
    users = admin.collections.update("users", rules)["id"]
    _create_users(admin, password)
    author = _relation("author", users)
    _create_collection(admin, "messages", [_text("room"), _text("text"), author], "author")
    posts = _create_collection(admin, "posts", [_text("title"), _text("text"), author], "author")
    _create_posts(admin)
    comment = [_relation("post", posts), _text("text"), author]
    _create_collection(admin, "comments", comment, "author")
    order = [_relation("customer", users), _text("item"), _number("quantity"), _text("status")]
    _create_collection(admin, "orders", order, "customer", readers="customer = @request.auth.id")
    _create_collection(admin, "audit", [_text("entry")], None, readers=None)


def _create_collection(
    admin: BosBase, name: str, fields: list[_Field], owner: str | None, readers: str | None = ""
) -> str:
    """Return the collection's id; create it if missing. The user in field `owner` may write."""
    try:
        existing: str = admin.collections.get(name)["id"]
        return existing
    except ClientResponseError as error:
        if error.status != 404:
            raise
    own = f'@request.auth.id != "" && {owner} = @request.auth.id' if owner else None
    times = [
        {"name": "created", "type": "autodate", "onCreate": True},
        {"name": "updated", "type": "autodate", "onCreate": True, "onUpdate": True},
    ]
    body = {
        "name": name,
        "type": "base",
        "fields": [*fields, *([_number("revision")] if owner else []), *times],
        "listRule": readers,
        "viewRule": readers,
        "createRule": own,
        "updateRule": own,
        "deleteRule": own,
    }
    created: str = admin.collections.create(body)["id"]
    return created


def _create_users(admin: BosBase, password: str) -> None:
    secret = {"password": password, "passwordConfirm": password}
    for user in SAMPLE_USERS:
        body = {"id": user.id, "name": user.name, "email": user.email, "verified": True, **secret}
        if not _create_if_missing(admin, "users", body):
            admin.collection("users").update(user.id, secret)


def _create_posts(admin: BosBase) -> None:
    for number, (id, title) in enumerate(POSTS.items()):
        author = SAMPLE_USERS[number % len(SAMPLE_USERS)].id
        body = {"id": id, "title": title, "text": f"{title}: a first draft.", "author": author}
        _create_if_missing(admin, "posts", body)


def _create_if_missing(admin: BosBase, collection: str, body: Mapping[str, Any]) -> bool:
    """Create the record; return False if it exists."""
    records = admin.collection(collection)
    if records.get_list(1, 1, filter=admin.filter("id = {:id}", id=body["id"]))["items"]:
        return False
    records.create(body)
    return True


def _text(name: str) -> _Field:
    return {"name": name, "type": "text", "max": 1000}


def _number(name: str) -> _Field:
    return {"name": name, "type": "number"}


def _relation(name: str, collection: str) -> _Field:
    target = {"collectionId": collection, "cascadeDelete": True}
    return {"name": name, "type": "relation", "maxSelect": 1, "required": True, **target}
