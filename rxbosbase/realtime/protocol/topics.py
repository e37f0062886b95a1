"""Topics: what a subscriber subscribes to, and the exact text of it that the server gets.

Pure. A record topic is ``collection/target``, followed by its options::

    posts/*?options={"headers":{"x-tenant":"a"},"query":{"filter":"n > 1"}}      (URL-encoded)

The server sends a topic's text back with every event, so equal topics must have the same text, byte
for byte: the JSON is compact, its keys are sorted, header names are in lower case.

Source: PocketBase, ``apis/realtime.go``, ``realtimeSubscribeForm`` (the limits).
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, TypedDict, Unpack
from urllib.parse import parse_qs, quote

import msgspec

from rxbosbase.encoding.control_characters import short_repr
from rxbosbase.encoding.json import decode, encode_sorted
from rxbosbase.encoding.narrowing import is_mapping, is_object
from rxbosbase.encoding.utf8 import encodable
from rxbosbase.encoding.values import is_missing, plain
from rxbosbase.errors import ClientResponseError

__all__ = (
    "MAX_TOPICS",
    "MAX_TOPIC_LENGTH",
    "Options",
    "Topic",
    "TopicOptions",
    "check_collection",
    "check_id",
    "check_topic_headers",
    "custom_topic",
    "header_name",
    "normalise_options",
    "parse_topic",
    "record_topic",
)

# The server's limits (PocketBase, apis/realtime.go, realtimeSubscribeForm.validate):
MAX_TOPIC_LENGTH = 2500  # bytes of UTF-8; the server answers a POST with a longer one with 400
MAX_TOPICS = 1000  # of one connection; the server answers a POST with more with 400

_LIKE_ENCODE_URI_COMPONENT = "!'()*-._~"
_CONTROL = "[\x00-\x1f\x7f-\x9f\u2028\u2029]"
_NOT_IN_A_NAME = r"[/?#\\]|\.\.|^\.$"
_DOTS = r"(?:^|[/\\])\.{1,2}(?:[/\\]|$)"
_NOT_IN_AN_ID = "[\x00-\x1f]"
_NOT_IN_A_TOPIC = r"[/\\?]"
# The server finds options with Go's url.Parse, which fails on a text that is not a valid URL.
_HIDES_OPTIONS = "[#\x7f]|%(?![0-9A-Fa-f]{2})"
_HEADER_NAME = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # RFC 9110, 5.6.2: a token
_NOT_IN_A_HEADER = "[\x00-\x08\x0a-\x1f\x7f]"
_CREDENTIALS = frozenset({"authorization", "cookie", "proxy-authorization"})


class Topic(msgspec.Struct, frozen=True):
    """One subscription, in the form that the server gets.

    Attributes:
        wire: the exact text that is submitted, and that each event contains.
        name: the part without options: ``posts/*``.
    """

    wire: str
    name: str

    def __repr__(self) -> str:
        options = ", with options" if self.wire != self.name else ""  # headers may be secret
        return f"Topic({short_repr(self.name)}{options})"


class Options(msgspec.Struct, frozen=True):
    """The query and headers of a read or a topic: sorted text pairs, without absent ones."""

    query: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()

    def __repr__(self) -> str:
        headers = "".join(f", {name}=…" for name, _ in self.headers)  # they may be secret
        return f"Options({short_repr(dict(self.query))}{headers})"

    @property
    def suffix(self) -> str:
        """``?options=…`` for the end of a topic; "" without options."""
        pairs = {"query": dict(self.query), "headers": dict(self.headers)}
        given = {key: value for key, value in pairs.items() if value}
        if not given:
            return ""
        text = encode_sorted(given)
        return "?options=" + quote(text, safe=_LIKE_ENCODE_URI_COMPONENT)


class TopicOptions(TypedDict, total=False):
    """The keywords of a read that a topic takes, too; `normalise_options` has their defaults."""

    filter: str | None
    expand: str | None
    fields: str | None
    query: Mapping[str, Any] | None
    headers: Mapping[str, Any] | None


def normalise_options(
    filter: str | None = None,
    expand: str | None = None,
    fields: str | None = None,
    query: Mapping[str, Any] | None = None,
    headers: Mapping[str, Any] | None = None,
) -> Options:
    """Return options in one form, so that equal options compare equal.

    Values may be str, int, float and bool, and what `values.plain` converts to one of these; a
    None, and an empty ``filter``, ``expand`` or ``fields``, count as not given. The case of header
    names is ignored.

    Raises:
        ValueError: something is given twice, is not finite, or would break a header.
        TypeError: a value is of a type that has no text form.

    >>> normalise_options(filter="n > 1", query={"expand": "author", "page": 2}).query
    (('expand', 'author'), ('filter', 'n > 1'), ('page', '2'))
    """
    pairs = _texts("query", query)
    for key, value in (("filter", filter), ("expand", expand), ("fields", fields)):
        if not pairs.get(key):
            pairs.pop(key, None)
        if value is None or value == "":
            continue
        if not isinstance(value, str):
            raise TypeError(f"{key} must be a str, not {type(value).__name__}")
        if key in pairs:
            raise ValueError(f"{key} is given twice, as {key}= and in query=: keep one of them")
        pairs[key] = encodable(key, value)
    return Options(tuple(sorted(pairs.items())), tuple(sorted(_header_texts(headers).items())))


def record_topic(collection: str, target: str, **options: Unpack[TopicOptions]) -> Topic:
    """Return the topic of a collection's records (``target="*"``) or of one record (its id).

    Raises:
        ClientResponseError: 400, the topic is longer than the server accepts.
        ValueError, TypeError: an invalid name or option.

    >>> record_topic("posts", "*", filter="n=1").wire
    'posts/*?options=%7B%22query%22%3A%7B%22filter%22%3A%22n%3D1%22%7D%7D'
    """
    name = f"{check_collection(collection)}/{_target(target)}"
    return _topic(name, normalise_options(**options))


def check_collection(name: str) -> str:
    """Return a collection's name or id, if it changes no path that contains it.

    Raises:
        ValueError, TypeError: it is not valid.
    """
    name = _text("collection", name)
    if re.search(_NOT_IN_A_NAME, name):
        raise ValueError(f"collection must not hold '/', '?', '#', '\\' or '..': {name!r}")
    return name


def check_id(id: str, what: str = "id") -> str:
    """Return a record's id, if a URL can contain it.

    Collections define the pattern of their ids, and those of views may be any text; but a URL
    cannot have a segment ``.`` or ``..``.

    Raises:
        ValueError, TypeError: no request can contain it.

    >>> check_id("#hash")
    '#hash'
    """
    if not isinstance(id, str):
        raise TypeError(f"{what} must be a str, not {type(id).__name__}")
    if not id.strip(" "):
        raise ValueError(f"{what} must not be empty")
    if re.search(_NOT_IN_AN_ID, id):
        raise ValueError(f"{what} must hold no control characters: {id!r}")
    if re.search(_DOTS, id):
        raise ValueError(
            f"{what} must have no '.' or '..' between slashes, which lead elsewhere in a URL: "
            f"{id!r}; read such a record with get_first_list_item(client.filter('id = {{:id}}', …))"
        )
    return encodable(what, id)


def custom_topic(
    topic: str,
    *,
    query: Mapping[str, Any] | None = None,
    headers: Mapping[str, Any] | None = None,
) -> Topic:
    """Return any topic of the connection: also ``PB_CONNECT``, or one your server's hooks send.

    A topic that contains ``?options=`` already is used unchanged.

    Raises:
        ClientResponseError: 400, the topic is longer than the server accepts.
        ValueError, TypeError: an invalid topic or option.

    >>> custom_topic("chat/lobby")
    Topic('chat/lobby')
    """
    topic = _text("topic", topic)
    if topic.startswith("?"):
        raise ValueError(f"topic must have a name before its '?': {topic!r}")
    options = normalise_options(query=query, headers=headers)
    if options != Options() and "?" in topic:
        raise ValueError(
            f"topic {topic!r} already holds a '?': leave it out, or leave out query and headers"
        )
    return _topic(topic, options)


def check_topic_headers(headers: Mapping[str, Any] | None) -> dict[str, str | None]:
    """Return the headers of a topic, with names in lower case; None stays None: "not in topics".

    Raises:
        ValueError: a credential, an invalid header, or a name that is given twice.
        TypeError: a value that has no text form.

    >>> check_topic_headers({"X-Tenant": "a", "X-Proxy-Key": None})
    {'x-tenant': 'a', 'x-proxy-key': None}
    """
    texts = _header_texts(headers)
    _refuse_credentials(texts)
    absent = _header_texts({name: "" for name, value in (headers or {}).items() if value is None})
    if both := sorted(texts.keys() & absent.keys()):
        raise ValueError(f"header {both[0]!r} is given twice")
    return {**texts, **dict.fromkeys(absent)}


def header_name(name: str) -> str:
    """Return the one form of all spellings that are the same header to a rule.

    >>> header_name("X_Tenant")
    'x-tenant'
    """
    return name.lower().replace("_", "-")


def parse_topic(wire: str) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """Split a topic's text into name, query and headers; malformed options are left out.

    >>> parse_topic(record_topic("posts", "*", filter="n=1").wire)
    ('posts/*', {'filter': 'n=1'}, {})
    """
    name, _, rest = wire.partition("?")
    try:
        options = decode(parse_qs(rest)["options"][0])
    except (KeyError, ValueError):
        return name, {}, {}
    if not is_object(options):
        return name, {}, {}
    query, headers = options.get("query"), options.get("headers")
    return (
        name,
        query if is_object(query) else {},
        headers if is_object(headers) else {},
    )


def _refuse_credentials(headers: Iterable[str]) -> None:
    for name in headers:
        if name in _CREDENTIALS:
            raise ValueError(
                f"{name} must not be a header of a topic, which is shown in status and logs: log "
                "in with auth_with_password, or give it as BosBase(headers=…)"
            )


def _topic(name: str, options: Options) -> Topic:
    if options.suffix and (found := re.search(_HIDES_OPTIONS, name)):
        raise ValueError(
            f"the server reads no options of topic {name!r}, as it holds {found[0]!r}: leave out "
            "filter, expand, fields, query, headers and topic_headers"
        )
    wire = name + options.suffix
    _refuse_credentials(map(header_name, parse_topic(wire)[2]))
    length = len(wire.encode())  # the server counts bytes
    if length > MAX_TOPIC_LENGTH:
        message = (
            f"the topic of {name[:80]!r} is {length} bytes long with its options, and the "
            f"server takes {MAX_TOPIC_LENGTH}: shorten the filter, or filter the events yourself"
        )
        problem = {"code": "topic_too_long", "message": f"{length} of {MAX_TOPIC_LENGTH}"}
        raise ClientResponseError(400, data={"topic": problem}, message=message)
    return Topic(wire, name.partition("?")[0])


def _target(target: str) -> str:
    target = check_id(target, "target")
    if found := re.search(_NOT_IN_A_TOPIC, target):
        raise ValueError(
            f"target must hold no {found[0]!r}: {target!r} would be the topic of something else; "
            "observe '*' and compare the ids, or live(filter=client.filter('id = {:id}', id=…))"
        )
    return target


def _text(what: str, value: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{what} must be a str, not {type(value).__name__}")
    if not value.strip():
        raise ValueError(f"{what} must not be empty")
    if value != value.strip() or re.search(_CONTROL, value):
        raise ValueError(f"{what} must hold no control characters or outer spaces: {value!r}")
    return encodable(what, value)


def _header_texts(headers: Mapping[str, Any] | None) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for name, value in _texts("headers", headers).items():
        if not re.fullmatch(_HEADER_NAME, name) or re.search(_NOT_IN_A_HEADER, value):
            raise ValueError(
                f"header {name!r} must have a name of letters, digits and hyphens, and hold "
                "no CR, LF or NUL, nor any other control character"
            )
        known_as = header_name(name)
        if pairs.setdefault(known_as, value) != value:
            raise ValueError(
                f"header {known_as!r} is given twice: header names ignore case, and '_' is '-'"
            )
    return pairs


def _texts(what: str, values: Mapping[str, Any] | None) -> dict[str, str]:
    if values is None:
        return {}
    if not is_mapping(values):
        raise TypeError(f"{what} must be a dict, not {type(values).__name__}")
    texts: dict[str, str] = {}
    for key, value in values.items():
        if not isinstance(key, str):
            raise TypeError(f"{what} has the key {key!r}: keys must be str")
        if value is not None and not is_missing(value):
            texts[encodable(what, key)] = _value_text(f"{what}[{key!r}]", value)
    return texts


def _value_text(what: str, given: Any) -> str:
    value = given
    if not isinstance(value, (str, bool, int, float)):
        with contextlib.suppress(TypeError, ValueError):  # refused below, by the type given
            value = plain(given)
    if isinstance(value, str):
        return encodable(what, value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{what} is {value}: only finite numbers have a text form")
        return repr(float(value))
    name = type(given).__name__
    raise TypeError(f"{what} is a {name}: give a str, int, float or bool, or turn it into text")
