"""The keywords of a request: checked, and converted to query and headers. Pure."""

from collections.abc import Mapping
from typing import Any, TypedDict

from rxbosbase.encoding.narrowing import is_mapping
from rxbosbase.realtime.protocol.topics import Options, TopicOptions, normalise_options

__all__ = (
    "ListOptions",
    "RecordOptions",
    "check_body",
    "check_count",
    "is_given",
    "query_of",
    "read_options",
    "with_id",
    "without_id",
)


class RecordOptions(TypedDict, total=False):
    """The keywords of a request for one record.

    Attributes:
        expand: relations to include, such as ``"author,comments_via_post"``.
        fields: fields to return, such as ``"id,title"``; all by default.
        query: further query parameters, by name.
        headers: HTTP headers of this request alone, by name.
        timeout: seconds for this request; by default the client's own.
    """

    expand: str | None
    fields: str | None
    query: Mapping[str, Any] | None
    headers: Mapping[str, Any] | None
    timeout: float | None


class ListOptions(RecordOptions, total=False):
    """The keywords of a request for many records: those of `RecordOptions`, and these.

    Attributes:
        filter: the server's filter; `BosBase.filter` puts values in safely.
        sort: fields, each with ``-`` in front for descending order, such as ``"-created,title"``.
    """

    filter: str | None
    sort: str | None


_KEYWORDS = frozenset(
    {*TopicOptions.__annotations__, *RecordOptions.__annotations__, *ListOptions.__annotations__}
)


def read_options(options: Mapping[str, Any]) -> Options:
    """Return query and headers of the keywords of a request. Raise TypeError or ValueError."""
    for name in options.keys() - _KEYWORDS:
        known = ", ".join(sorted(_KEYWORDS))
        raise TypeError(f"unknown keyword {name!r}: a request takes {known}")
    query = query_of(options)
    sort = options.get("sort")
    if sort is not None:
        if "sort" in query:
            raise ValueError("sort is given twice, as sort= and in query=: keep one of them")
        query["sort"] = sort
    return normalise_options(
        options.get("filter"), options.get("expand"), options.get("fields"), query,
        options.get("headers"),
    )  # fmt: skip


def query_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of the keyword ``query=``."""
    query = options.get("query")
    if query is not None and not is_mapping(query):
        raise TypeError(f"query must be a dict, not {type(query).__name__}")
    return dict(query or {})


def is_given(options: Mapping[str, Any], name: str) -> bool:
    """True if the option is given, by its keyword or in ``query=``."""
    return bool(options.get(name) or query_of(options).get(name))


def with_id(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the same options, with the id among the fields: paging needs it."""
    query = query_of(options)
    fields = options.get("fields") or query.pop("fields", None)
    if not fields or _has_id(fields):
        return dict(options)
    return {**options, "query": query, "fields": f"id,{fields}"}


def without_id(record: dict[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the record without the id that only `with_id` has requested."""
    fields = options.get("fields") or query_of(options).get("fields")
    if fields and not _has_id(fields):
        del record["id"]
    return record


def _has_id(fields: str) -> bool:
    return bool({"id", "*"} & {name.strip() for name in fields.split(",")})


def check_count(name: str, value: Any, most: int | None = None) -> None:
    """Raise TypeError or ValueError for what cannot be a count."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an int, not {type(value).__name__}")
    if value < 1 or (most is not None and value > most):
        raise ValueError(f"{name} must be at least 1" + (f" and at most {most}" if most else ""))


def check_body(body: Any) -> dict[str, Any]:
    """Return a copy of the fields to write."""
    if not is_mapping(body):
        how = ": give its to_dict()" if hasattr(body, "to_dict") else ""
        raise TypeError(f"the body must be a dict of fields, not {type(body).__name__}{how}")
    return dict(body)
