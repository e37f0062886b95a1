"""Answers that have no end, come drop by drop, or become a thousand times as large."""

from __future__ import annotations

import contextlib
import gzip
import json
import logging
import random
import time
import traceback
import zlib
from math import isfinite
from pathlib import Path

import pytest
from faults.watching import PATIENCE, QUICK, peak_of
from support import wire_server as wire
from support.certs import make_certificate, server_context
from support.endless_server import EndlessServer
from support.realtime_client import wait_until
from support.seen import run_thread

from rxbosbase import (
    AnswerTooLargeError,
    BosBase,
    BosBaseError,
    ClientClosedError,
    ClientResponseError,
    ProtocolError,
    RequestTimeoutError,
)
from rxbosbase.encoding.json import MAX_EXPANSION, decode, decoded_size
from rxbosbase.http.body import MAX_ANSWER_BYTES

MB = 1024 * 1024
OK = b"HTTP/1.1 200 OK\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def json_answer(body: bytes, encoding: str = "", code: int = 200) -> wire.Answer:
    headers = {"Content-Type": "application/json"}
    return wire.status(code, body, headers | ({"Content-Encoding": encoding} if encoding else {}))


# -- time -----------------------------------------------------------------------------------------

PIECEWISE = {
    "100 Continue": (b"", CONTINUE),
    "a status line, byte by byte": (b"HTTP/1.1 200 O", b"K"),
    "a header, byte by byte": (OK + b"X-A: ", b"a"),
    "headers": (OK, b"X-A: a\r\n"),
    "headers of 100 Continue": (b"HTTP/1.1 100 Continue\r\n", b"X-A: a\r\n"),
    "a body with a length": (OK + b"Content-Length: 100000\r\n\r\n{", b" "),
    "a body without end": (OK + b"\r\n{", b" "),
    "chunks": (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "the size of a chunk": (OK + b"Transfer-Encoding: chunked\r\n\r\n0", b"0"),
    "trailers": (OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X-A: a\r\n"),
    "an error's body": (b"HTTP/1.1 500 X\r\n\r\n{", b" "),
}


@pytest.mark.parametrize(("head", "piece"), PIECEWISE.values(), ids=PIECEWISE.keys())
def test_an_answer_that_comes_piece_by_piece_ends_with_the_timeout(
    head: bytes, piece: bytes
) -> None:
    """A response that arrives byte by byte without end raises an error within 2 s."""
    with EndlessServer(head, piece) as server, BosBase(server.url) as client:
        begun = time.monotonic()
        with pytest.raises((RequestTimeoutError, ProtocolError)) as caught:
            client.send("GET", "/api/health", timeout=0.3)
        assert time.monotonic() - begun < 2
        if head.startswith(OK) or not head:
            assert isinstance(caught.value, RequestTimeoutError)


@pytest.mark.parametrize("piece", [CONTINUE, CONTINUE * 1000], ids=["one", "many"])
def test_a_flood_of_100_continue_ends_with_the_timeout(piece: bytes) -> None:
    """A flood of 100 Continue ends with `RequestTimeoutError` after the timeout."""
    with EndlessServer(b"", piece, pause=0) as server, BosBase(server.url) as client:
        begun = time.monotonic()
        with pytest.raises(RequestTimeoutError):
            client.send("GET", "/api/health", timeout=0.3)
        assert time.monotonic() - begun < 2


@pytest.mark.parametrize("how", ["100 Continue", "a header, byte by byte", "an error's body"])
def test_a_stream_whose_head_comes_piece_by_piece_is_given_up_and_tried_again(how: str) -> None:
    """A stream whose response headers never end is given up and tried again."""
    head, piece = PIECEWISE[how]
    with (
        EndlessServer(head, piece) as server,
        BosBase(server.url, timeout=0.2, backoff=QUICK) as client,
    ):
        client.collection("posts").observe("*", check=False).subscribe()
        deadline = time.monotonic() + PATIENCE
        while client.realtime.status.value.attempt < 2:
            assert time.monotonic() < deadline, "it waits for ever"
            time.sleep(0.01)


def test_a_large_answer_may_take_longer_than_the_timeout_while_it_comes() -> None:
    """A large response may take longer than the timeout while it keeps arriving."""
    head = OK + b"Content-Length: 40002\r\n\r\n[1"
    with EndlessServer(head, b" " * 2000, pause=0.03) as server, BosBase(server.url) as client:
        begun = time.monotonic()
        # 40 kB in 0.6 s: faster than the minimum rate, slower than the timeout.
        with pytest.raises(ProtocolError, match="JSON was expected"):
            client.send("GET", "/api/health", timeout=0.3)
        assert time.monotonic() - begun > 0.4


def test_silence_in_a_body_ends_with_the_timeout_however_much_came_before() -> None:
    """Silence in a body ends with the timeout, however much has arrived before."""
    head = OK + b"Content-Length: 5000000\r\n\r\n[" + b" " * 2_000_000
    with EndlessServer(head, b"", pause=0.1) as server, BosBase(server.url) as client:
        begun = time.monotonic()
        with pytest.raises(RequestTimeoutError):
            client.send("GET", "/api/health", timeout=0.3)
        assert time.monotonic() - begun < 2


# -- memory ---------------------------------------------------------------------------------------


def test_a_bomb_of_gzip_is_refused_and_takes_no_memory(server: wire.WireServer) -> None:
    """A gzip bomb raises `AnswerTooLargeError` and takes less than 20 MiB."""
    bomb = gzip.compress(b'{"data":[' + b"{}," * (24 * MB) + b"{}]}")
    server.on_request = lambda _: json_answer(bomb, "gzip")
    with BosBase(server.url) as client:

        def ask() -> None:
            with pytest.raises(AnswerTooLargeError, match="100 times its compressed size"):
                client.send("GET", "/api/x")

        assert peak_of(ask) < 20 * MB


@pytest.mark.parametrize("opening", ['{"data":[', "["])
@pytest.mark.parametrize("item", ["{}", "[]", '{"a":{}}', '"ab"', "[1.5]", '{"ab":0.5}'])
def test_what_an_answer_is_decoded_to_has_a_bound(
    server: wire.WireServer, opening: str, item: str
) -> None:
    """The memory for a decoded response is bounded by a multiple of `max_answer_bytes`."""
    limit = 200_000
    close = "]}" if opening[0] == "{" else "]"
    items = ",".join([item] * ((limit - 100) // (len(item) + 1)))
    body = f"{opening}{items}{close}".encode()
    server.on_request = lambda _: json_answer(body)
    with BosBase(server.url, max_answer_bytes=limit) as client:

        def ask() -> None:
            with contextlib.suppress(AnswerTooLargeError):
                client.send("GET", "/api/x")

        assert peak_of(ask) < 1.5 * MAX_EXPANSION * limit


@pytest.mark.parametrize(
    "item",
    [
        "{}", "[]", "[[]]", '{"a":{}}', '{"a":1}', '{"a":1.5,"b":-2}', '"ab"', '""', "1000", "0.5",
        "true", "[1.5]", '{"é":"🦊"}',
        '{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6}',
        '{"id":"abcdefghijklmno","updated":"2026-01-01 00:00:00Z"}',
    ],
)  # fmt: skip
def test_the_estimate_of_decoded_values_is_never_far_below_what_they_take(item: str) -> None:
    """Decoded values take less than 1.5 times their estimated size."""
    text = ("[" + ",".join([item] * 20_000) + "]").encode()
    kept: list[object] = []
    taken = peak_of(lambda: kept.append(decode(text)))
    assert taken < 1.5 * decoded_size(text)
    assert kept == [[json.loads(item)] * 20_000]


def test_a_small_answer_that_becomes_large_is_refused_before_it_is_decoded(
    server: wire.WireServer,
) -> None:
    """A response whose decoded values would be too large is refused before it is decoded."""
    server.on_request = lambda _: json_answer(b"[" + b"{}," * 60_000 + b"{}]")
    with (
        BosBase(server.url, max_answer_bytes=200_000) as client,
        pytest.raises(AnswerTooLargeError, match="1600000 bytes of memory once decoded"),
    ):
        client.send("GET", "/api/x")


def test_many_keys_are_bounded_too(server: wire.WireServer) -> None:
    """Many different keys in a response do not exceed the bound for decoded values."""
    keys = [f'"{n:03x}":0' for n in range(3000)]
    body = ("[" + ",".join(["{" + ",".join(keys) + "}"] * 300) + "]").encode()
    server.on_request = lambda _: json_answer(body)
    with BosBase(server.url, max_answer_bytes=len(body)) as client:

        def ask() -> None:
            with contextlib.suppress(AnswerTooLargeError):
                client.send("GET", "/api/x")

        assert peak_of(ask) < 1.5 * MAX_EXPANSION * len(body)


def test_a_deep_value_among_millions_of_others_costs_no_memory(server: wire.WireServer) -> None:
    """A deep value among a million others raises `ProtocolError` within 150 MiB."""
    deep = b"[" * 20_000 + b"]" * 20_000
    body = b'{"d":' + deep + b',"a":[]' * 1_000_000 + b"}"
    server.on_request = lambda _: json_answer(body)
    with BosBase(server.url) as client:

        def ask() -> None:
            with pytest.raises(ProtocolError, match="nested too deeply"):
                client.send("GET", "/api/x")

        assert peak_of(ask) < 150 * MB


def test_an_endless_message_of_an_error_is_cut(server: wire.WireServer) -> None:
    """The message of an error response is cut to 1000 characters."""
    fields = {f"f{n}": {"message": "\0" * 10_000} for n in range(100)}
    server.on_request = lambda _: wire.problem(500, "\0" * 4 * MB, fields)
    with BosBase(server.url) as client, pytest.raises(ClientResponseError) as caught:
        client.health()
    assert caught.value.message == "\0" * 1000
    assert len(str(caught.value)) < 50_000


def test_usual_records_are_far_from_the_bound_of_decoded_values() -> None:
    """Usual records stay below 80 % of the bound for decoded values."""
    record = (
        b'{"collectionId":"pbc_1","collectionName":"posts","id":"abcdefghijklmno","n":12,'
        b'"title":"A title of some words","on":true,"created":"2026-01-01 00:00:00.000Z"},'
    )
    assert decoded_size(record * 100) < MAX_EXPANSION * 0.8 * len(record * 100)


def test_an_answer_beyond_its_bound_is_not_even_read(server: wire.WireServer) -> None:
    """A response announced as larger than `max_answer_bytes` is refused before its body."""
    head = OK + b"Content-Length: %d\r\n\r\n" % (MAX_ANSWER_BYTES + 1)
    server.on_request = lambda _: wire.raw(head + b"[1")
    with BosBase(server.url) as client:
        with pytest.raises(AnswerTooLargeError, match="max_answer_bytes") as caught:
            client.send("GET", "/api/x")
        assert caught.value.bound == f"{MAX_ANSWER_BYTES} bytes"
        assert not caught.value.retryable


def test_a_large_answer_to_a_write_says_that_it_was_done(server: wire.WireServer) -> None:
    """An error for a too large response to a write has `was_written` set, for a read not."""
    server.on_request = lambda _: json_answer(b'{"id":"a","text":"' + b"x" * 5000 + b'"}')
    with BosBase(server.url, max_answer_bytes=1000) as client:
        with pytest.raises(AnswerTooLargeError, match="the write was done, but") as caught:
            client.collection("posts").update("a", {"n": 1})
        assert caught.value.was_written
        with pytest.raises(AnswerTooLargeError) as caught:
            client.collection("posts").get_one("a")
        assert not caught.value.was_written


def test_an_honest_record_may_be_of_any_ratio(server: wire.WireServer) -> None:
    """A record of 5 MB of blanks in gzip is read: an honest text may have any ratio."""
    text = b'{"id":"a","text":"' + b" " * 5_000_000 + b'"}'
    server.on_request = lambda _: json_answer(gzip.compress(text), "gzip")
    with BosBase(server.url) as client:
        assert len(client.collection("posts").get_one("a")["text"]) == 5_000_000


def test_gzip_is_asked_for_and_read(server: wire.WireServer) -> None:
    """Requests accept gzip, and a gzip response is decoded."""
    noise = random.Random(1).randbytes(550_000).hex().encode()
    text = b'{"text": "' + noise + b'"}'
    server.on_request = lambda _: json_answer(gzip.compress(text), "gzip")
    with BosBase(server.url, max_answer_bytes=2 * MB) as client:
        assert len(client.send("GET", "/api/x")["text"]) == 1_100_000
    assert server.requests[0].headers["accept-encoding"] == "gzip"


def test_gzip_may_come_in_parts(server: wire.WireServer) -> None:
    """A gzip response of several parts is decoded as one."""
    parts = gzip.compress(b'{"a":') + gzip.compress(b"") + gzip.compress(b" 1}")
    server.on_request = lambda _: json_answer(parts, "gzip")
    with BosBase(server.url) as client:
        assert client.send("GET", "/api/x") == {"a": 1}


def test_parts_of_gzip_that_come_to_nothing_have_a_bound(server: wire.WireServer) -> None:
    """50 000 empty parts of gzip exceed `max_answer_bytes` and raise an error."""
    server.on_request = lambda _: json_answer(gzip.compress(b"") * 50_000, "gzip")
    with (
        BosBase(server.url, max_answer_bytes=300_000) as client,
        pytest.raises(AnswerTooLargeError),
    ):
        client.send("GET", "/api/x")


BROKEN = {
    "cut": gzip.compress(b'{"a": 1}')[:-3],
    "no gzip": b'{"a": 1}',
    "with more behind": gzip.compress(b'{"a": 1}') + b"x",
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN.keys())
def test_broken_gzip_is_an_error_of_its_own(server: wire.WireServer, body: bytes) -> None:
    """A gzip response that is cut, no gzip or followed by more bytes raises `ProtocolError`."""
    server.on_request = lambda _: json_answer(body, "gzip")
    with BosBase(server.url) as client, pytest.raises(ProtocolError, match="gzip"):
        client.send("GET", "/api/x")


@pytest.mark.parametrize("encoding", ["br", "zstd", "deflate", "gzip, gzip", "x\x1b[31m"])
def test_an_encoding_that_was_not_asked_for_is_an_error(
    server: wire.WireServer, encoding: str
) -> None:
    """A content encoding that was not requested raises `ProtocolError`."""
    server.on_request = lambda _: json_answer(zlib.compress(b"{}"), encoding)
    with BosBase(server.url) as client, pytest.raises(ProtocolError, match="encoding") as caught:
        client.send("GET", "/api/x")
    assert "\x1b" not in str(caught.value)


def test_a_bomb_as_the_error_of_a_stream_takes_no_memory(server: wire.WireServer) -> None:
    """A bomb as the error response to a stream takes less than 10 MiB and keeps its status."""
    bombs = {
        "gzip": gzip.compress(b" " * (64 * MB)),
        "gzip, gzip": gzip.compress(gzip.compress(b" " * (320 * MB))),
    }
    for encoding, bomb in bombs.items():
        server.on_stream = lambda _, e=encoding, b=bomb: json_answer(b, e, code=503)

        def listen() -> None:
            with BosBase(server.url, backoff=QUICK) as client:
                before = server.gets
                client.collection("posts").observe("*", check=False).subscribe()
                server.wait_gets(before + 2)
                error = client.realtime.status.value.error
                assert isinstance(error, ClientResponseError) and error.status == 503

        assert peak_of(listen) < 10 * MB


def test_an_event_that_would_be_decoded_to_far_more_is_skipped(server: wire.WireServer) -> None:
    """An event whose decoded form would be far larger is skipped, within 60 MiB."""
    seen: list[object] = []
    many = b'{"record":{"id":"a","data":[' + b"{}," * 2_000_000 + b'{}]},"action":"create"}'
    with BosBase(server.url) as client:
        client.collection("posts").observe("*", check=False).subscribe(seen.append)
        client.realtime.wait_active(PATIENCE)

        def send() -> None:
            server.stream.send_raw(wire.frame("c", "posts/*", many))
            server.send("posts/*", {"id": "b"}, "create")
            deadline = time.monotonic() + PATIENCE
            while not seen:
                assert time.monotonic() < deadline
                time.sleep(0.01)

        assert peak_of(send) < 60 * MB
        assert [event["record"]["id"] for event in seen] == ["b"]  # type: ignore[index]
        assert client.realtime.stats.skipped == 1
        assert "memory" in str(client.realtime.status.value.error)


# -- odd texts ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "9" * 5000,
        "9" * 400,
        "٣",
        "-1",
        "nan",
        "Fri, 31 Dec 99999 23:59:59 GMT",
        "1e400",
        "\x1e5",
        "5\x85",
    ],
)
def test_an_odd_retry_after_is_no_endless_wait(server: wire.WireServer, text: str) -> None:
    """A malformed or huge `Retry-After` becomes None or a finite wait."""
    head = f"HTTP/1.1 429 X\r\nRetry-After: {text}\r\nContent-Length: 0\r\n\r\n"
    server.on_request = lambda _: wire.raw(head.encode("latin-1", "ignore"))
    with BosBase(server.url) as client, pytest.raises(ClientResponseError) as caught:
        client.health()
    wish = caught.value.retry_after
    assert wish is None or isfinite(wish)


@pytest.mark.parametrize(
    "path",
    [
        "/api/../../x", "/..", "/api/..", "/../x", "/api/./x", "/api/%2e%2e/x", "/api/.%2E/x",
        "/api/%2E", "/api/..?a=b", "/api/..#x",
    ],
)  # fmt: skip
def test_no_path_leads_above_the_base(server: wire.WireServer, path: str) -> None:
    """A path with dot segments, plain or escaped, raises `ValueError` before any request."""
    with (
        BosBase(f"{server.url}/base") as client,
        pytest.raises(ValueError, match="must have no"),
    ):
        client.send("GET", path)
    assert server.connections == 0


@pytest.mark.parametrize("path", ["/api/...", "/api/a..b", "/api/x?at=/../y", "/api/.well-known"])
def test_dots_that_lead_nowhere_are_part_of_a_path(server: wire.WireServer, path: str) -> None:
    """Dots that form no dot segment are allowed in a path."""
    server.on_request = lambda _: {}
    with BosBase(f"{server.url}/base") as client:
        client.send("GET", path)
    assert server.requests[0].target.startswith("/base/api/")


# -- heads and chunks that can be read in more than one way --------------------------------------

SECRET = "eyJ.the-token-of.a-login"
LOGIN = b'{"token":"%s","record":{"id":"a"}}' % SECRET.encode()
SIZED = b"Content-Type: application/json\r\nContent-Length: %d\r\n" % len(LOGIN)
CHUNKED = OK + b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"

MALFORMED = {
    "no chunks": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + LOGIN,
    "a negative chunk": CHUNKED + b"-5\r\nhello\r\n0\r\n\r\n" + LOGIN,
    "a chunk of odd size": CHUNKED + b"0x10\r\n" + LOGIN,
    "a chunk longer than its size": CHUNKED + b"2\r\n" + LOGIN,
    "trailers without end": CHUNKED + b"0\r\n" + b"a: b\r\n" * 20_000,
    "line ends of three": b"HTTP/1.1 200 OK\r\r\n"
    + SIZED.replace(b"\n", b"\r\n")
    + b"\r\r\n"
    + LOGIN,
    "lines that end in CR": b"HTTP/1.1 503 Later\rA: b\r\r" + LOGIN,
    "CR, then a line": b"HTTP/1.1 503 Later\rA: b\r\r" + LOGIN + b"\r\n\r\n",
    "half a head": b"HTTP/1.1 200 OK\r\nContent-Type: applica",
    "half a status line": b"HTTP/1.1 200 OK",
    "no status line": LOGIN + b"\r\n\r\n",
    "two lengths": OK + b"Content-Length: 5, 5\r\nContent-Length: 7\r\n\r\n" + LOGIN,
    "a header without a name": OK + b": x\r\n" + SIZED + b"\r\n" + LOGIN,
    "a header without a colon": OK + LOGIN + b"\r\n\r\n",
    "a first line that is folded": OK + b" folded\r\n" + SIZED + b"\r\n" + LOGIN,
}


@pytest.mark.parametrize("answer", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_answer_is_an_error_that_quotes_nothing_of_it(
    server: wire.WireServer,
    answer: bytes,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """A malformed response to a login raises an error that does not show its content."""
    caplog.set_level(logging.DEBUG)
    answers = [wire.raw(answer)]
    server.on_request = lambda _: answers.pop() if answers else None
    with BosBase(server.url) as client:
        with pytest.raises(BosBaseError) as caught:
            client.collection("users").auth_with_password("ann", "geheim12")
        assert client.health()  # the next answer is its own
    shown = "".join(traceback.format_exception(caught.value)) + caplog.text
    assert SECRET not in shown + capfd.readouterr().err


def test_a_token_that_an_error_repeats_is_not_shown(server: wire.WireServer) -> None:
    """A token that an error response repeats is masked in the error and the status."""
    token = wire.make_token("user1")
    refusal = wire.problem(401, f"bad: {token}", {"token": {"message": f"{token} is bad"}})
    server.on_request = lambda _: refusal
    server.on_stream = lambda _: refusal
    with BosBase(server.url, backoff=QUICK) as client:
        client.auth_store.save(token, {"id": "user1"})
        with pytest.raises(ClientResponseError) as caught:
            client.health()
        client.collection("posts").observe("*", check=False).subscribe()
        server.wait_gets(2)
        shown = f"{caught.value!r} {caught.value} {client.realtime.status.value}"
    assert "bad: ***" in shown and token not in shown


EARLY = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
NO_BODY: dict[str, tuple[bytes, str, object]] = {
    "204 in chunks": (b"HTTP/1.1 204 X\r\nTransfer-Encoding: chunked\r\n\r\n", "GET", None),
    "204 of a length": (b"HTTP/1.1 204 X\r\nContent-Length: 99999999\r\n\r\n", "GET", None),
    "HEAD in chunks": (OK + b"Transfer-Encoding: chunked\r\n\r\n", "HEAD", None),
    "HEAD of a length": (OK + b"Content-Length: 99999999\r\n\r\n", "HEAD", None),
    "of many parts by its type": (
        OK + b"Content-Type: multipart/x\r\nContent-Length: 2\r\n\r\n{}",
        "GET",
        {},
    ),
    "a message by its type": (
        OK + b"Content-Type: message/rfc822\r\nContent-Length: 2\r\n\r\n{}",
        "GET",
        {},
    ),
    "after early hints": (EARLY * 2 + OK + b"Content-Length: 2\r\n\r\n{}", "GET", {}),
}


@pytest.mark.parametrize(("answer", "method", "value"), NO_BODY.values(), ids=NO_BODY.keys())
def test_an_answer_ends_where_its_kind_says_and_the_connection_is_used_again(
    answer: bytes, method: str, value: object
) -> None:
    """A response ends where its kind defines it, and its connection is used again."""
    with EndlessServer(answer, b"") as server, BosBase(server.url) as client:
        for _ in range(3):
            assert client.send(method, "/api/x", timeout=2) == value
        assert server.connections == 1


def test_an_early_hint_is_not_taken_for_the_answer() -> None:
    """An early hint is not the response; after the timeout its connection is not used again."""
    with EndlessServer(EARLY, b"", pause=0) as hints, BosBase(hints.url) as client:
        with pytest.raises(RequestTimeoutError):
            client.send("GET", "/api/1", timeout=0.3)
        with pytest.raises(RequestTimeoutError):  # on another connection
            client.send("GET", "/api/2", timeout=0.3)
        assert hints.connections == 2


def test_what_tls_holds_behind_an_answer_is_not_taken_for_the_next(tmp_path: Path) -> None:
    """Bytes behind a response that TLS holds back are not taken for the next response."""
    cert, key = make_certificate(tmp_path)
    mine, foreign = b'{"a": "mine"}', b'{"a": "foreign"}'
    head = OK + b"Content-Length: %d\r\nX-Padding: " % len(mine)
    # The answer fills what is read at once, and what is behind it stays in the TLS library.
    head += b"x" * (8192 - len(head) - 4 - len(mine)) + b"\r\n\r\n"
    behind = OK + b"Content-Length: %d\r\n\r\n" % len(foreign) + foreign
    with (
        EndlessServer(head + mine + behind, tls=server_context(cert, key)) as server,
        BosBase(server.url, verify=cert) as client,
    ):
        for _ in range(3):
            assert client.send("GET", "/api/x") == {"a": "mine"}
        assert server.connections == 3


@pytest.mark.parametrize("how", ["Connection: close", "Connection: keep-alive"])
def test_close_ends_the_reading_of_a_body_at_once(how: str) -> None:
    """`close` ends the reading of a body within 1 s with `ClientClosedError`."""
    head = OK + how.encode() + b"\r\nContent-Length: 100000\r\n\r\n{"
    with EndlessServer(head, b" ") as server, BosBase(server.url) as client:
        result = run_thread(lambda: client.send("GET", "/api/x", timeout=60))
        wait_until(client, lambda: server.sent > 5)
        begun = time.monotonic()
        client.close()
        with pytest.raises(ClientClosedError):
            result()
        assert time.monotonic() - begun < 1


def test_a_connection_that_switches_protocols_serves_no_other_request() -> None:
    """A 101 raises `ProtocolError`, and its connection serves no other request."""
    with EndlessServer(b"HTTP/1.1 101 Switching Protocols\r\n\r\n") as server:
        with BosBase(server.url) as client:
            for _ in range(2):
                with pytest.raises(ProtocolError):
                    client.send("GET", "/api/x", timeout=2)
        assert server.connections == 2


def test_chunks_of_one_byte_without_end_are_given_up(server: wire.WireServer) -> None:
    """Chunks of one byte without end raise `AnswerTooLargeError` within 3 s of CPU time."""
    server.on_request = lambda _: wire.raw(CHUNKED + b"1\r\n \r\n" * 400_000)
    with BosBase(server.url, max_answer_bytes=500_000) as client:
        begun = time.process_time()
        with pytest.raises(AnswerTooLargeError):
            client.health()
        assert time.process_time() - begun < 3


def test_an_answer_in_chunks_leaves_its_connection_to_the_next() -> None:
    """A chunked response with a trailer leaves its connection to the next request."""
    body = wire.chunk(b'{"a":') + wire.chunk(b"1}") + b"0\r\nX-Trailer: x\r\n\r\n"
    with EndlessServer(CHUNKED + body, b"") as server, BosBase(server.url) as client:
        assert [client.send("GET", "/api/x") for _ in range(3)] == [{"a": 1}] * 3
        assert server.connections == 1


COOKIES = {
    "long ones": b"Set-Cookie: c=" + b"v" * 60_000 + b"\r\n",
    "many": b"".join(b"Set-Cookie: c%d=v\r\n" % n for n in range(90)),
    "an age beyond floats": b"Set-Cookie: c=v; Max-Age=" + b"9" * 400 + b"\r\n",
    "an age beyond ints": b"Set-Cookie: c=v; Max-Age=" + b"9" * 5000 + b"\r\n",
}


@pytest.mark.parametrize("cookies", COOKIES.values(), ids=COOKIES.keys())
def test_no_cookie_makes_later_requests_impossible(server: wire.WireServer, cookies: bytes) -> None:
    """Odd or huge cookies do not prevent later requests, which send less than 1000 bytes."""
    head = OK + cookies + b"Connection: close\r\nContent-Length: 2\r\n\r\n{}"
    server.on_request = lambda _: wire.raw(head)
    with BosBase(server.url) as client:
        for _ in range(3):
            client.send("GET", "/api/x")
    assert all(len(request.headers.get("cookie", "")) < 1000 for request in server.requests)


@pytest.mark.parametrize("body", [b"", b"[{}]", b"17", b"null"])
def test_health_is_an_object_or_an_error(server: wire.WireServer, body: bytes) -> None:
    """A health response that is no object raises `ProtocolError`."""
    server.on_request = lambda _: wire.status(200, body)
    with BosBase(server.url) as client, pytest.raises(ProtocolError, match="no object"):
        client.health()


def test_a_page_without_its_numbers_is_an_error(server: wire.WireServer) -> None:
    """A page of records without page numbers raises `ProtocolError`."""
    server.collections["posts"] = {"items": [{"id": "a"}]}
    with BosBase(server.url) as client, pytest.raises(ProtocolError, match="page numbers"):
        client.collection("posts").get_list()
