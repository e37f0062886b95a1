"""The realtime connection: from the bytes of the event stream to the subscribers of its topics.

`protocol` (topics, frames) and `session` (the state machine of a connection, the registry of
topics) are pure. `connection` reads one stream, `driver` runs a session on it, `shard_streams` has
the drivers to all nodes, and `nodes` what belongs to each; `delivery` decodes frames and calls
subscribers, `preflight` checks topics by a read, at first and again, `service` joins these,
`monitor` sums up all connections of a client, and `api` is `client.realtime`.
"""

from typing import TYPE_CHECKING

from rxbosbase._renamed import forward

__all__ = ()

if not TYPE_CHECKING:  # type checkers refuse the old names at once
    __getattr__ = forward(__name__)
