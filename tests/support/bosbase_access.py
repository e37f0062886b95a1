"""Who may read what of the BosBase-like server; its database that goes away; its cache of tokens.

The logins are those of the wire server: any token with the claims of a user or a superuser::

    server.set_rule("posts", "login")    # all are "public" at first
    server.set_rule("posts", "locked", view="public")

    with server.database_away():         # or server.lose_database(), server.restore_database()
        ...                              # lists 400, a record 404, auth-refresh 401, a login 500

    server.table("posts").stale_plans += 2    # so many reads are refused, as after a new field
    server.failing_lookups += 2          # so many tokens are taken for a guest's, without a sign
    server.delete_user("ann")            # its tokens that were looked up once stay valid …
    server.forget_tokens()               # … until the cache ends

Without the database a token cannot be looked up, and the request is a guest's: the POST of topics
is answered with 204 (403 if the stream has an identity). The stream stays a guest's, also once the
database is back, until the next POST.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from typing import Any

from support.bosbase_data import BosBaseData, Database, Order
from support.bosbase_table import Nulls, Rule, Table
from support.wire_api import auth_collection_id, user_id
from support.wire_http import Answer, Request, problem
from support.wire_server import WireServer
from support.wire_tokens import identity_of

__all__ = ["BosBaseAccess", "is_superuser", "not_found"]

SUPERUSERS = "_superusers"
FAILED = "Something went wrong while processing your request."


class BosBaseAccess(BosBaseData, WireServer):
    """What decides before the rows are read. See the module.

    Attributes:
        has_database: False while it is away.
        failing_lookups: how many of the coming requests with a token are a guest's, although their
            queries succeed: those on connections of the database that were killed a moment ago.
    """

    def __init__(
        self,
        order: Order,
        nulls: Nulls,
        hidden: Mapping[str, Iterable[str]],
        database: Database | None,
        **options: Any,
    ) -> None:
        """``options``: the wire server's."""
        WireServer.__init__(self, **options)
        BosBaseData.__init__(self, order, nulls, hidden, database)
        self.has_database = True
        self.failing_lookups = 0
        self.identify = self._look_up
        self._looked_up: set[str] = set()
        self._deleted_users: set[str] = set()
        if database is not None:
            return
        self.set_rule("users", "login")  # every database has these two
        self.set_rule(SUPERUSERS, "locked")
        for name in ("users", SUPERUSERS):
            self.table(name).id = auth_collection_id(name)

    def set_rule(self, name: str, rule: Rule, *, view: Rule | None = None) -> None:
        """Set the rules of a collection, created if it does not exist; ``view``: another one for
        single records and their topics."""
        with self.data_lock:
            table = self.table(name)
            table.list_rule, table.view_rule = rule, view or rule

    # -- faults ----------------------------------------------------------------------------------

    @contextmanager
    def database_away(self) -> Generator[None]:
        """Lose the database, and restore it at the end."""
        self.lose_database()
        try:
            yield
        finally:
            self.restore_database()

    def lose_database(self) -> None:
        """Answer as without a database. Writes are those of other nodes only: `sql_update`, …"""
        with self.changed:
            self.has_database = False

    def restore_database(self) -> None:
        """Answer with the database again. A stream that became a guest's stays that."""
        with self.changed:
            self.has_database = True

    def delete_user(self, id: str, *, is_here: bool = False) -> None:
        """Delete a user or superuser: no login, and no token that was not looked up before.

        ``is_here``: at this node, where it ends the identity of open streams too, until a POST.
        """
        with self.changed:
            self._deleted_users.add(id)
            for stream in self.streams:
                if is_here and _id_of(stream.auth) == id:
                    stream.auth = ""

    def forget_tokens(self) -> None:
        """End the cache of tokens, as 30 minutes after they were looked up."""
        with self.changed:
            self._looked_up.clear()

    # -- decisions -------------------------------------------------------------------------------

    def may_see(self, table: Table, identity: str, id: str | None) -> bool:
        """Return True if the rule of lists (without ``id``), or of single records, allows it."""
        rule = table.list_rule if id is None else table.view_rule
        return rule == "public" or is_superuser(identity) or (rule == "login" and bool(identity))

    def refusal(self, table: Table, method: str, identity: str, id: str | None) -> Answer | None:
        """Return the answer to a request that does not get as far as the rows."""
        rule = table.list_rule if id is None else table.view_rule
        if rule == "locked" and not is_superuser(identity):
            # Decided without the database: a superuser, who cannot be looked up, gets it as well.
            return problem(403, "Only superusers can perform this action.")
        is_read = method == "GET"
        fails = not self.has_database or (is_read and self._is_stale(table))
        if fails or (not is_read and not self.may_see(table, identity, id)):
            return not_found() if id is not None else problem(400, FAILED)
        return None

    def _is_stale(self, table: Table) -> bool:
        with self.data_lock:
            is_stale = table.stale_plans > 0
            table.stale_plans -= is_stale
            return is_stale

    def _look_up(self, request: Request) -> str:
        """Return the identity of a request, "" for a guest."""
        identity = identity_of(request)
        with self.changed:
            if not identity or not self.has_database:
                return ""
            if self.failing_lookups:
                self.failing_lookups -= 1
                return ""
            is_deleted = _id_of(identity) in self._deleted_users
            if is_deleted and request.auth not in self._looked_up:
                return ""
            self._looked_up.add(request.auth)
            return identity

    # -- the routes of logins --------------------------------------------------------------------

    def _log_in(self, request: Request, name: str) -> Answer:
        if not self.has_database:
            return problem(500, FAILED)
        if user_id(request.json().get("identity", "")) in self._deleted_users:
            return problem(400, "Failed to authenticate.")
        return super()._log_in(request, name)

    def _refresh(self, request: Request) -> Answer:
        if not self.identify(request):
            return problem(401, "The request requires valid record authorization token.")
        return super()._refresh(request)


def _id_of(identity: str) -> str:
    return identity.rpartition("/")[2]


def is_superuser(identity: str) -> bool:
    """Return True for the identity of a superuser.

    >>> is_superuser("_pb__superusers_auth_/root"), is_superuser("_pb_users_auth_/ann")
    (True, False)
    """
    return SUPERUSERS in identity.partition("/")[0]


def not_found() -> Answer:
    """Return the answer about a record that does not exist, may not be seen, or cannot be read.

    >>> not_found().code
    404
    """
    return problem(404, "The requested resource wasn't found.")
