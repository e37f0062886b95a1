"""Run contenders in turns, each in a process of its own."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterable
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .bench import Options

__all__ = ["Lane", "Outcome", "StreamServer", "take_turns"]

ROOT = Path(__file__).parents[1]
PEERS = ROOT / "build/peers"  # packages that cannot be installed side by side, each in a folder
ANSWER_TIMEOUT = 30.0  # seconds for a run, or a contender's beginning
FIRST_EVENTS = 2000  # of the warm-up run, from which the number of events of a run follows
MAX_EVENTS = 400_000
MIN_EVENTS = 50


@dataclass(frozen=True)
class Lane:
    """A contender with its options.

    Attributes:
        key: the key of its figures.
        contender: its name in `worker.CONTENDERS`.
        events: events of each run; None for as many as take `seconds`.
    """

    key: str
    contender: str
    options: Options = field(default_factory=Options)
    events: int | None = None


@dataclass
class Outcome:
    """A lane's figures, a dict for each round, or the reason why there are none."""

    rounds: list[dict[str, Any]] = field(default_factory=list)
    warm_up: dict[str, Any] = field(default_factory=dict)
    note: str = ""


class StreamServer:
    """The stream server's process, for ``with``."""

    def __enter__(self) -> StreamServer:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.server"],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()


class _Worker:
    def __init__(self, lane: Lane, port: int) -> None:
        environment = dict(os.environ)
        paths = [str(PEERS / lane.contender.split()[-1]), str(ROOT)]
        environment["PYTHONPATH"] = os.pathsep.join([*paths, environment.get("PYTHONPATH", "")])
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed by `close`
        arguments = [lane.contender, str(port), json.dumps(asdict(lane.options))]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True,
            env=environment,
        )  # fmt: skip

    def ask(self, events: int | None) -> dict[str, Any]:
        assert self.process.stdin is not None and self.process.stdout is not None
        if events is not None:
            self.process.stdin.write(f"{events}\n")
            self.process.stdin.flush()
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            line = self.process.stdout.readline() if selector.select(ANSWER_TIMEOUT) else ""
        if line:
            answer: dict[str, Any] = json.loads(line)
            return answer
        self.process.kill()
        self._errors.seek(0)
        last = self._errors.read().strip().splitlines()[-1:] or ["no answer in time"]
        return {"error": last[0]}

    def close(self) -> None:
        self.process.communicate()
        self._errors.close()


@contextmanager
def _workers(lanes: Iterable[Lane], port: int) -> Generator[dict[Lane, _Worker]]:
    with ExitStack() as stack:
        workers = {}
        for lane in lanes:
            workers[lane] = _Worker(lane, port)
            stack.callback(workers[lane].close)
        yield workers


def take_turns(
    lanes: list[Lane], server: StreamServer, rounds: int, seconds: float
) -> dict[str, Outcome]:
    """Run each lane once in each round, one at a time, in an order that rotates.

    All start first and have a run that does not count, so that the rounds follow one another
    closely: a short load of the machine then slows all of them.
    """
    outcomes = {lane.key: Outcome() for lane in lanes}
    with _workers(lanes, server.port) as workers:
        events = {}
        for lane in lanes:
            answer = workers[lane].ask(None)
            if "ready" in answer:
                answer = workers[lane].ask(lane.events or FIRST_EVENTS)
            if not _failed(answer, outcomes[lane.key]):
                outcomes[lane.key].warm_up = answer
                events[lane] = lane.events or _fitting(answer, seconds)
        for turn in range(rounds):
            running = list(events)
            first = turn % max(1, len(running))
            for lane in running[first:] + running[:first]:
                answer = workers[lane].ask(events[lane])
                if _failed(answer, outcomes[lane.key]):
                    del events[lane]
                else:
                    outcomes[lane.key].rounds.append(answer)
    return outcomes


def _failed(answer: dict[str, Any], outcome: Outcome) -> bool:
    outcome.note = str(answer.get("skip") or answer.get("error") or "")
    return bool(outcome.note)


def _fitting(warm_up: dict[str, Any], seconds: float) -> int:
    events = int(seconds * warm_up["events"] / max(1e-9, warm_up["seconds"]))
    return max(MIN_EVENTS, min(MAX_EVENTS, events))
