"""What can be done to a good answer, each to one part of it. Pure: chance in, bytes out."""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Literal

__all__ = ["MUTATIONS", "Draft"]

SMUGGLED = b'{"echo":"smuggled"}'
"""The body of responses without a request."""


@dataclass
class Draft:
    """An answer while it is still parts.

    Attributes:
        lines: the headers, whole lines without their ends.
        before, after: bytes around the answer.
        chunks: the chunked body, where it is not `body` in good chunks.
        again: what is sent after all of it, over and over.
        is_open: the head has no end, so that `again` belongs to it.
    """

    body: bytes
    status: bytes = b"HTTP/1.1 200 OK"
    lines: list[bytes] = field(default_factory=lambda: [b"Content-Type: application/json"])
    framing: Literal["length", "chunked", "close"] = "length"
    line_end: bytes = b"\r\n"
    before: bytes = b""
    chunks: bytes | None = None
    after: bytes = b""
    again: bytes = b""
    is_open: bool = False

    def wire(self) -> bytes:
        """The bytes."""
        lines = [self.status, *self.lines]
        payload = self.body
        if self.is_open:
            return self.before + b"".join(line + self.line_end for line in lines)
        if self.framing == "length":
            lines.append(b"Content-Length: %d" % len(self.body))
        elif self.framing == "chunked":
            lines.append(b"Transfer-Encoding: chunked")
            payload = chunked(self.body) if self.chunks is None else self.chunks
        head = b"".join(line + self.line_end for line in [*lines, b""])
        return self.before + head + payload + self.after

    def add(self, chance: random.Random, *lines: bytes) -> None:
        """Insert header lines at random places."""
        for line in lines:
            self.lines.insert(chance.randint(0, len(self.lines)), line)


def chunked(body: bytes, size: int = 4096) -> bytes:
    """A body in chunks, with its end."""
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


# -- the head ------------------------------------------------------------------------------------

ODD_STATUS = [
    b"", b" ", b"HTTP/1.1", b"HTTP/1.1 ", b"HTTP/1.1 200", b"HTTP/1.1 OK 200", b"HTTP/1.1 -200 OK",
    b"HTTP/1.1 +200 OK", b"HTTP/1.1 2e2 OK", b"HTTP/1.1 2_00 OK", b"HTTP/1.1 20 OK",
    b"HTTP/1.1 2000 OK", b"HTTP/1.1 " + b"9" * 5000 + b" OK", b"HTTP/1.1 000 OK",
    b"HTTP/1.1 999 OK", b"HTTP/1.1 099 OK", "HTTP/1.1 ٢٠٠ OK".encode(), b"HTTP/1.1 200\x00 OK",
    b"HTTP/1.1 200 \x1b[31m\x9b\x00\x07", "HTTP/1.1 500 \u202eevil".encode(), b"HTTP/0.9 200 OK",
    b"HTTP/1.0 200 OK", b"HTTP/2 200 OK", b"HTTP/2.0 200 OK", b"HTTP/3.0 200 OK",
    b"HTTP/1.x 200 OK", b"HTTP/11 200 OK", b"http/1.1 200 ok", b"ICY 200 OK", b"SSH-2.0-x",
    b"PRI * HTTP/2.0", b"HTTP/1.1 200 " + b"x" * 70_000, b"x" * 200_000, b"HTTP/1.1\t200\tOK",
    b"\x16\x03\x01\x02\x00\x01", b"\x00" * 100, b"\xef\xbb\xbfHTTP/1.1 200 OK", b"+OK", b"{}",
]  # fmt: skip

CODES = [
    200, 201, 202, 203, 204, 205, 206, 207, 226, 299, 300, 304, 305, 306, 399, 400, 401, 403, 404,
    405, 407, 408, 409, 413, 416, 417, 418, 421, 426, 429, 431, 451, 499, 500, 501, 502, 503, 504,
    505, 511, 520, 599, 600, 700, 998, 100, 101, 102, 103, 199,
]  # fmt: skip


def odd_status(chance: random.Random, draft: Draft, _: str) -> None:
    draft.status = chance.choice(ODD_STATUS)
    if chance.random() < 0.1:  # and no end to it
        draft.is_open, draft.line_end, draft.lines, draft.again = True, b"", [], b"x" * 1000


def another_code(chance: random.Random, draft: Draft, _: str) -> None:
    reason = chance.choice([b"OK", b"", b"Nope", b"\x1b]52;c;eA==\x07", b"\xff\xfe", b"a\rb"])
    draft.status = b"HTTP/1.1 %d %b" % (chance.choice(CODES), reason)


def informational(chance: random.Random, draft: Draft, _: str) -> None:
    code = chance.choice([100, 100, 102, 103, 101, 199])
    line = b"HTTP/1.1 %d x\r\n%b\r\n" % (code, chance.choice([b"", b"Link: </x>\r\n", b"a: b\r\n"]))
    count = chance.choice([1, 2, 20, 300, 0])
    draft.before = line * count
    if not count:  # and never another answer
        draft.before, draft.again = line, line
        draft.status, draft.lines, draft.framing = b"HTTP/1.1 100 x", [], "close"
        draft.body = b""


NUMBERS = [
    b"", b" ", b"0", b"-1", b"-0", b"+5", b"5.0", b"1e3", b"0x10", b"1_000", b"5, 5", b"5, 6",
    b"5;5", b"5 5", b"nan", b"inf", b"9" * 18, b"9" * 25, b"9" * 5000, "٥".encode(), b"\xb2",
    b"5\x00", b"2147483648", b"18446744073709551616", b"\x1b[31m", b"18446744073709551621",
]  # fmt: skip


def lengths(chance: random.Random, draft: Draft, _: str) -> None:
    draft.framing = chance.choice(["length", "close", "close", "chunked"])
    size = len(draft.body)
    near = [b"%d" % (size + d) for d in (-1, 1, 10_000) if size + d >= 0]
    count = chance.choice([1, 1, 2])
    values = [chance.choice([*NUMBERS, *near, b"%d" % size]) for _ in range(count)]
    draft.add(chance, *(b"Content-Length: " + value for value in values))


def transfer_codings(chance: random.Random, draft: Draft, _: str) -> None:
    coding = chance.choice(
        [
             b"chunked, chunked", b"chunked, identity", b"gzip, chunked", b"identity", b"xchunked",
             b"chunked\x00", b"CHUNKED", b" chunked ", b"\x0bchunked", b"chunked;q=1", b"",
             b"x" * 5000,
         ]
    )  # fmt: skip
    draft.framing = chance.choice(["length", "chunked", "close"])
    draft.add(chance, b"Transfer-Encoding: " + coding)


BAD_LINES = [
    b"no colon", b": no name", b" : x", b"X : space", b" folded", b"\tfolded", b"X:", b"X: a\rb",
    b"X: a\nY: b", b"X: a\r\n\r\nb", b"X: \x00", b"\x00: x", b"X\x00Y: z", b"X: \xff\xfe",
    b"\xff: x", "X: \u2028\u202e".encode(), b"X: \x1b[2J\x9b2J", b"X: " + b"y" * 70_000,
    b"y" * 70_000 + b": x", b"Connection: close", b"Connection: upgrade", b"Upgrade: h2c",
    b"Connection: keep-alive, x\x00", b"Keep-Alive: timeout=-1, max=0", b"Trailer: Content-Length",
    b"Alt-Svc: h3=\":1\"", b"Content-Type: text/html",
    b"Content-Type: application/json; charset=\x00",
    b"Content-Type: application/json; charset=utf-7",
    b"Content-Type: application/json; charset=idna",
    b"Content-Type: application/json; charset=zlib", b"Content-Type: \x1b[31mred",
    b"Content-Type: text/event-stream", b"Content-Type: multipart/mixed; boundary=x",
    b"Content-Type: message/rfc822", b"Content-Type: " + b"x/" * 3000, b"Content-Type:",
    b"WWW-Authenticate: Basic realm=x", b"Proxy-Authenticate: Negotiate", b"Refresh: 0; url=/",
    b"Location: /not/a/redirect", b"Strict-Transport-Security: max-age=9",
    b"Content-Range: bytes x", b"Date: never", b"Vary: *", b"Age: -1", b"Clear-Site-Data: *",
    b"HTTP/1.1 200 OK",
]  # fmt: skip


def bad_lines(chance: random.Random, draft: Draft, _: str) -> None:
    draft.add(chance, *(chance.choice(BAD_LINES) for _ in range(chance.choice([1, 1, 2, 5]))))


def many_headers(chance: random.Random, draft: Draft, _: str) -> None:
    count = chance.choice([90, 101, 1000, 20_000])
    draft.add(chance, b"\r\n".join(b"X-%d: y" % n for n in range(count)))
    if chance.random() < 0.2:  # and no end to them
        draft.is_open, draft.lines, draft.again = True, [], b"X: y\r\n"


def cookies(chance: random.Random, draft: Draft, _: str) -> None:
    size, count = chance.choice([(10, 40), (60_000, 3), (3000, 60), (5, 95), (60_000, 60)])
    odd = chance.choice(
        [b"", b"; Path=/; Max-Age=" + b"9" * 400, b"; Expires=Mon, 01 Jan 99999", b"\x01"]
    )
    draft.lines += [b"Set-Cookie: c%d=%b%b" % (n, b"v" * size, odd) for n in range(count)]


RETRY_AFTERS = [
    b"9" * 5000, b"-1", b"nan", b"inf", b"1e308", b"0", b"0.5", b"\xb2", "٣".encode(), b"", b" ",
    b"Fri, 31 Dec 99999 23:59:59 GMT", b"Fri, 31 Dec 9999 23:59:59 GMT",
    b"Mon, 00 Foo 0000 99:99:99", b"Thu, 01 Jan 1970 00:00:00 GMT",
    b"Mon, 01 Jan 2001 00:00:00 +99999999999999", b"1, 2", b"Mon, 01 Jan 0001 00:00:00 +2359",
    b"Fri, 31 Dec 9999 23:59:59 -2359", b"\x1b[31m", b"x" * 9000,
]  # fmt: skip


def retry_after(chance: random.Random, draft: Draft, _: str) -> None:
    draft.status = b"HTTP/1.1 %d Later" % chance.choice([429, 503, 503, 500, 200, 301])
    draft.add(chance, b"Retry-After: " + chance.choice(RETRY_AFTERS))


def bare_line_ends(chance: random.Random, draft: Draft, _: str) -> None:
    draft.line_end = chance.choice([b"\n", b"\r", b"\r\r\n", b"\n\r", b"\x0b", b"\r\n "])


def redirect(chance: random.Random, draft: Draft, elsewhere: str) -> None:
    code = chance.choice([300, 301, 302, 303, 307, 308, 308, 304, 399])
    away = elsewhere.encode()
    host = elsewhere.partition("//")[2].encode()
    target = chance.choice(
        [
            away, away, b"//" + host, b"/\\" + host, b"\\\\" + host, b"http:" + host, b"/", b"",
            b"#", b"http://user:pw@" + host, b"file:///etc/passwd", b"javascript:alert(1)",
            b"data:,x", b"http://[", b"http://[::1", b"http://[::g]/", b"http://a:b/",
            b"http://a:99999999/", b"http://\x00/", b"http://\xff/", "http://é\u202e/".encode(),
            b"http://%00/", b"ftp://x", b"http://" + b"a" * 70 + b".x/", b"http://" + b"x" * 60_000,
            b"?a=b", b"\x1b[31m/x\x07", b"http:///x", b"http://", b"://", b"/api/echo/loop",
            b"http://169.254.169.254/latest",
        ]
    )  # fmt: skip
    draft.status = b"HTTP/1.1 %d Moved" % code
    draft.add(chance, *[b"Location: " + target] * chance.choice([1, 1, 1, 0, 2]))


# -- the body's framing --------------------------------------------------------------------------

CHUNKS = [
    b"", b"0\r\n", b"0\r\n\r", b"0\n\n", b"-5\r\nhello\r\n0\r\n\r\n", b"\r\nhello\r\n",
    b"zz\r\nhello", b"0x5\r\nhello\r\n0\r\n\r\n", b"+5\r\nhello\r\n0\r\n\r\n", b"1_0\r\nhello\r\n",
    b"5\r\nhel", b"2\r\nhello\r\n0\r\n\r\n", b"5;" + b"x" * 70_000 + b"\r\nhello\r\n0\r\n\r\n",
    b"f" * 7 + b"\r\n", b"f" * 16 + b"\r\nx", b"f" * 4000 + b"\r\nx", b"7fffffffffffffff\r\nx",
    b"80000000\r\nx", b"5;a=\"\r\n0\r\n\r\nhello\r\n0\r\n\r\n", b"5 \r\nhello\r\n0\r\n\r\n",
    "٥\r\nhello\r\n".encode(), b"5\r\nhello0\r\n\r\n", b"5\nhello\n0\n\n",
    b"0\r\n" + b"x: y\r\n" * 3000 + b"\r\n", b"0\r\n" + b"x" * 100_000,
    b"0\r\nContent-Length: 5\r\nX\r\n\r\n", b"1" * 70_000,
]  # fmt: skip


def bad_chunks(chance: random.Random, draft: Draft, _: str) -> None:
    draft.framing = "chunked"
    good = chunked(draft.body, chance.choice([1, 7, 4096]))[:-5]
    draft.chunks = chance.choice([b"", good]) + chance.choice(CHUNKS)


def endless_body(chance: random.Random, draft: Draft, _: str) -> None:
    draft.framing = chance.choice(["chunked", "close"])
    piece = chance.choice([b" ", b"[", b'"x",', b'{"a":', b"\x00"]) * chance.choice([30, 5000])
    draft.chunks = chunked(draft.body)[:-5]
    if draft.framing == "chunked":
        whole = b"%x\r\n%b\r\n" % (len(piece), piece)
        piece = chance.choice([whole, whole, b"1" * 500, b"0\r\n" + b"x: y\r\n"])
    draft.again = piece


def extra_bytes(chance: random.Random, draft: Draft, _: str) -> None:
    """More than was announced: on a connection that lives on, it looks like the next answer."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    smuggled = head % len(SMUGGLED) + SMUGGLED
    pad = chance.choice([b"", b"", b"\r\n", b" " * 9000, b"x" * 70_000])
    draft.after = pad + chance.choice(
        [smuggled, smuggled * 2, smuggled[:30], b"\r\n" * 50, b"\x00"]
    )
    if chance.random() < 0.4:  # answers that have no body, and yet bring one
        draft.status = b"HTTP/1.1 %d x" % chance.choice([204, 304, 205, 200])
        if chance.random() < 0.5:
            draft.framing, draft.body = "length", b""


# -- what the body is coded in -------------------------------------------------------------------


def _gzip(data: bytes) -> bytes:
    coder = zlib.compressobj(6, zlib.DEFLATED, 31)
    return coder.compress(data) + coder.flush()


@cache
def bomb(unit: bytes, megabytes: int) -> bytes:
    """Gzip of so many megabytes of `unit`, without an end: made as fast as one of them."""
    coder = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = unit * (1024 * 1024 // len(unit))
    flushed = coder.compress(block) + coder.flush(zlib.Z_FULL_FLUSH)
    return b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03" + flushed * megabytes


CODERS: dict[bytes, Callable[[bytes], bytes]] = {
    b"gzip": _gzip,
    b"x-gzip": _gzip,
    b"deflate": zlib.compress,
    b"identity": lambda data: data,
    b"br": lambda data: b"\x8b\x00\x80" + data + b"\x03",
    b"zstd": lambda data: b"\x28\xb5\x2f\xfd\x04\x00" + data,
    b"\x1b[31m": lambda data: data,
}


def encodings(chance: random.Random, draft: Draft, _: str) -> None:
    names = chance.choices(list(CODERS), k=chance.choice([1, 1, 1, 2, 2, 20]))
    for name in names:
        draft.body = CODERS[name](draft.body)
    coding = chance.choice(
        [b", ".join(names), b", ".join(names[::-1]), b"gzip", b"deflate", b"gzip,"]
    )
    draft.add(chance, b"Content-Encoding: " + coding)
    if chance.random() < 0.4 and draft.body:
        at = chance.randrange(len(draft.body))
        tail = chance.choice([b"", b"\xff" + draft.body[at + 1 :], draft.body + b"x"])
        draft.body = draft.body[:at] + tail


def bombs(chance: random.Random, draft: Draft, _: str) -> None:
    unit = chance.choice([b" ", b"\x00", b"{},", b"[],", b'"x",', b"[" * 64, b'{"a":' * 8])
    body = bomb(unit, chance.choice([1, 8, 64, 512]))
    coding = b"gzip"
    for _again in range(chance.choice([0, 0, 1, 2])):
        body, coding = _gzip(body), coding + b", gzip"
    draft.body = body
    draft.framing = chance.choice(["length", "chunked", "close"])
    draft.add(chance, b"Content-Encoding: " + coding)


# -- the body ------------------------------------------------------------------------------------

BODIES = [
    b"", b" ", b"null", b"true", b"17", b'"x"', b"[]", b"{}", b"[{}]", b'{"items":null}',
    b'{"items":[1,2]}', b'{"items":[{}]}', b'{"items":[{"id":17}]}',
    b'{"items":[{"id":"a\\u0000b"}]}', b'{"items":[{"id":""}]}', b'{"items":[{"id":"../../x"}]}',
    b'{"items":{"id":"x"}}', b'{"items":[{"id":"' + b"x" * 100_000 + b'"}]}',
    b'{"items":[{"id":"x","id":null}]}',
    b'{"page":"1","perPage":[],"totalItems":{},"totalPages":-1e400,"items":[]}', b'{"items":[[]]}',
    b'{"token":17,"record":{}}', b'{"token":"","record":{}}', b'{"token":"a\\nb","record":{}}',
    b'{"token":"t","record":[]}', b'{"token":"t","record":null}', b'{"token":"t"}',
    b'{"token":"' + b"t" * 100_000 + b'","record":{"id":"x"}}', b'{"clientId":17}', b"\x00" * 100,
    b'{"token":"a.eyJleHAiOjFlOTk5fQ.c","record":{"id":1}}', b'{"code":"x","message":[],"data":[]}',
    b'{"message":"\\u001b[31m\\u202e\\u009b","data":{"x":17,"\\u0007":{"message":"\\r\\n"}}}',
    b'{"message":"m","data":{"a":{"message":{"b":[1]}},"c":null}}', b"\xef\xbb\xbf{}",
    b"\xff\xfe{\x00}", b"[" * 100_000, b'{"a":' * 100_000, b"[" * 2000 + b"]" * 2000,
    b'{"items":' + b"[" * 50_000,
    b'{"items":[{"id":"deep","a":' + b"[" * 5000 + b"]" * 5000 + b"}]}", b"{}{}", b"{} x",
    b'{"a":1,}', b'{"a":NaN}', b"Infinity", b"1e999", b"-" + b"9" * 6000,
    b'{"n":' + b"9" * 6000 + b"}", b'{"a":"\\ud800"}', b'{"a":"\xed\xa0\x80"}', b'{"a":"\xff"}',
    b"<html>\x1b[31m</html>", b"{'a':1}", b"[" + b"{}," * 300_000 + b"{}]",
    b'{"items":[' + b'{"id":"x"},' * 5000 + b'{"id":"x"}]}',
    b"{" + b",".join(b'"k%d":1' % n for n in range(20_000)) + b"}", b'"' + b"x" * 2_000_000 + b'"',
]  # fmt: skip


def another_body(chance: random.Random, draft: Draft, _: str) -> None:
    draft.body = chance.choice(BODIES)
    if chance.random() < 0.3:
        draft.status = b"HTTP/1.1 %d No" % chance.choice([400, 401, 403, 404, 429, 500, 503])


def spoilt_body(chance: random.Random, draft: Draft, _: str) -> None:
    at = chance.randrange(len(draft.body) + 1)
    middle = chance.choice(
        [b"", b"\x00", b"\xff", b'"', b"[", b"}", b"\\", b"1e999", b"\r\n\r\n", b"-"]
    )
    rest = draft.body[at + chance.randint(0, 2) :] if chance.random() < 0.6 else b""
    draft.body = draft.body[:at] + middle + rest


MUTATIONS: dict[str, Callable[[random.Random, Draft, str], None]] = {
    "odd status": odd_status,
    "another code": another_code,
    "informational": informational,
    "lengths": lengths,
    "transfer codings": transfer_codings,
    "bad lines": bad_lines,
    "many headers": many_headers,
    "cookies": cookies,
    "retry after": retry_after,
    "bare line ends": bare_line_ends,
    "redirect": redirect,
    "bad chunks": bad_chunks,
    "endless body": endless_body,
    "extra bytes": extra_bytes,
    "encodings": encodings,
    "bombs": bombs,
    "another body": another_body,
    "spoilt body": spoilt_body,
}
