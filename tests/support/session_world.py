"""A world for a session: a server, a pipeline and POSTs that take their time, without any of it.

A story is a list of numbers, each of which picks the next thing that can happen. Whatever they
are, `finish` lets all go well from there on; then the server has what is wanted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from rxbosbase.errors import ClientClosedError, ClientResponseError, ConnectionFailedError
from rxbosbase.realtime.protocol.topics import Topic
from rxbosbase.realtime.session import commands as do
from rxbosbase.realtime.session.lifecycle import State
from rxbosbase.realtime.session.registry import TopicEntry, TopicShard
from rxbosbase.realtime.session.session import Session

__all__ = ["QUIET", "Broken", "Stream", "World"]

QUIET = 0.25
TOPICS = ("a/*", "b/*", "c/*", "bad")
LOCAL = "PB_CONNECT"
DELAYS = (1.0, 2.0, 4.0)


class Broken(AssertionError):
    """A promise of the session was broken."""


class Stream:
    """One stream, as the server has it."""

    def __init__(self, run: int) -> None:
        self.run = run
        self.is_open = False  # the server gave it a client id
        self.is_ended = False  # the server knows it no more
        self.hung_up: list[Exception | None] = []  # what the client said when it ended it
        self.topics: frozenset[str] = frozenset()
        self.owner: str | None = None
        self.token = 0  # with which its topics were submitted last


class World:
    """Runs one session by a story.

    Attributes:
        session: what is tested.
        log: every command, in its order.
    """

    def __init__(self, kind: type[Session] = Session) -> None:
        self.wanted = TopicShard(0, frozenset({LOCAL}))
        self.identity = "ann"
        self.token = 0
        self.is_untold = False  # the store has a login that the session has not been told of
        self.now = 100.0
        self.log: list[do.Command] = []
        self.inputs: deque[Callable[[], None]] = deque()
        self.is_at_work = False
        self.streams: list[Stream] = []
        self.stream: Stream | None = None  # the pipeline's
        self.run: int | None = None  # the pipeline's, once it is subscribed
        self.is_starting = False
        self.is_waiting = False
        self.failures = 0
        self.posts: list[do.Post] = []  # in flight
        self.tokens: dict[int, int] = {}  # of each of them
        self.wakes: list[float] = []
        self.is_closed = False
        self.session = kind(
            self.wanted,
            lambda failures: DELAYS[min(failures, len(DELAYS)) - 1],
            quiet=QUIET,
        )

    # -- what the commands do --------------------------------------------------------------------

    def put(self, name: str, *given: Any, **options: Any) -> None:
        """Feeds one input, carries out what is said, as the driver does, and checks each. What a
        command leads to comes behind it."""
        self.inputs.append(lambda: getattr(self.session, name)(*given, **options))
        if self.is_at_work:
            return
        self.is_at_work = True
        while self.inputs or self.session.commands:
            if not self.session.commands:
                self.inputs.popleft()()
                continue
            command = self.session.commands.popleft()
            self.log.append(command)
            if self.is_closed and not isinstance(command, do.Abandon):
                raise Broken(f"{command} follows the end")
            self._do(command)
        self.is_at_work = False

    def _do(self, command: do.Command) -> None:
        match command:
            case do.Start(run):
                self.run, self.is_starting, self.is_waiting = run, True, False
            case do.Stop():
                self.run = self.stream = None
                self.is_starting = self.is_waiting = False
            case do.Hurry():
                if self.is_waiting:
                    self.dial()
            case do.HangUp(stream, error):
                stream.hung_up.append(error)
            case do.Post():
                self._begin_post(command)
            case do.WakeAt(due):
                self.wakes.append(due)
            case do.Acknowledged(stream, version):
                self._check_acknowledged(stream, version)
            case do.Refused(_, upto, _):
                bad = self.wanted.entries.get("bad")
                if bad is not None and bad.version <= upto:
                    self.toggle("bad")
            case do.Failed():
                self.run = self.stream = None
                for name in list(self.wanted.entries):
                    self.toggle(name)

    def _begin_post(self, post: do.Post) -> None:
        self.posts.append(post)
        self.tokens[id(post)] = self.token
        if len(self.posts) > 1:
            raise Broken("two POSTs in flight")
        if post.topics != self.wanted.topics() or post.version != self.wanted.version:
            raise Broken(f"{post} is not the wanted set")
        if self.stream is None or post.stream is not self.stream or self.stream.hung_up:
            raise Broken(f"{post} on a stream that is over")

    def _check_acknowledged(self, stream: Stream, version: int) -> None:
        if stream is not self.stream:
            raise Broken("acknowledged on a stream that is over")
        if version == self.wanted.version and stream.topics != frozenset(self.wanted.topics()):
            raise Broken(f"the server has {set(stream.topics)}, not what is wanted")

    # -- what can happen -------------------------------------------------------------------------

    def choices(self) -> list[Callable[[], None]]:
        """All that can happen next."""
        can: list[Callable[[], None]] = [
            *(partial(self.toggle, name) for name in (*TOPICS, LOCAL)),
            partial(self.toggle, "a/*", urgent=True),
            self.tick,
            self.login,
            self.tell_login,
            self.renew_token,
            self.renew,
            partial(self.pass_time, QUIET / 2),
            *(partial(self.speak_late, stream) for stream in self.streams[-3:-1]),
        ]
        # What goes on by itself is more likely than all that disturbs it.
        if self.wakes:
            can += [self.wake] * 6
        if self.is_starting:
            can += [self.dial] * 10
        if self.is_waiting:
            can += [self.dial] * 4
        if self.stream is not None:
            can += [self.end_by_routine, self.lose, self.give_up]
            if not self.stream.is_open and not self.stream.hung_up:
                can += [self.open] * 10
        for post in self.posts:
            can += [partial(self.answer, post)] * 6
            can += [partial(self.fail, post, taken=taken) for taken in (False, True)]
            can.append(partial(self.end_first, post))
        return can

    def tell(self, story: Iterable[int]) -> None:
        """Lets all that happen, one after the other."""
        for number in story:
            can = self.choices()
            can[number % len(can)]()

    def toggle(self, name: str, *, urgent: bool = False) -> None:
        self._toggle(name)
        self.put("changed", self.now, urgent=urgent)

    def _toggle(self, name: str) -> None:
        self.wanted.version += 1
        if self.wanted.entries.pop(name, None) is None:
            entry = TopicEntry(Topic(name, name), self.wanted, self.wanted.version)
            self.wanted.entries[name] = entry

    def login(self) -> None:
        """Somebody else is in the store; whoever watches it is told a little later."""
        self.identity = {"ann": "bob", "bob": "", "": "ann"}[self.identity]
        self.token += 1
        self.is_untold = True

    def tell_login(self) -> None:
        self.is_untold = False
        self.put("identity_changed", self.identity, self.now)

    def renew_token(self) -> None:
        self.token += 1
        self.tell_login()

    def renew(self) -> None:
        self.put("renewed")

    def close(self) -> None:
        self.put("closed")
        self.is_closed = True

    def pass_time(self, seconds: float) -> None:
        self.now += seconds

    def tick(self) -> None:
        self.put("tick", self.identity, self.now)

    def wake(self) -> None:
        self.wakes.sort()
        self.now = max(self.now, self.wakes.pop(0))
        self.tick()

    def dial(self) -> None:
        assert self.run is not None
        self.is_starting = self.is_waiting = False
        self.stream = Stream(self.run)
        self.streams.append(self.stream)
        self.put("dialled", self.run, self.stream)

    def open(self) -> None:
        assert self.stream is not None
        self.stream.is_open = True
        self.failures = 0
        self.put("opened", self.stream, "client", self.now)

    def end_by_routine(self) -> None:
        """The stream ends, and the pipeline dials the next one."""
        assert self.stream is not None
        said = self.stream.hung_up[:1]
        if said and said[0] is not None:
            self.lose()
            return
        self.stream.is_ended = True
        self.dial()

    def lose(self) -> None:
        assert self.stream is not None
        if self.stream.hung_up[:1] == [None]:
            self.end_by_routine()
            return
        self._end(self.stream)
        self.failures += 1
        self.is_waiting = True
        error = ConnectionFailedError("lost")
        assert self.run is not None
        self.put("lost", self.run, self.failures, 1.0, error)

    def give_up(self) -> None:
        assert self.stream is not None
        if self.stream.hung_up[:1] == [None]:
            self.end_by_routine()
            return
        self._end(self.stream)
        run, self.run = self.run, None
        assert run is not None
        self.put("exhausted", run, ConnectionFailedError("given up"))

    def _end(self, stream: Stream) -> None:
        stream.is_ended = True
        self.stream = None

    def speak_late(self, stream: Stream) -> None:
        """A pipeline that was stopped, or a stream that is over, still has something to say."""
        self.put("opened", stream, "late", self.now)
        if stream.run != self.run:
            error = ConnectionFailedError("late")
            self.put("lost", stream.run, 1, 1.0, error)
            self.put("exhausted", stream.run, error)
            self.put("dialled", stream.run, Stream(stream.run))

    # -- POSTs -----------------------------------------------------------------------------------

    def answer(self, post: do.Post) -> None:
        """The server answers as it must."""
        self.posts.remove(post)
        error = self._take(post)
        if error is None:
            self.put("acknowledged", post, self.now)
        else:
            self.put("refused", post, error, self.identity, self.now)

    def fail(self, post: do.Post, *, taken: bool) -> None:
        """No answer comes; the server may have taken the topics."""
        self.posts.remove(post)
        if taken:
            self._take(post)
        error = ClientResponseError(503, "/api/realtime", retry_after=3.0)
        self.put("refused", post, error, self.identity, self.now)

    def end_first(self, post: do.Post) -> None:
        """The stream's end cuts the POST off, and is told after it."""
        self.posts.remove(post)
        post.stream.is_ended = True
        error = ClientClosedError("the stream has ended")
        self.put("refused", post, error, self.identity, self.now)

    def _take(self, post: do.Post) -> Exception | None:
        stream: Stream = post.stream
        if stream.is_ended or stream.hung_up:
            return ClientResponseError(404, "/api/realtime")
        if stream.owner not in (None, "", self.identity):
            return ClientResponseError(403, "/api/realtime")
        if "bad" in post.topics:
            return ClientResponseError(400, "/api/realtime")
        stream.owner, stream.topics = self.identity, frozenset(post.topics)
        stream.token = self.tokens[id(post)]
        return None

    # -- the end of a story ----------------------------------------------------------------------

    def finish(self) -> None:
        """From here on all goes well."""
        for _ in range(1000):
            if not self._go_on():
                break
        else:
            raise Broken("it never comes to rest")
        self.check()

    def _go_on(self) -> bool:
        if self.is_untold:
            self.tell_login()
        elif self.posts:
            self.answer(self.posts[0])
        elif self.is_starting or self.is_waiting:
            self.dial()
        elif self.stream is not None and (self.stream.hung_up or self.stream.is_ended):
            self.end_by_routine()
        elif self.stream is not None and not self.stream.is_open:
            self.open()
        elif self.wakes:
            self.wake()
        else:
            return False
        return True

    def check(self) -> None:
        """The server has what is wanted, and the session knows it."""
        state = self.session.status.state
        if self.wanted.is_empty:
            if self.run is not None or state not in (State.IDLE, State.FAILED):
                raise Broken(f"nothing is wanted, and it is {state}")
            return
        if self.stream is None or state is not State.ACTIVE:
            raise Broken(f"topics are wanted, and it is {state}")
        if self.stream.topics != frozenset(self.wanted.topics()):
            raise Broken(f"the server has {set(self.stream.topics)}")
        if self.session.held != self.wanted.version:
            raise Broken("acknowledged is not what is wanted")
        if self.wanted.topics() and self.stream.owner != self.identity:
            raise Broken(f"the stream is {self.stream.owner!r}'s, not {self.identity!r}'s")
        if self.wanted.topics() and self.stream.token != self.token:
            raise Broken("the topics were not submitted under the renewed token")
