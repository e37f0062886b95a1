"""For people who test their own code: a fake without a server, and streams kept on a tape.

`FakeRealtime` is a client's other side in virtual time: push events, take the connection away,
refuse a collection, and let hours pass in a millisecond. `record_stream` writes a real stream to
a file, and `replay_stream` plays it again. The pytest fixtures ``bosbase_server``,
``bosbase_client`` and ``virtual_time`` are there as soon as the library is installed.

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

from .fake import FakeRealtime
from .recording import record_stream, replay_stream
from .virtual_time import VirtualClock, VirtualScheduler

__all__ = ["FakeRealtime", "VirtualClock", "VirtualScheduler", "record_stream", "replay_stream"]
