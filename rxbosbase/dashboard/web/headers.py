"""The headers of every answer: what a browser may do with it, and nobody else."""

from __future__ import annotations

import re
import secrets

from tornado.httputil import HTTPHeaders, HTTPServerRequest
from tornado.web import OutputTransform

__all__ = ["SafeHeaders"]

FIXED = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}

SCRIPT = re.compile(rb"<script(?=[\s>])")


class SafeHeaders(OutputTransform):
    """Sets them, whichever handler answers, and gives the page's own scripts their nonce."""

    def __init__(self, request: HTTPServerRequest) -> None:
        super().__init__(request)
        self._host = request.headers.get("Host", "")

    def transform_first_chunk(
        self, status_code: int, headers: HTTPHeaders, chunk: bytes, finishing: bool
    ) -> tuple[int, HTTPHeaders, bytes]:
        nonce = secrets.token_urlsafe(16)
        ok = status_code == 200  # then the gate knows the name
        for name, value in FIXED.items():
            headers[name] = value
        headers["Content-Security-Policy"] = self._policy(nonce, self._host if ok else "")
        # Which server it is, and which version, is of use to attackers alone.
        headers.pop("Server", None)
        if headers.get("Content-Type", "").startswith("text/html"):
            # The text is Panel's template alone: what records hold comes by the WebSocket.
            chunk = SCRIPT.sub(b'<script nonce="%s"' % nonce.encode(), chunk)
            if "Content-Length" in headers:
                headers["Content-Length"] = str(len(chunk))
        return status_code, headers, chunk

    @staticmethod
    def _policy(nonce: str, host: str) -> str:
        # `blob:` is how Panel loads a component's script, inline style how Bokeh lays out. Older
        # browsers take 'self' for http alone, and not for the WebSocket.
        sockets = f" ws://{host} wss://{host}" if host else ""
        rules = {
            "default-src": "'none'",
            "script-src": f"'self' 'nonce-{nonce}' blob:",
            "style-src": "'self' 'unsafe-inline'",
            "img-src": "'self' data:",
            "font-src": "'self' data:",
            "connect-src": f"'self' blob:{sockets}",
            "base-uri": "'none'",
            "form-action": "'none'",
            "frame-ancestors": "'none'",
        }
        return "; ".join(f"{name} {value}" for name, value in rules.items())
