"""Tools for tests of code that uses the library: a fake without a server, and recordings.

`FakeRealtime` is a client and its server in virtual time: push events, drop the connection,
refuse a collection, and let hours pass in a millisecond. `record_stream` writes a real stream to
a file, and `replay_stream` replays it. The pytest fixtures ``bosbase_server``, ``bosbase_client``
and ``virtual_time`` are available once the library is installed.

>>> fake = FakeRealtime()
>>> titles = []
>>> posts = fake.client.collection("posts")
>>> _ = posts.observe("*").subscribe(lambda event: titles.append(event.record["title"]))
>>> fake.push("posts", "create", {"title": "Hi"})
1
>>> titles
['Hi']
>>> fake.close()
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rxbosbase._renamed import forward

from .fake import FakeRealtime
from .literals import Matches
from .recording import record_stream, replay_stream
from .virtual_time import VirtualClock, VirtualScheduler

__all__ = (
    "FakeRealtime",
    "Matches",
    "VirtualClock",
    "VirtualScheduler",
    "record_stream",
    "replay_stream",
)

if not TYPE_CHECKING:  # type checkers refuse the old names at once
    __getattr__ = forward(__name__)
