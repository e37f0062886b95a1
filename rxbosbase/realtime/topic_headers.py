"""The headers that every topic of a client carries, and those that only its requests do.

A rule may read a header (``@request.headers.x_tenant``). A topic brings its own along, inside its
text, which is shown in ``status`` and in logs and counts against the server's limit. So the
client's ``headers=``, which may be credentials, stay out of topics, and what rules read is named on
purpose.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping
from typing import Any

from rxbosbase.realtime.protocol.topics import check_topic_headers, header_name

__all__ = ["TopicHeaders"]

NO_RULE_READS = frozenset({
    "accept", "accept-encoding", "accept-language", "authorization", "cookie",
    "proxy-authorization", "user-agent",
})  # fmt: skip
"""No warning names these: proxies read them, or they carry the login, which the POST of the topics
carries as well."""


class TopicHeaders:
    """What ``BosBase(topic_headers=…, headers=…)`` makes of a topic's headers.

    Raises:
        ValueError, TypeError: a name or a value that no header may have; a credential.
    """

    def __init__(
        self, given: Mapping[str, str | None] | None, requests: Mapping[str, str] | None
    ) -> None:
        self._known = check_topic_headers(given)
        self._own = {name: value for name, value in self._known.items() if value is not None}
        self._requests = {header_name(name) for name in requests or ()} - NO_RULE_READS
        self._has_warned = False

    def merged(self, given: Any) -> Any:
        """The headers of one topic or view: those given for it go before the client's.

        Warns once of what requests send and the topic does not.
        """
        if given is not None and not isinstance(given, Mapping):
            return given  # refused by whoever takes it
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
    outside = inspect.currentframe()  # the caller's own line, whichever way the call went
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
