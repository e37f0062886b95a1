"""One client for each identity, however many browsers look: upstream there is one of each."""

from __future__ import annotations

import threading
from collections.abc import Callable

from rxbosbase.client import BosBase

__all__ = ["Clients", "Lease"]

GUEST = ""

LOGIN_TIMEOUT = 10.0


class Lease:
    """A browser session's share of a client. `release` it when the session ends."""

    def __init__(self, client: BosBase, identity: str, name: str, end: Callable[[], None]) -> None:
        self.client = client
        self.identity = identity
        self.name = name
        self._end: Callable[[], None] | None = end

    @property
    def is_guest(self) -> bool:
        """True without a login."""
        return self.identity == GUEST

    def release(self) -> None:
        """Gives the share back; the last one closes the client. May be called again."""
        end, self._end = self._end, None
        if end is not None:
            end()


class Clients:
    """Gives out leases. A login is always made with the server, before anything is shared.

    Args:
        make: makes a client that nobody is logged in on.
    """

    def __init__(self, make: Callable[[], BosBase]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._shared: dict[str, tuple[BosBase, int]] = {}

    @property
    def count(self) -> int:
        """How many clients there are now."""
        return len(self._shared)

    def guest(self) -> Lease:
        """A share of the client nobody is logged in on."""
        return self._lease(GUEST, "guest", self._make())

    def log_in(self, collection: str, identity: str, password: str) -> Lease:
        """A share of the client of who logs in. Blocks for the server's answer.

        Raises:
            ClientResponseError: the server refuses the login.
            BosBaseError: no answer.
        """
        client = self._make()
        try:
            answer = client.collection(collection).auth_with_password(identity, password)
        except BaseException:
            client.close()
            raise
        record = answer["record"]
        key = f"{record['collectionId']}/{record['id']}"
        name = str(record.get("name") or record.get("email") or identity)
        return self._lease(key, name, client)

    def again(self, lease: Lease) -> Lease:
        """A further share of the same client."""
        with self._lock:
            client, users = self._shared[lease.identity]
            self._shared[lease.identity] = (client, users + 1)
        return self._made(client, lease.identity, lease.name)

    def close(self) -> None:
        """Closes all clients, whoever has a share."""
        with self._lock:
            shared, self._shared = self._shared, {}
        for client, _ in shared.values():
            client.close()

    def _lease(self, key: str, name: str, made: BosBase) -> Lease:
        with self._lock:
            client, users = self._shared.get(key, (made, 0))
            self._shared[key] = (client, users + 1)
        if client is not made:
            # The newest token lives longest; the client is the same identity's already.
            state = made.auth_store.state
            if state.token and state.record is not None:
                client.auth_store.save(state.token, state.record)
            made.close()
        elif key != GUEST:
            client.auto_refresh()
        return self._made(client, key, name)

    def _made(self, client: BosBase, key: str, name: str) -> Lease:
        return Lease(client, key, name, lambda: self._release(key, client))

    def _release(self, key: str, client: BosBase) -> None:
        with self._lock:
            shared, users = self._shared.get(key, (None, 0))
            if shared is not client:
                return
            if users > 1:
                self._shared[key] = (client, users - 1)
                return
            del self._shared[key]
        client.close()
