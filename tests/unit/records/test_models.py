"""Decoding: which values each annotation takes and refuses, and the errors."""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from dataclasses import InitVar, dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone
from enum import Enum
from functools import partial
from typing import (
    Annotated,
    Any,
    ClassVar,
    Generic,
    Literal,
    NewType,
    NotRequired,
    TypedDict,
    TypeVar,
)  # fmt: skip

import pytest
from reactivex.subject import Subject
from typing_extensions import TypeAliasType

from rxbosbase import RecordDecodeError, RecordEvent
from rxbosbase.live.engine.messages import Edit
from rxbosbase.live.engine.ordering import Order
from rxbosbase.live.engine.snapshot import Snapshot
from rxbosbase.records.models import decoder_for
from rxbosbase.records.reader import RecordReader
from rxbosbase.runtime.streams import Stream
from rxbosbase.runtime.thread_scheduler import ThreadScheduler

T = TypeVar("T")
PostId = NewType("PostId", str)
Title = TypeAliasType("Title", str)
SECRET = "hunter2"


class Status(Enum):
    DRAFT = "draft"
    PUBLISHED = "published"


@dataclass
class Author:
    id: str
    name: str


@dataclass
class Expanded:
    author: Author
    comments: list[Comment] = field(default_factory=list)


@dataclass
class Comment:
    text: str
    replies: list[Comment] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Post:
    kinds: ClassVar[int] = 1
    id: PostId
    collectionName: str
    title: str
    n: int = 0
    expand: Expanded | None = None


class Row(TypedDict):
    id: str
    n: int
    due: NotRequired[datetime | None]


class Partial(TypedDict, total=False):
    id: str


@dataclass
class Boxed(Generic[T]):
    value: T


@dataclass
class Checked:
    n: int

    def __post_init__(self) -> None:
        if self.n < 0:
            raise ValueError(f"{SECRET} must not be below 0")


@dataclass
class Renamed:
    sender: str = field(metadata={"key": "from"})
    shown: str = field(default="", init=False)


@dataclass
class Unknown:
    inner: Subject[int]


@dataclass
class Unreadable:
    when: NotImported  # type: ignore[name-defined]  # noqa: F821


def one_field(hint: Any) -> type:
    """A dataclass with the one field ``value``."""
    return dataclass(type("Holder", (), {"__annotations__": {"value": hint}}))


MOMENT = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)

TAKEN = [
    (str, "x", "x"),
    (str, "", ""),
    (bool, True, True),
    (int, 3, 3),
    (int, 3.0, 3),
    (float, 3, 3.0),
    (float, 2.5, 2.5),
    (datetime, "2026-01-02 03:04:05.678Z", MOMENT),
    (date, "2026-01-02 03:04:05.678Z", date(2026, 1, 2)),
    (datetime, "2026-01-02", datetime(2026, 1, 2, tzinfo=UTC)),
    (datetime, "2026-01-02T05:04:05.678+02:00", MOMENT.astimezone(timezone(timedelta(hours=2)))),
    (datetime | None, "", None),
    (datetime | None, None, None),
    (str | None, "", ""),
    (str | None, None, None),
    (None, None, None),
    (list, [1, "a"], [1, "a"]),
    (list[str], ["a"], ["a"]),
    (list[float], [1, 2.5], [1.0, 2.5]),
    (Sequence[str], ["a"], ["a"]),
    (tuple[str, ...], ["a", "b"], ("a", "b")),
    (set[str], ["a", "a"], {"a"}),
    (frozenset[str], ["a"], frozenset("a")),
    (dict, {"a": 1}, {"a": 1}),
    (dict[str, float], {"a": 1}, {"a": 1.0}),
    (Mapping[str, Any], {"a": 1}, {"a": 1}),
    (Literal["a", "b"], "b", "b"),
    (Literal["a"] | None, "", None),
    (Status, "draft", Status.DRAFT),
    (Status | None, "", None),
    (int | str, "x", "x"),
    (int | str, 3, 3),
    (Author, {"id": "u", "name": "N", "x": 1}, Author("u", "N")),
    (Author | None, {"id": "u", "name": "N"}, Author("u", "N")),
    (Row, {"id": "a", "n": 1}, {"id": "a", "n": 1}),
    (PostId, "a", "a"),
    (Title, "a", "a"),
    (Annotated[int, "more"], 3, 3),
    (list[Annotated[int, ["more"]]], [3], [3]),
    (Any, SECRET, SECRET),
    (object, None, None),
    (Boxed[int], {"value": 1}, Boxed(1)),
]


@pytest.mark.parametrize(("hint", "sent", "made"), TAKEN)
def test_each_annotation_takes_what_the_server_sends_for_it(
    hint: Any, sent: Any, made: Any
) -> None:
    """A value that fits a field's annotation is decoded to exactly that type."""
    found: Any = decoder_for(one_field(hint))({"value": sent})
    assert found == one_field(hint)(made) or found.value == made
    assert type(found.value) is type(made)


REFUSED = [
    (str, 7, "value", "str, not int"),
    (str, None, "value", "str, not NoneType"),
    (int, True, "value", "int, not bool"),
    (int, 2.5, "value", "int, not float"),
    (float, "2.5", "value", "float, not str"),
    (bool, 1, "value", "bool, not int"),
    (datetime, "", "value", "datetime, not an empty text"),
    (datetime, SECRET, "value", "datetime, not another text"),
    (datetime | None, SECRET, "value", "datetime | None, not str"),
    (date, 5, "value", "datetime, not int"),
    (None, 1, "value", "None, not int"),
    (list, "a", "value", "list of anything, not str"),
    (list[str], "a", "value", "list of str, not str"),
    (list[str], ["a", 1], "value.1", "str, not int"),
    (dict[str, int], {"a": "x"}, "value.a", "int, not str"),
    (dict, [], "value", "dict, not list"),
    (dict[str, int] | None, 5, "value", "dict | None, not int"),
    (Literal["a", "b"], "c", "value", "one of 'a', 'b', not another str"),
    (Literal[1], True, "value", "one of 1, not another bool"),
    (Literal["a"], [], "value", "one of 'a', not another list"),
    (Status, SECRET, "value", "one of 'draft', 'published', not another str"),
    (int | str, [], "value", "int | str, not list"),
    (Author, "u", "value", "Author, not str"),
    (Author | None, {"id": "u", "name": 1}, "value.name", "str, not int"),
    (Row, [], "value", "Row, not list"),
]


@pytest.mark.parametrize(("hint", "sent", "name", "why"), REFUSED)
def test_a_value_that_does_not_fit_is_refused_by_its_place_and_kind_alone(
    hint: Any, sent: Any, name: str, why: str
) -> None:
    """A misfit raises `RecordDecodeError` with field and types, and never with the value."""
    with pytest.raises(RecordDecodeError) as caught:
        decoder_for(one_field(hint), "posts")({"id": "abc", "value": sent})
    error = caught.value
    assert (error.field, error.collection, error.record_id) == (name, "posts", "abc")
    assert f"{error.expected}, not {error.found}" == why
    assert str(error) == (
        f"record 'abc' of 'posts' does not fit the model: its field {name!r} must be {why}; "
        "mend the model, or pass on_decode_error='skip'"
    )
    assert SECRET not in "".join(traceback.format_exception(error))


@pytest.mark.parametrize("record", [{}, {"id": 5}, "abc", ["abc"], None], ids=str)
def test_the_error_of_a_record_without_an_id_has_no_id(record: Any) -> None:
    """Without a text id, or for what is no record, the error has an empty `record_id`."""
    with pytest.raises(RecordDecodeError, match=r"^a record of 'posts' does not fit") as caught:
        decoder_for(Author, "posts")(record)
    assert caught.value.record_id == ""
    with pytest.raises(RecordDecodeError, match=r"^a record of '' does not fit"):
        decoder_for(Author)(record)


RECORD = {"id": "a", "collectionName": "posts", "title": "Hi", "unknown": SECRET}


def test_fields_go_by_their_names_and_unknown_keys_are_ignored() -> None:
    """A record's keys are matched to fields by name; unknown keys are ignored."""
    assert decoder_for(Post)(RECORD) == Post(PostId("a"), "posts", "Hi")


def test_a_missing_key_takes_the_fields_default_or_is_refused() -> None:
    """A missing key gives the field's default; without one it raises `RecordDecodeError`."""
    assert decoder_for(Post)({"id": "a", "collectionName": "posts", "title": "Hi"}).n == 0
    with pytest.raises(RecordDecodeError, match="'title' must be str and is missing"):
        decoder_for(Post)({"id": "a", "collectionName": "posts"})


def test_expanded_records_become_what_the_field_expand_is_annotated_with() -> None:
    """Expanded records are decoded by the annotation of the field `expand`, nested ones too."""
    comments = [{"text": "first", "replies": [{"text": "second"}]}]
    expand = {"author": {"id": "u", "name": "Ada"}, "comments": comments}
    made = decoder_for(Post)({**RECORD, "expand": expand})
    nested = Comment("first", [Comment("second")])
    assert made.expand == Expanded(Author("u", "Ada"), [nested])


def test_the_error_has_the_full_path_of_the_misfit() -> None:
    """The error's `field` is the full path of the misfit, like `expand.comments.1.text`."""
    expand = {"author": {"id": "u", "name": "Ada"}, "comments": [{"text": "a"}, {"text": 1}]}
    with pytest.raises(RecordDecodeError) as caught:
        decoder_for(Post)({**RECORD, "expand": expand})
    assert caught.value.field == "expand.comments.1.text"


def test_a_field_may_go_by_another_key() -> None:
    """A field's `metadata={'key': name}` sets its key; a field with `init=False` is ignored."""
    assert decoder_for(Renamed)({"from": "a", "shown": "b"}) == Renamed("a")
    with pytest.raises(RecordDecodeError, match="'from'"):
        decoder_for(Renamed)({})


def test_an_error_of_post_init_is_raised_without_its_message() -> None:
    """An error of `__post_init__` becomes `RecordDecodeError` without its message."""
    with pytest.raises(RecordDecodeError) as caught:
        decoder_for(Checked, "posts")({"id": "a", "n": -1})
    assert str(caught.value) == (
        "record 'a' of 'posts' does not fit the model: it must be what Checked takes "
        "(ValueError was raised); mend the model, or pass on_decode_error='skip'"
    )
    assert isinstance(caught.value.original, ValueError)
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_a_typed_dict_is_the_record_itself_where_nothing_is_to_be_made() -> None:
    """A TypedDict without values to convert is the record itself, not a copy."""
    record = {"id": "a", "n": 1, "more": True}
    assert decoder_for(Row)(record) is record


def test_a_typed_dict_with_a_date_leaves_the_shared_record_alone() -> None:
    """A TypedDict with a date is a converted copy; the original record is unchanged."""
    record = {"id": "a", "n": 1, "due": "2026-01-02 03:04:05.678Z"}
    assert decoder_for(Row)(record) == {"id": "a", "n": 1, "due": MOMENT}
    assert record["due"] == "2026-01-02 03:04:05.678Z"


def test_a_typed_dicts_required_keys_must_be_there_and_fit() -> None:
    """A required key of a TypedDict that is missing or misfits raises `RecordDecodeError`."""
    with pytest.raises(RecordDecodeError, match="'n' must be int and is missing"):
        decoder_for(Row)({"id": "a"})
    with pytest.raises(RecordDecodeError, match="'n' must be int, not str"):
        decoder_for(Row)({"id": "a", "n": "1"})
    assert decoder_for(Partial)({}) == {}


def test_any_callable_gets_the_dict() -> None:
    """A callable used as a model gets the record's dict and makes the value."""
    assert decoder_for(lambda record: record["title"])(RECORD) == "Hi"
    assert decoder_for(partial(max, 3))(2) == 3  # type: ignore[arg-type]
    assert decoder_for(dict)(RECORD) == RECORD


def test_a_generic_dataclass_is_a_model_with_its_parameter_too() -> None:
    """A generic dataclass with a type argument is a valid model."""
    assert decoder_for(Boxed[int])({"value": 1, "more": 2}) == Boxed(1)


def size_of(record: dict[str, Any]) -> Any:
    return record["size"]


@pytest.mark.parametrize(("model", "name"), [(size_of, "size_of"), (partial(size_of), "partial")])
def test_what_a_callable_raises_is_a_record_that_does_not_fit(model: Any, name: str) -> None:
    """An exception of a callable model becomes `RecordDecodeError` with it as `original`."""
    with pytest.raises(RecordDecodeError) as caught:
        decoder_for(model, "posts")(RECORD)
    assert str(caught.value) == (
        f"record 'a' of 'posts' does not fit the model: it must be what {name} takes "
        "(KeyError was raised); mend the model, or pass on_decode_error='skip'"
    )
    assert isinstance(caught.value.original, KeyError)


def test_the_error_of_a_nested_decoder_is_passed_on() -> None:
    """A `RecordDecodeError` of a nested decoder is raised with its own field."""
    inner = decoder_for(Post, "posts")
    with pytest.raises(RecordDecodeError) as caught:
        decoder_for(lambda record: inner(record), "posts")({})
    assert caught.value.field == "id"


def test_a_model_that_no_record_can_become_is_refused_at_once() -> None:
    """`decoder_for` raises TypeError for a model that no JSON record can be decoded to."""
    with pytest.raises(TypeError, match="model must be a class or a callable, not str"):
        decoder_for("Post")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"'inner' of Unknown .* no JSON value is a Subject"):
        decoder_for(Unknown)
    with pytest.raises(TypeError, match=r"Unreadable cannot be read: .*NotImported"):
        decoder_for(Unreadable)
    with pytest.raises(TypeError, match=r"tuples must be tuple\[X, ...\]"):
        decoder_for(one_field(tuple[int, str]))
    with pytest.raises(TypeError, match="keys of a JSON object are str"):
        decoder_for(one_field(dict[int, str]))


def test_an_init_var_is_no_field_of_the_record() -> None:
    """An `InitVar` is not read from the record: it keeps its default."""

    @dataclass
    class WithInit:
        n: int
        scale: InitVar[int] = 2

        def __post_init__(self, scale: int) -> None:
            self.n *= scale

    WithInit.__annotations__ = {"n": int, "scale": InitVar[int]}
    assert decoder_for(WithInit)({"n": 2, "scale": 9}).n == 4


# -- the policy for a record that does not fit -----------------------------------------------------

GOOD, BAD = {"id": "a", "name": "A"}, {"id": "b", "name": SECRET.encode()}


def instead(error: RecordDecodeError, record: dict[str, Any]) -> Author | None:
    return Author(record["id"], error.field) if record["id"] == "b" else None


def test_raise_lets_a_list_fail() -> None:
    """With the default policy, one record that does not fit makes a list raise."""
    with pytest.raises(RecordDecodeError):
        RecordReader("users", Author).many([GOOD, BAD])


def test_skip_leaves_it_out_of_a_list_and_still_refuses_it_alone() -> None:
    """`skip` leaves a misfit out of a list; as a single record it raises."""
    reader = RecordReader("users", Author, "skip")
    assert reader.many([GOOD, BAD]) == [Author("a", "A")]
    with pytest.raises(RecordDecodeError):
        reader.one(BAD)


def test_a_callable_returns_a_replacement_or_leaves_it_out() -> None:
    """A callable policy returns a replacement, or None: left out of a list, else an error."""
    reader = RecordReader("users", Author, instead)
    assert reader.many([GOOD, BAD, {"id": "c"}]) == [Author("a", "A"), Author("b", "name")]
    assert reader.one(BAD) == Author("b", "name")
    with pytest.raises(RecordDecodeError):
        reader.one({"id": "c"})


def test_an_unknown_policy_is_refused() -> None:
    """An unknown `on_decode_error`, or one without a model, raises ValueError."""
    with pytest.raises(ValueError, match="'raise', 'skip' or a callable, not 'ignore'"):
        RecordReader("users", Author, "ignore")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="pass model=, too"):
        RecordReader("users", None, "skip")


def test_readers_are_equal_by_model_and_policy() -> None:
    """Readers have equal keys only if both their models and their policies are equal."""

    def key(*arguments: Any) -> object:
        return RecordReader("users", *arguments).key

    assert key(Author) == key(Author, "raise") != key(Author, "skip")
    assert key(Author) != key(Post)
    assert key() == key() != key(Author)


def test_readers_of_a_callable_that_cannot_be_compared_equal_no_other() -> None:
    """Two readers of an unhashable callable have different keys."""

    class Odd:
        __hash__ = None  # type: ignore[assignment]

        def __call__(self, record: dict[str, Any]) -> int:
            return 1

    odd = Odd()
    assert RecordReader("users", odd).key != RecordReader("users", odd).key


# -- streams ---------------------------------------------------------------------------------------

Events = Subject[RecordEvent[dict[str, Any]]]


def stream_of(reader: RecordReader[T], source: Events) -> Stream[RecordEvent[T]]:
    scheduler = ThreadScheduler("rxbosbase-unused")
    return reader.stream(Stream(lambda observer, _: source.subscribe(observer), scheduler))


def event(record: dict[str, Any]) -> RecordEvent[dict[str, Any]]:
    return RecordEvent("users/*", "update", record)


def test_a_stream_of_a_model_gives_events_of_it() -> None:
    """A stream with a model emits events whose record is an instance of the model."""
    source: Events = Subject()
    seen: list[Any] = []
    stream_of(RecordReader("users", Author), source).subscribe(seen.append)
    source.on_next(event(GOOD))
    assert seen == [RecordEvent("users/*", "update", Author("a", "A"))]


def test_raise_ends_a_stream_with_the_error_and_leaves_its_source() -> None:
    """By default a misfit ends the stream with the error and unsubscribes from its source."""
    source: Events = Subject()
    seen: list[Any] = []
    stream_of(RecordReader("users", Author), source).subscribe(seen.append, seen.append)
    for record in (BAD, GOOD):
        source.on_next(event(record))
    assert [type(each) for each in seen] == [RecordDecodeError]
    assert source.observers == []


def test_skip_leaves_it_out_of_a_stream() -> None:
    """With `skip`, a stream emits no event for a misfit and continues."""
    source: Events = Subject()
    seen: list[Any] = []
    stream_of(RecordReader("users", Author, "skip"), source).subscribe(seen.append)
    for record in (GOOD, BAD, GOOD):
        source.on_next(event(record))
    assert [each.record.id for each in seen] == ["a", "a"]


def test_an_error_of_the_policy_itself_ends_the_stream() -> None:
    """An exception of the policy callable ends the stream with that exception."""

    def refuse(error: RecordDecodeError, record: dict[str, Any]) -> Author:
        raise LookupError("no")

    source: Events = Subject()
    seen: list[Any] = []
    stream_of(RecordReader("users", Author, refuse), source).subscribe(seen.append, seen.append)
    source.on_next(event(BAD))
    assert [type(each) for each in seen] == [LookupError]


def test_an_event_is_decoded_once_however_many_subscribe() -> None:
    """An event is decoded once for all subscribers of a stream."""
    made: list[dict[str, Any]] = []

    def model(record: dict[str, Any]) -> int:
        made.append(record)
        return len(made)

    source: Events = Subject()
    stream = stream_of(RecordReader("users", model), source)
    seen: list[int] = []
    for _ in range(3):
        stream.subscribe(lambda each: seen.append(each.record))
    source.on_next(event(GOOD))
    source.on_next(event(GOOD))
    assert seen == [1, 1, 1, 2, 2, 2]


def test_without_a_model_nothing_is_wrapped() -> None:
    """Without a model, streams, callbacks and records are returned unchanged."""
    source: Events = Subject()
    scheduler = ThreadScheduler("rxbosbase-unused")
    reader: RecordReader[dict[str, Any]] = RecordReader("users")
    plain: Stream[RecordEvent[dict[str, Any]]] = Stream(
        lambda to, _: source.subscribe(to), scheduler
    )
    assert reader.stream(plain) is plain
    assert reader.callback(print) is print
    assert reader.one(GOOD) is GOOD


# -- live views ------------------------------------------------------------------------------------


def test_a_view_shows_no_record_that_is_skipped_until_it_fits() -> None:
    """With `skip`, a view contains a record only while it fits, with matching changes."""
    view: Snapshot[Author] = Snapshot.empty(
        Order.parse(), RecordReader("users", Author, "skip").read
    )
    first = view.advance([Edit("a", None, GOOD), Edit("b", None, BAD)], fresh=True)
    assert list(first.records) == [Author("a", "A")]
    assert [change.type for change in first.changes] == ["added"]
    mended = {"id": "b", "name": "B"}
    second = first.advance([Edit("b", BAD, mended)], fresh=True)
    assert [(change.type, change.record.id) for change in second.changes] == [("added", "b")]
    third = second.advance([Edit("b", mended, BAD)], fresh=True)
    assert [(change.type, change.record) for change in third.changes] == [
        ("removed", Author("b", "B"))
    ]
    assert list(third.records) == [Author("a", "A")]


def test_a_view_that_the_server_arranges_shows_none_of_them_either() -> None:
    """With `skip`, a view in the server's order leaves out a record that does not fit."""
    view: Snapshot[Author] = Snapshot.empty(None, RecordReader("users", Author, "skip").read)
    first = view.with_rows([BAD, GOOD], fresh=True, caught_up=False)
    assert list(first.records) == [Author("a", "A")]
