"""One client for each login, and one that all pages without a login share."""

from __future__ import annotations

import threading
from collections.abc import Callable

from rxbosbase.client import CHECK_EVERY, BosBase

__all__ = ("Clients", "Lease")


class Lease:
    """A page's use of a client. Call `release` when the page is closed.

    Attributes:
        client: the page's client.
        name: the user who is logged in; "" without a login.
        notice: shown to a page without a login, such as why the last one ended.
    """

    def __init__(
        self, client: BosBase, name: str, end: Callable[[], None], notice: str = ""
    ) -> None:
        self.client = client
        self.name = name
        self.notice = notice
        self._end: Callable[[], None] | None = end

    @property
    def is_guest(self) -> bool:
        """True without a login."""
        return not self.name

    @property
    def is_revoked(self) -> bool:
        """True once the server no longer accepts the login; it stays so."""
        return bool(self.name) and not self.client.auth_store.token

    def release(self) -> None:
        """End the use; the last one closes the client. May be called again."""
        end, self._end = self._end, None
        if end is not None:
            end()


class Clients:
    """Makes the clients of all pages, and counts the pages of each.

    Each login has a client of its own, which never gets the token of another login: a revoked
    login does not regain its rights by the next one.

    Args:
        make: makes a client without a login.
        check_every: seconds between two checks whether the server still accepts a login.
    """

    def __init__(self, make: Callable[[], BosBase], *, check_every: float = CHECK_EVERY) -> None:
        self._make = make
        self._check_every = check_every
        self._lock = threading.Lock()
        self._users: dict[BosBase, int] = {}
        self._guest_client: BosBase | None = None

    @property
    def count(self) -> int:
        """The number of open clients."""
        return len(self._users)

    @property
    def lease_count(self) -> int:
        """The number of leases of all clients."""
        return sum(self._users.values())

    def guest(self, notice: str = "") -> Lease:
        """Return a lease of the client without a login."""
        made = self._make()
        with self._lock:
            known = self._guest_client
            client = known if known is not None and known in self._users else made
            self._guest_client = client
            self._users[client] = self._users.get(client, 0) + 1
        if client is not made:
            made.close()
        return Lease(client, "", lambda: self._release(client), notice)

    def log_in(self, collection: str, identity: str, password: str) -> Lease:
        """Return a lease of a new client, logged in. Blocks until the server responds.

        Raises:
            ClientResponseError: the server refuses the login.
            BosBaseError: no response, or an unexpected one.
        """
        client = self._make()
        try:
            record = client.collection(collection).auth_with_password(identity, password)["record"]
            name = str(record.get("name") or record.get("email") or identity or "?")
            client.auto_refresh(check_every=self._check_every)
        except BaseException:
            client.close()
            raise
        with self._lock:
            self._users[client] = 1
        return Lease(client, name, lambda: self._release(client))

    def share(self, lease: Lease) -> Lease:
        """Return a further lease of the login; if it is revoked, one without, with a notice."""
        with self._lock:
            client = lease.client
            good = client in self._users and not lease.is_revoked
            if good:
                self._users[client] += 1
        if good:
            return Lease(client, lease.name, lambda: self._release(client))
        return self.guest(
            f"The server does not accept the login of {lease.name} any more, which pages began "
            "with: start the dashboard anew, or log in here."
        )

    def close(self) -> None:
        """Close all clients, also those in use."""
        with self._lock:
            clients, self._users = list(self._users), {}
        for client in clients:
            client.close()

    def _release(self, client: BosBase) -> None:
        with self._lock:
            users = self._users.pop(client, 0)
            if users > 1:
                self._users[client] = users - 1
        if users == 1:
            client.close()
