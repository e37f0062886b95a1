"""What a response means: its JSON, or the error that it stands for.

Source: RFC 9110, 15 (the classes of status codes) and 10.2.3 (``Retry-After``).
"""

from __future__ import annotations

import contextlib
import email.utils
import re
from datetime import UTC, datetime
from typing import Any

import requests

from rxbosbase.encoding.control_characters import one_line
from rxbosbase.encoding.json import TooDeepError
from rxbosbase.encoding.narrowing import is_object
from rxbosbase.encoding.unreadable import find_unreadable, read_response
from rxbosbase.errors import ClientResponseError, ProtocolError, RedirectError, UnreadableError

__all__ = ("decoded", "redirect_error", "response_error", "url_of", "without_token")

_SECONDS = "[0-9]+"

MAX_MESSAGE = 1000
"""Characters of an error's message that are kept."""

MAX_HEADER = 300
"""Characters of a header that a message quotes."""

LONGEST_WAIT = 1e9
"""Seconds of a Retry-After; a number of 5000 digits would be infinite."""


def decoded(response: requests.Response, content: bytes) -> Any:
    """Return the decoded JSON of the response, or None where it is empty.

    Raises:
        ClientResponseError: the response is 4xx or 5xx.
        UnreadableError: JSON that is nested too deeply.
        RedirectError: the response is 3xx.
        ProtocolError: something other than JSON.
    """
    status = response.status_code
    if status < 200:
        raise ProtocolError(f"{url_of(response)} answered {status}, which ends no request")
    if 300 <= status < 400:
        raise redirect_error(response)
    data: Any = None
    if status >= 400:
        content = without_token(response, content)
    if content:
        try:
            data = read_response(content)
        except TooDeepError:
            if status < 400:
                raise ProtocolError(
                    f"{url_of(response)} answered JSON that is nested too deeply to be decoded"
                ) from None
        except ValueError:
            pass  # not JSON: a different error below
    if status >= 400:
        raise response_error(response, data)
    if content and data is None and content.strip() != b"null":
        kind = response.headers.get("Content-Type", "unknown content")[:MAX_HEADER]
        raise ProtocolError(f"{url_of(response)} answered {one_line(kind)} where JSON was expected")
    if unreadable := find_unreadable(data):
        raise UnreadableError(
            url_of(response), [row.summary() for row in unreadable],
            rest=data, was_written=response.request.method != "GET",
        )  # fmt: skip
    return data


def redirect_error(response: requests.Response) -> RedirectError:
    """Return the error that a response of 3xx stands for."""
    return RedirectError(url_of(response), response.headers.get("Location", ""))


def without_token(response: requests.Response, content: bytes) -> bytes:
    """Return the body of an error without the token of the request: it goes into messages, and
    some servers and proxies repeat what they refuse."""
    token = response.request.headers.get("Authorization") or b""
    token = token.encode() if isinstance(token, str) else token
    return content.replace(token, b"***") if token else content


def response_error(response: requests.Response, data: Any) -> ClientResponseError:
    """Return the error that a response of 4xx or 5xx stands for."""
    fields: Any = data.get("data") if is_object(data) else None
    message = data.get("message") if is_object(data) else None
    return ClientResponseError(
        response.status_code,
        url_of(response),
        fields if is_object(fields) else None,
        str(message or response.reason or "")[:MAX_MESSAGE],
        None if is_object(data) else _foreign_body(response),
        retry_after=_retry_after(response.headers.get("Retry-After")),
    )


def _foreign_body(response: requests.Response) -> ProtocolError:
    kind = response.headers.get("Content-Type", "no content type")[:MAX_HEADER]
    return ProtocolError(f"the answer is {one_line(kind)}, not the server's JSON: a proxy's page?")


def url_of(response: requests.Response) -> str:
    """Return its URL without the query, which may hold a file token."""
    return (response.url or "").split("?", 1)[0]


def _retry_after(text: str | None) -> float | None:
    """Return the seconds of a number or a date (RFC 9110, 10.2.3); None if it is neither."""
    if not text:
        return None
    if seconds := re.fullmatch(_SECONDS, text.strip(" \t")):
        return min(float(seconds[0]), LONGEST_WAIT)
    with contextlib.suppress(ValueError, TypeError, OverflowError):
        due = email.utils.parsedate_to_datetime(text)
        return min(max(0.0, (due - datetime.now(UTC)).total_seconds()), LONGEST_WAIT)
    return None
