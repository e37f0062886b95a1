"""The headers that every topic of a client carries, and those that only its requests carry.

A rule may read a header (``@request.headers.x_tenant``). A topic's headers are part of its text,
which is shown in ``status`` and in logs and counts against the server's limit. So the client's
``headers=``, which may be credentials, are not added to topics; those that rules read are named
in ``topic_headers=``.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping
from typing import Any

from rxbosbase.encoding.narrowing import is_mapping
from rxbosbase.realtime.protocol.topics import check_topic_headers, header_name

__all__ = ("TopicHeaders",)

NO_RULE_READS = frozenset({
    "accept", "accept-encoding", "accept-language", "authorization", "cookie",
    "proxy-authorization", "user-agent",
})  # fmt: skip
"""Excluded from the warning: proxies read them, or they carry the login, which the POST of the
topics carries as well."""


class TopicHeaders:
    """The headers of a client's topics, from ``BosBase(topic_headers=…, headers=…)``.

    Raises:
        ValueError, TypeError: a name or a value that is not valid in a header; a credential.
    """

    def __init__(
        self, given: Mapping[str, str | None] | None, requests: Mapping[str, str] | None
    ) -> None:
        self._known = check_topic_headers(given)
        self._own = {name: value for name, value in self._known.items() if value is not None}
        self._requests = {header_name(name) for name in requests or ()} - NO_RULE_READS
        self._has_warned = False

    def merged(self, given: Any) -> Any:
        """Return the headers of one topic or view: those given for it override the client's.

        Warn once about headers that requests send and the topic does not.
        """
        if given is not None and not is_mapping(given):
            return given  # refused where the topic is made
        names = {header_name(str(name)) for name in given or ()}
        missing = self._requests - names - self._known.keys()
        if missing and not self._has_warned:
            self._has_warned = True
            _warn(sorted(missing))
        if not self._own:
            return given
        own = {name: value for name, value in self._own.items() if name not in names}
        return {**own, **(given or {})}


def _warn(missing: list[str]) -> None:
    outside = inspect.currentframe()  # find the user's line, however deep the call is
    level = 1
    while outside and outside.f_globals.get("__name__", "").startswith("rxbosbase."):
        outside, level = outside.f_back, level + 1
    first = missing[0]
    names = ", ".join(map(repr, missing))
    warnings.warn(
        f"headers= holds {names}, which requests send and topics do not: where a rule reads it, "
        "the check of a stream passes, and then no event comes. Give what rules read as "
        f"topic_headers=, too; if no rule reads it, say so: topic_headers={{{first!r}: None}}. A "
        "topic is shown in status and logs: put no secret there",
        stacklevel=level,
    )
