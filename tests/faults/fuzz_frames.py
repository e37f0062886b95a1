"""A fuzz of the event stream: random and mutated streams, cut at random, by seed::

    python -m tests.faults.fuzz_frames --seconds 60 --seed 1

Each case is a stream of events in the server's form and in others, with zero to four mutations of
its bytes. It is read in random pieces by `FrameParser`, and by `BodyDecoder` as a body with random
chunks and as one without. Each of them has to return the events, and to skip those, that a literal
implementation of the standard gives (`event_stream.py`), whatever the pieces.

It prints a table, and exits with 1 if anything differs. A difference is printed with its seed,
number and bytes, and is met again by::

    python -m tests.faults.fuzz_frames --seed 1 --case 137
"""

from __future__ import annotations

import argparse
import itertools
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from rxbosbase.realtime.protocol.body_decoder import BodyDecoder
from rxbosbase.realtime.protocol.frames import MAX_FRAME_BYTES, Frame, FrameParser

from .event_stream import EventStream

__all__ = ("MAKERS", "WAYS", "Case", "Report", "draw", "fuzz", "main")

MAX_PROBLEMS = 20

CASES_A_SECOND = 50
"""The least rate of cases for which a fuzz counts."""

ID = b"id:" + b"c" * 40
NAMES = [
    b"posts/*", b"a", "żółw/*".encode(), b"", b" ", b"  two", b"\xff", b"a:b", b"x\0", b"message",
]  # fmt: skip
VALUES = [
    b"{}", b'{"action":"create","record":{"id":"a"}}', b"", b" ", b" {}", b"[1]", b"a\xffb",
    b"\xe2\x82", '{"ó":"\u2028"}'.encode(), b":", b"\xef\xbb\xbf", b"x" * 300, b"5", b"\0",
]  # fmt: skip
FIELDS = [b"data", b"event", b"id", b"retry", b"Data", b"DATA", b"", b" data", b"data ", b"other"]
BYTES = [
    b"\n", b"\r", b"\r\n", b":", b" ", b"\0", b"\xff", b"\xef\xbb\xbf", b"data:", b"\n\n", b"e",
]  # fmt: skip
LIMITS = [MAX_FRAME_BYTES] * 3 + [1, 20, 60, 100, 400]


@dataclass(frozen=True)
class Case:
    """One stream, and how it arrives.

    Attributes:
        stream: the bytes of the event stream.
        max_bytes: an event larger than this is skipped.
        chunks: the sizes of the chunks of the chunked body.
        seed: of the places at which the bodies are cut.
    """

    number: int
    stream: bytes
    max_bytes: int
    chunks: tuple[int, ...]
    seed: int
    kinds: tuple[str, ...]


# -- drawing a case -------------------------------------------------------------------------------


def _usual(chance: random.Random, _end: bytes) -> bytes:
    name, value = chance.choice(NAMES[:3]), chance.choice(VALUES[:2])
    return ID + b"\nevent:" + name + b"\ndata:" + value + b"\n\n"


def _odd(chance: random.Random, end: bytes) -> bytes:
    lines = []
    for _ in range(chance.randrange(1, 6)):
        name = chance.choice(FIELDS[: chance.choice((2, 4, len(FIELDS)))])
        value = chance.choice(NAMES if name == b"event" else VALUES)
        colon = chance.choice((b":", b":", b": ", b""))
        lines.append(name + (colon + value if colon else b""))
    return end.join(lines) + end * chance.choice((1, 2, 2, 2, 3))


def _almost_usual(chance: random.Random, end: bytes) -> bytes:
    lines = [ID, b"event:" + chance.choice(NAMES), b"data:" + chance.choice(VALUES)]
    if chance.random() < 0.3:
        chance.shuffle(lines)
    return end.join(lines) + end * 2


MAKERS: dict[str, Callable[[random.Random, bytes], bytes]] = {
    "usual": _usual,
    "odd": _odd,
    "almost usual": _almost_usual,
}


def _mutated(chance: random.Random, stream: bytes) -> bytes:
    at = chance.randrange(len(stream) + 1)
    end = min(len(stream), at + chance.choice((1, 1, 2, 5, 50)))
    match chance.randrange(5):
        case 0:
            return stream[:at] + chance.choice(BYTES) + stream[at:]
        case 1:
            return stream[:at] + stream[end:]
        case 2:
            return stream[:end] + stream[at:]
        case 3:
            return stream[:at] + chance.choice(BYTES) + stream[end:]
        case _:
            return (
                stream[:at] + bytes(chance.randrange(256) for _ in range(end - at)) + stream[end:]
            )


def draw(seed: int, number: int) -> Case:
    """Return the case of this number; it follows from both alone."""
    chance = random.Random(f"{seed}/{number}")
    favourite = chance.choice(list(MAKERS))
    end = chance.choice((b"\n", b"\n", b"\r\n", b"\r"))
    kinds = [
        favourite if chance.random() < 0.8 else chance.choice(list(MAKERS))
        for _ in range(chance.choice((0, 1, 3, 10, 40)))
    ]
    bom = chance.choice((b"", b"", b"", b"\xef\xbb\xbf", b"\xef\xbb"))
    stream = bom + b"".join(MAKERS[kind](chance, end) for kind in kinds)
    for _ in range(mutations := chance.choice((0, 0, 1, 2, 4))):
        stream = _mutated(chance, stream)
    chunks = _chunks(chance, stream)
    seen = {*kinds, *(["BOM"] if bom else []), *(["mutated"] if mutations else [])}
    limit = chance.choice(LIMITS)
    return Case(number, stream, limit, chunks, chance.randrange(2**32), tuple(sorted(seen)))


def _chunks(chance: random.Random, stream: bytes) -> tuple[int, ...]:
    """Return the sizes of chunks: an event each, as the server writes them, or random ones."""
    if chance.random() < 0.5:
        parts = stream.split(b"\n\n")
        return tuple(len(part) + 2 for part in parts)
    most = chance.choice((1, 7, 60, 5000))
    return tuple(chance.randrange(1, most + 1) for _ in range(len(stream) // most + 1))


# -- meeting it -----------------------------------------------------------------------------------

Result = tuple[list[Frame], list[int]]
"""The frames that were returned, and the sizes of those that were skipped."""


def expected(case: Case) -> Result:
    """Return what the standard defines, and the limits of the parser, for the whole stream."""
    literal = EventStream()
    literal.parse(case.stream)
    frames: list[Frame] = []
    skipped: list[int] = []
    for block in literal.blocks:
        if block.size > case.max_bytes:
            skipped.append(block.size)
        elif block.event is not None:
            try:
                block.event.type.encode()
            except UnicodeEncodeError:  # it can be no topic
                skipped.append(block.size)
            else:
                data = block.event.data.encode("utf-8", "surrogateescape")
                frames.append((block.event.type, data))
    return frames, skipped


def _pieces(chance: random.Random, data: bytes) -> Iterator[bytes]:
    most = chance.choice((1, 3, 50, 1000, len(data) + 1))
    at = 0
    while at < len(data):
        size = chance.randrange(1, most + 1)
        yield data[at : at + size]
        at += size


def _chunked(chance: random.Random, case: Case) -> bytes:
    """Return the stream in the chunked coding (RFC 9112, 7.1)."""
    body, at = b"", 0
    for size in itertools.chain(case.chunks, itertools.repeat(100)):
        chunk = case.stream[at : at + size]
        if not chunk:
            break
        mark = chance.choice((b"%x",) * 6 + (b"%X", b"0%x", b"%x;name=value"))
        body += mark % len(chunk) + b"\r\n" + chunk + b"\r\n"
        at += size
    return body + chance.choice((b"0\r\n\r\n", b"0\r\nTrailer: x\r\n\r\n"))


def _by_parser(case: Case, chance: random.Random) -> Result:
    parser = FrameParser(case.max_bytes)
    frames = [frame for piece in _pieces(chance, case.stream) for frame in parser.feed(piece)]
    return frames, [skipped.size for skipped in parser.take_skipped()]


def _by_decoder(case: Case, raw: bytes, chance: random.Random, decoder: BodyDecoder) -> list[Frame]:
    frames = [frame for piece in _pieces(chance, raw) for frame in decoder.feed(piece)]
    assert decoder.finished or decoder.may_end
    return frames


def _by_chunks(case: Case, chance: random.Random) -> Result:
    parser = FrameParser(case.max_bytes)
    decoder = BodyDecoder(parser, chunked=True)
    frames = _by_decoder(case, _chunked(chance, case), chance, decoder)
    return frames, [skipped.size for skipped in parser.take_skipped()]


def _by_length(case: Case, chance: random.Random) -> Result:
    parser = FrameParser(case.max_bytes)
    length = chance.choice((-1, len(case.stream)))
    decoder = BodyDecoder(parser, chunked=False, length=length)
    frames = _by_decoder(case, case.stream, chance, decoder)
    return frames, [skipped.size for skipped in parser.take_skipped()]


WAYS: dict[str, Callable[[Case, random.Random], Result]] = {
    "FrameParser": _by_parser,
    "BodyDecoder, chunked": _by_chunks,
    "BodyDecoder, not chunked": _by_length,
}


def problem_of(case: Case, due: Result) -> str:
    """Return how a way of reading differs from what is due; "" if none does."""
    for name, way in WAYS.items():
        try:
            found = way(case, random.Random(case.seed))
        except Exception as error:
            return f"{name} raised {error!r}"
        if found != due:
            return f"{name} gave\n    {found!r}\n  in place of\n    {due!r}"
    return ""


@dataclass
class Report:
    """The result of a fuzz. It is good if `problems` is empty."""

    seed: int
    cases: int = 0
    seconds: float = 0.0
    events: int = 0
    skipped: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def meet(self, case: Case) -> None:
        """Run one case."""
        self.cases += 1
        self.kinds.update(case.kinds)
        due = expected(case)
        self.events += len(due[0])
        self.skipped += len(due[1])
        if len(self.problems) < MAX_PROBLEMS and (problem := problem_of(case, due)):
            again = f"python -m tests.faults.fuzz_frames --seed {self.seed} --case {case.number}"
            stream = f"{case.stream!r}, limit {case.max_bytes}, chunks {case.chunks}"
            self.problems.append(f"case {case.number}: {problem}\n  of {stream}\n  {again}")

    def table(self) -> str:
        """Return a table of the results as text."""
        title = f"fuzz of event streams for {self.seconds:.0f} s, seed {self.seed}"
        rows = [("cases", f"{self.cases} ({self.cases / max(self.seconds, 0.01):.0f} a second)")]
        rows += [(f"  {name}", str(count)) for name, count in sorted(self.kinds.items())]
        rows += [("events", str(self.events)), ("skipped", str(self.skipped))]
        width = max(len(label) for label, _ in rows)
        lines = [title, "-" * len(title), *(f"{label:<{width}}  {text}" for label, text in rows)]
        lines += [f"WRONG: {text}" for text in self.problems] or ["all is well"]
        return "\n".join(lines)


def fuzz(seed: int, numbers: Iterable[int], seconds: float = float("inf")) -> Report:
    """Run the cases of these numbers, for at most so many seconds; return the report."""
    report = Report(seed)
    began = time.monotonic()
    for number in numbers:
        if time.monotonic() - began > seconds:
            break
        report.meet(draw(seed, number))
    report.seconds = time.monotonic() - began
    return report


def main(arguments: list[str] | None = None) -> int:
    """The command line; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.fuzz_frames", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--case", type=int, help="this one alone")
    chosen = parser.parse_args(arguments)
    if chosen.case is not None:
        report = fuzz(chosen.seed, [chosen.case])
    else:
        report = fuzz(chosen.seed, itertools.count(), chosen.seconds)
        if report.cases < chosen.seconds * CASES_A_SECOND:
            report.problems.append(f"only {report.cases} cases in {report.seconds:.0f} s")
    print(report.table())
    return 1 if report.problems else 0


if __name__ == "__main__":
    raise SystemExit(main())
