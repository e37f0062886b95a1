"""One client for each login; those who are not logged in share one."""

from __future__ import annotations

import threading
from collections.abc import Callable

from rxbosbase.client import CHECK_EVERY, BosBase

__all__ = ["Clients", "Lease"]


class Lease:
    """A page's share of a client. `release` it when the page is closed.

    Attributes:
        client: to look with.
        name: who is logged in; "" for a guest.
        notice: what a guest should know, such as why nobody is logged in.
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
    def is_lost(self) -> bool:
        """True once the server does not accept the login any more. It does not come back."""
        return bool(self.name) and not self.client.auth_store.token

    def release(self) -> None:
        """Gives the share back; the last one closes the client. May be called again."""
        end, self._end = self._end, None
        if end is not None:
            end()


class Clients:
    """Gives out leases.

    A login's client is its own, and never gets the token of another login: who has lost the
    rights of one does not regain them by the next.

    Args:
        make: makes a client that nobody is logged in on.
        check_every: seconds between two looks whether the server still accepts a login.
    """

    def __init__(self, make: Callable[[], BosBase], *, check_every: float = CHECK_EVERY) -> None:
        self._make = make
        self._check_every = check_every
        self._lock = threading.Lock()
        self._users: dict[BosBase, int] = {}
        self._guests: BosBase | None = None

    @property
    def count(self) -> int:
        """How many clients there are now."""
        return len(self._users)

    @property
    def shares(self) -> int:
        """How many pages there are of them."""
        return sum(self._users.values())

    def guest(self, notice: str = "") -> Lease:
        """A share of the client nobody is logged in on."""
        made = self._make()
        with self._lock:
            known = self._guests
            client = known if known is not None and known in self._users else made
            self._guests = client
            self._users[client] = self._users.get(client, 0) + 1
        if client is not made:
            made.close()
        return Lease(client, "", lambda: self._release(client), notice)

    def log_in(self, collection: str, identity: str, password: str) -> Lease:
        """A client of one's own, logged in. Blocks for the server's answer.

        Raises:
            ClientResponseError: the server refuses the login.
            BosBaseError: no answer, or an odd one.
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

    def again(self, lease: Lease) -> Lease:
        """A further share of the same login; once that is lost, a guest's, with a notice."""
        with self._lock:
            client = lease.client
            good = client in self._users and not lease.is_lost
            if good:
                self._users[client] += 1
        if good:
            return Lease(client, lease.name, lambda: self._release(client))
        return self.guest(
            f"The server does not accept the login of {lease.name} any more, which pages began "
            "with: start the dashboard anew, or log in here."
        )

    def close(self) -> None:
        """Closes all clients, whoever has a share."""
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
