"""The security headers of every response."""

from __future__ import annotations

import re
import secrets

from tornado.httputil import HTTPHeaders, HTTPServerRequest
from tornado.web import OutputTransform

__all__ = ("SafeHeaders",)

FIXED = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}

SCRIPT = re.compile(rb"<script(?=[\s>])")


class SafeHeaders(OutputTransform):
    """Sets the headers on the responses of all handlers, and the nonce of the page's scripts."""

    def __init__(self, request: HTTPServerRequest) -> None:
        super().__init__(request)
        self._host = request.headers.get("Host", "")

    def transform_first_chunk(
        self, status_code: int, headers: HTTPHeaders, chunk: bytes, finishing: bool
    ) -> tuple[int, HTTPHeaders, bytes]:
        nonce = secrets.token_urlsafe(16)
        ok = status_code == 200  # then the access check has allowed the host
        for name, value in FIXED.items():
            headers[name] = value
        headers["Content-Security-Policy"] = self._policy(nonce, self._host if ok else "")
        # The name and version of the server help only attackers.
        headers.pop("Server", None)
        if headers.get("Content-Type", "").startswith("text/html"):
            # The text is only Panel's template: the records come by the WebSocket.
            chunk = SCRIPT.sub(b'<script nonce="%s"' % nonce.encode(), chunk)
            if "Content-Length" in headers:
                headers["Content-Length"] = str(len(chunk))
        return status_code, headers, chunk

    @staticmethod
    def _policy(nonce: str, host: str) -> str:
        # Panel loads a component's script by `blob:`, and Bokeh uses inline styles. In older
        # browsers 'self' includes http only, and not the WebSocket.
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
