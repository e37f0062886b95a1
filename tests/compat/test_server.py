"""The promises of the embedded server itself, with older binaries too."""

from __future__ import annotations

import pytest
import requests
from support.tested_server import GIVEN_SERVER

from rxbosbase.server import EmbeddedServer


@pytest.mark.skipif(bool(GIVEN_SERVER), reason="a server that others started")
def test_no_web_site_but_its_own_may_use_it(server: EmbeddedServer) -> None:
    """The embedded server allows requests of no other origin than its own."""
    url = server.url
    for origin, allowed_origin in ((url, url), ("http://evil.example", None)):
        answer = requests.get(f"{url}/api/health", headers={"Origin": origin}, timeout=10)
        assert answer.headers.get("Access-Control-Allow-Origin") == allowed_origin
