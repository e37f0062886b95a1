"""The requests that write the records of one collection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, Unpack

from rxbosbase.encoding.narrowing import is_object
from rxbosbase.encoding.record import T
from rxbosbase.errors import ProtocolError
from rxbosbase.http.multipart import split_files

from .base import NOT_BOSBASE, CollectionRequests
from .options import RecordOptions, check_body
from .reader import RecordReader

__all__ = ("WriteRequests",)


class WriteRequests(CollectionRequests, Generic[T]):
    """The requests that create, change and delete records."""

    _reader: RecordReader[T]

    def create(self, body: Mapping[str, Any], **options: Unpack[RecordOptions]) -> T:
        """Create a record of the fields in `body`, and return it as it was stored.

        A file field takes an open binary file, a `pathlib.Path`, ``(name, content)`` or
        ``(name, content, type)``, or a list of those. Characters that
        a file's name cannot have become "_".

        Args:
            body: the fields by name. Beside the types of JSON, it takes dates and times, Decimals,
                enums, UUIDs, dataclasses, and values of pandas and numpy.
            options: as for `get_one`.

        Raises:
            TypeError, ValueError: a value that cannot be sent; the message says what to give.
            OSError: a file cannot be read.
            BosBaseError: the request failed, as `Records` says; 400 for a value that the server
                refuses, whose ``data`` names the fields.

        >>> with FakeRealtime() as fake:
        ...     fake.client.collection("posts").create({"id": "a", "title": "Hi"})
        {'id': 'a', 'title': 'Hi'}
        """
        return self._write("POST", self._path(), body, options)

    def update(self, id: str, body: Mapping[str, Any], **options: Unpack[RecordOptions]) -> T:
        """Change the fields in `body`, and return the record as it was stored.

        Values and files as for `create`; ``"field+"`` adds to a list of files, ``"field-"`` removes
        from it. A row of a DataFrame is written by ``posts.update(id, df.loc[id].to_dict())``.

        Args:
            id: the record's id.
            body: the fields to change, by name.
            options: as for `get_one`.

        Raises:
            TypeError, ValueError, OSError, BosBaseError: as `create`; 404, there is no such record.

        >>> with FakeRealtime() as fake:
        ...     fake.records["posts"] = {"a": {"id": "a", "n": 1}}
        ...     fake.client.collection("posts").update("a", {"n": 2})
        {'id': 'a', 'n': 2}
        """
        return self._write("PATCH", self._path(id), body, options)

    def _write(self, method: str, path: str, body: Any, options: RecordOptions) -> T:
        fields, files = split_files(check_body(body))
        stored = self._request(method, path, options, body=fields, files=files or None)
        return self._one(stored)

    def _one(self, answer: Any) -> T:
        if not is_object(answer):
            raise ProtocolError(f"{self.name!r} was answered without a record: {NOT_BOSBASE}")
        return self._reader.one(answer)

    def delete(self, id: str, **options: Unpack[RecordOptions]) -> None:
        """Delete the record.

        Args:
            id: the record's id.
            options: as for `get_one`.

        Raises:
            ClientResponseError: 404, it does not exist or may not be seen; 400, another record
                needs it.
            BosBaseError: the request failed otherwise, as `Records` says.
            TypeError, ValueError: an argument is invalid.

        >>> with FakeRealtime() as fake:
        ...     fake.records["posts"] = {"a": {"id": "a"}}
        ...     fake.client.collection("posts").delete("a")
        ...     fake.records["posts"]
        {}
        """
        self._request("DELETE", self._path(id), options)
