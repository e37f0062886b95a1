"""Decoding of the server's dicts to the user's types. Pure.

`decoder_for` inspects a model once and returns a function that makes an instance of each record.
The annotation of a field decides which values of the server it takes:

=========================================  ====================================================
annotation                                 takes
=========================================  ====================================================
``str``, ``bool``                          just that
``int``, ``float``                         a number; an ``int`` one without a fraction
``datetime``, ``date``                     the server's text, ``2026-01-02 03:04:05.678Z``; in UTC
``list[X]``, ``tuple[X, ...]``, ``set[X]`` an array, each item as ``X``
``dict[str, X]``                           an object, each value as ``X``
``Literal[…]``, an ``Enum``                one of its values
a dataclass, a ``TypedDict``               an object, field by field
``X | Y``                                  the first of these that fits
``X | None``                               also ``null``, and the ``""`` of an unset date or select
``Any``                                    anything
=========================================  ====================================================

Fields go by their names; keys that the model does not have are ignored. A dataclass field with
another name than the server's has it in its metadata: ``field(metadata={"key": "from"})``.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple, TypeAlias, TypeVar, cast

from rxbosbase.errors import RecordDecodeError

from .model_values import (
    SIMPLE,
    Check,
    Convert,
    ValueMismatch,
    changed,
    items_of,
    one_of,
    values_of,
)

__all__ = ("Model", "decoder_for")

T = TypeVar("T")

Model: TypeAlias = type[T] | Callable[[dict[str, Any]], T]
"""A dataclass, a ``TypedDict``, or any callable that takes a record's dict."""

_MISSING = object()


def decoder_for(model: Model[T], collection: str = "") -> Callable[[dict[str, Any]], T]:
    """Return the function that makes a `model` of a record.

    It raises `RecordDecodeError`, naming the field and `collection`, for a record that does not
    fit.

    Raises:
        TypeError: the model is no class or callable, or has a field of a type that no JSON value
            can become.

    >>> import dataclasses
    >>> @dataclasses.dataclass
    ... class Post:
    ...     title: str
    ...     n: int = 0
    >>> decode = decoder_for(Post, "posts")
    >>> decode({"id": "a", "title": "Hi"})
    Post(title='Hi', n=0)
    >>> decode({"id": "a", "title": 7})
    Traceback (most recent call last):
        ...
    rxbosbase.errors.RecordDecodeError: record 'a' of 'posts' does not fit the model: its field \
'title' must be str, not int; mend the model, or pass on_decode_error='skip'
    """
    if not callable(model):
        raise TypeError(f"model must be a class or a callable, not {type(model).__name__}")
    known = _Types().of_class(typing.get_origin(model) or model)
    convert = cast("Convert", model) if known is None else known
    name = getattr(model, "__name__", type(model).__name__)

    def decode(record: dict[str, Any]) -> T:
        try:
            return cast("T", convert(record))
        except ValueMismatch as misfit:
            error = misfit.decode_error(collection, record)
        except RecordDecodeError as nested:  # a callable made of another decoder
            error = nested
        except Exception as original:
            error = ValueMismatch(f"what {name} takes", "", original).decode_error(
                collection, record
            )
        raise error  # here, so that its traceback holds no value of the inner error's

    return decode


class _Field(NamedTuple):
    name: str
    key: str
    exact: type | None
    convert: Convert
    expected: str
    required: bool


class _Types:
    """Builds converters, each class's once, so that a class may hold itself."""

    def __init__(self) -> None:
        self._built: dict[Any, Convert] = {}

    def of_class(self, cls: Any) -> Convert | None:
        """Return the converter of a dataclass or TypedDict; None for anything else."""
        if hasattr(cls, "__dataclass_fields__") and isinstance(cls, type):
            fields, make = _dataclass_fields, _dataclass_from
        elif typing.is_typeddict(cls):
            fields, make = _typed_dict_fields, _typed_dict_from
        else:
            return None
        if cls not in self._built:
            # Until it is built, a class that holds itself finds this.
            self._built[cls] = lambda value: self._built[cls](value)
            plan = tuple(self._field(cls, *field) for field in fields(cls, _hints_of(cls)))
            self._built[cls] = make(cls, plan)
        return self._built[cls]

    def _field(self, cls: Any, name: str, key: str, hint: Any, required: bool) -> _Field:
        try:
            check = self.check(hint)
        except TypeError as error:
            raise TypeError(
                f"the field {name!r} of {cls.__name__} cannot be decoded: {error}; annotate it "
                "with a type of JSON, or pass a callable that takes the dict as the model"
            ) from None
        return _Field(name, key, check.exact, check.convert, check.expected, required)

    def check(self, hint: Any) -> Check:
        """Return how to convert a value for this annotation. Raise TypeError if none can be."""
        hint = _bare(hint)
        simple = SIMPLE.get(hint) if isinstance(hint, type) else None
        if simple is not None:
            return simple
        if hint in (Any, object) or isinstance(hint, TypeVar):
            return Check("anything", None, _as_it_is)
        origin = typing.get_origin(hint)
        if origin in (typing.Union, types.UnionType):
            return self._union(typing.get_args(hint))
        if origin is typing.Literal:
            return one_of(typing.get_args(hint), {value: value for value in typing.get_args(hint)})
        found = self.of_class(origin or hint)
        if found is not None:
            return Check((origin or hint).__name__, None, found)
        if isinstance(hint, type) and issubclass(hint, Enum):
            return one_of([each.value for each in hint], {each.value: each for each in hint})
        return self._container(origin or hint, typing.get_args(hint))

    def _union(self, hints: tuple[Any, ...]) -> Check:
        checks = [self.check(hint) for hint in hints if hint is not type(None)]
        optional = len(checks) < len(hints)
        expected = " | ".join([check.expected for check in checks] + ["None"] * optional)

        def convert(value: Any) -> Any:
            if value is None and optional:
                return None
            for check in checks:
                if type(value) is check.exact:
                    return value
            for check in checks:
                try:
                    return check.convert(value)
                except ValueMismatch as misfit:
                    if len(checks) == 1 and misfit.path:
                        raise
            if value == "" and optional:
                return None
            raise ValueMismatch(expected, type(value).__name__)

        return Check(expected, checks[0].exact, convert)

    def _container(self, origin: Any, arguments: tuple[Any, ...]) -> Check:
        make = _MAKERS.get(origin)
        if make is not None:
            if origin is tuple and arguments[1:] not in ((), (...,)):
                raise TypeError("tuples must be tuple[X, ...]")
            item = self.check(arguments[0]) if arguments else self.check(Any)
            return Check(f"list of {item.expected}", None, items_of(make, item))
        if origin in (dict, Mapping):
            if arguments and arguments[0] not in (str, Any):
                raise TypeError("keys of a JSON object are str")
            item = self.check(arguments[1]) if arguments else self.check(Any)
            return Check("dict", None, values_of(item))
        raise TypeError(f"no JSON value is a {getattr(origin, '__name__', origin)}")


_MAKERS: dict[Any, Callable[[Iterable[Any]], Any]] = {
    list: list, tuple: tuple, set: set, frozenset: frozenset, Sequence: list, Iterable: list,
}  # fmt: skip


def _bare(hint: Any) -> Any:
    """Return the annotation without what only type checkers read."""
    while True:
        if typing.get_origin(hint) in (typing.Annotated, typing.Required, typing.NotRequired):
            hint = typing.get_args(hint)[0]
        elif hasattr(hint, "__supertype__"):  # a NewType
            hint = hint.__supertype__
        elif hasattr(hint, "__value__"):  # `type X = …`
            hint = hint.__value__
        else:
            return hint


def _hints_of(cls: Any) -> dict[str, Any]:
    try:
        return typing.get_type_hints(cls, include_extras=True)
    except NameError as error:
        raise TypeError(
            f"the annotations of {cls.__name__} cannot be read: {error}; define it where its "
            "types are imported or defined, at the top of a module"
        ) from None


# -- dataclasses and TypedDicts --------------------------------------------------------------------

_Spec: TypeAlias = tuple[str, str, Any, bool]
"""A field's name, its key in the record, its annotation, and whether it must be there."""


def _dataclass_fields(cls: Any, hints: dict[str, Any]) -> Iterable[_Spec]:
    import dataclasses  # whoever has such a class has loaded it

    for field in dataclasses.fields(cls):
        if field.init:
            required = (
                field.default is dataclasses.MISSING
                and field.default_factory is dataclasses.MISSING
            )
            yield field.name, field.metadata.get("key", field.name), hints[field.name], required


def _typed_dict_fields(cls: Any, hints: dict[str, Any]) -> Iterable[_Spec]:
    for name, hint in hints.items():
        # Under `from __future__ import annotations` the class has not evaluated these.
        qualifier = typing.get_origin(hint)
        required = qualifier is typing.Required or (
            qualifier is not typing.NotRequired and name in cls.__required_keys__
        )
        yield name, name, hint, required


def _dataclass_from(cls: Any, plan: tuple[_Field, ...]) -> Convert:
    def convert(record: Any) -> Any:
        if type(record) is not dict:
            raise ValueMismatch(cls.__name__, type(record).__name__)
        values: dict[str, Any] = {}
        get = cast("dict[str, Any]", record).get
        for name, key, exact, change, expected, required in plan:
            value = get(key, _MISSING)
            if type(value) is exact:
                values[name] = value
            elif value is not _MISSING:
                values[name] = changed(change, value, key)
            elif required:
                raise ValueMismatch(expected, "missing").within(key)
        try:
            return cls(**values)
        except Exception as original:  # of its __post_init__
            raise ValueMismatch(f"what {cls.__name__} takes", "", original) from None

    return convert


def _typed_dict_from(cls: Any, plan: tuple[_Field, ...]) -> Convert:
    def convert(record: Any) -> Any:
        if type(record) is not dict:
            raise ValueMismatch(cls.__name__, type(record).__name__)
        source = cast("dict[str, Any]", record)
        result = source
        for _, key, exact, change, expected, required in plan:
            value = source.get(key, _MISSING)
            if type(value) is exact:
                continue
            if value is not _MISSING:
                made = changed(change, value, key)
                if made is not value:
                    if result is source:
                        result = source.copy()  # the record is shared with others
                    result[key] = made
            elif required:
                raise ValueMismatch(expected, "missing").within(key)
        return result

    return convert


def _as_it_is(value: Any) -> Any:
    return value
