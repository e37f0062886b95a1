"""A simulation for a session: a server, a pipeline and POSTs in flight, without I/O or time.

A sequence is a list of numbers, each of which selects the next of the possible operations. Whatever
they are, `finish` lets all operations succeed from there on; then the server has the wanted set.
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
from rxbosbase.realtime.session.stream_identity import TROUBLE_MEMORY
from support.session_server import DELAYS, Broken, Stream

__all__ = ["QUIET", "Broken", "World"]

QUIET = 0.25
TOPICS = ("a/*", "b/*", "c/*", "bad")
LOCAL = "PB_CONNECT"


class World:
    """Runs one session through a sequence of operations.

    Attributes:
        session: the session under test.
        log: every command, in order.
        calm: how much more likely expected operations are.
    """

    def __init__(self, kind: type[Session] = Session, *, identity: str = "ann") -> None:
        self.wanted = TopicShard(0, frozenset({LOCAL}))
        self.topics_of: dict[int, frozenset[str]] = {}  # the wanted set, by its version
        self.identity = identity
        self.token = 0
        self.is_login_pending = False  # the store has a login that the session has not received
        self.now = 100.0
        self.log: list[do.Command] = []
        self.calm = 1
        self.inputs: deque[tuple[str, Callable[[], None]]] = deque()
        self.input = ""  # the newest
        self.is_running = False
        self.streams: list[Stream] = []
        self.stream: Stream | None = None  # the pipeline's
        self.run: int | None = None  # the pipeline's, once it is subscribed
        self.is_starting = False
        self.is_waiting = False
        self.dials = 0  # since topics are wanted
        self.failures = 0
        self.posts: list[do.Post] = []  # in flight
        self.tokens: dict[int, int] = {}  # of each of them
        self.answers: dict[int, ClientResponseError | None] = {}  # … not received yet
        self.outdated: set[int] = set()  # … those during which the token was renewed
        self.is_away = False  # the server's database: it cannot look up a token
        self.signed_at = -TROUBLE_MEMORY  # the newest sign of trouble
        self.wakes: list[float] = []
        self.is_closed = False
        self.session = kind(self.wanted, lambda n: DELAYS[min(n, len(DELAYS)) - 1], quiet=QUIET)

    # -- commands --------------------------------------------------------------------------------

    def put(self, name: str, *given: Any, **options: Any) -> None:
        """Pass one input to the session; carry out its commands as the driver does, and check each.
        Inputs that a command causes follow it."""
        self.inputs.append((name, lambda: getattr(self.session, name)(*given, **options)))
        if self.is_running:
            return
        self.is_running = True
        while self.inputs or self.session.commands:
            if not self.session.commands:
                self.input, put = self.inputs.popleft()
                put()
                continue
            command = self.session.commands.popleft()
            self.log.append(command)
            if self.is_closed and not isinstance(command, do.Abandon):
                raise Broken(f"{command} follows the end")
            self._do(command)
        self.is_running = False
        if self.stream is not None and self.session.status.state is State.ACTIVE:
            self.stream.check_proof()

    def _do(self, command: do.Command) -> None:
        match command:
            case do.Start(run):
                self.run, self.is_starting, self.is_waiting = run, True, False
            case do.Stop():
                self.run = self.stream = None
                self.is_starting = self.is_waiting = False
                self.dials = 0
            case do.RetryNow():
                if self.is_waiting:
                    self.dial()
            case do.EndStream(stream, error):
                stream.ends.append(error)
                if error is None and stream.is_open and self.input in ("identity_changed", "tick"):
                    self.dials = 0  # the next one is the first of a login
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
            case do.Gap() if self.stream is not None:
                self.stream.is_acknowledged = self.stream.lacks_gap = False
            case do.Unidentified():
                assert self.stream is not None
                self.stream.reported_as_guest()
            case do.Failed():
                self.run = self.stream = None
                for name in list(self.wanted.entries):
                    self.toggle(name)

    def _begin_post(self, post: do.Post) -> None:
        self.posts.append(post)
        self.tokens[id(post)] = self.token
        if len(self.posts) > 1:
            raise Broken("two POSTs in flight")
        stream = self.stream
        if stream is None or post.stream is not stream or stream.ends:
            raise Broken(f"{post} on a stream that is over")
        if post.is_probe:
            stream.check_probe(post.topics)
            return
        if post.topics != self.wanted.topics() or post.version != self.wanted.version:
            raise Broken(f"{post} is not the wanted set")
        has_sign = self.now - self.signed_at < TROUBLE_MEMORY
        identity = None if self.is_login_pending else self.identity
        stream.submitted(identity, self.now, has_sign=has_sign)

    def _check_acknowledged(self, stream: Stream, version: int) -> None:
        if stream is not self.stream:
            raise Broken("acknowledged on a stream that is over")
        stream.acknowledged(self.topics_of[version])

    # -- operations ------------------------------------------------------------------------------

    def choices(self) -> list[Callable[[], None]]:
        """Return the operations that are possible next."""
        can: list[Callable[[], None]] = [
            *(partial(self.toggle, name) for name in (*TOPICS, LOCAL)),
            partial(self.toggle, "a/*", urgent=True),
            self.tick,
            self.login,
            self.notify_login,
            self.renew_token,
            self.renew,
            partial(self.pass_time, QUIET / 2),
            partial(self.pass_time, TROUBLE_MEMORY + 1),
            self.show_trouble,
            self.find_database if self.is_away else self.lose_database,
            *(partial(self.send_late_inputs, stream) for stream in self.streams[-3:-1]),
        ]
        # Expected operations are more likely than disturbances.
        if self.wakes:
            can += [self.wake] * 6 * self.calm
        if self.is_starting:
            can += [self.dial] * 10 * self.calm
        if self.is_waiting:
            can += [self.dial] * 4 * self.calm
        if self.stream is not None:
            can += [self.end_by_routine, self.lose, self.give_up]
            if not self.stream.is_open and not self.stream.ends:
                can += [self.open] * 10 * self.calm
            if self.stream.is_mistaken(self.identity):
                can += [self.show_trouble] * 6
        for post in self.posts:
            weight = 6 * self.calm if post.stream is self.stream else 2
            can += [partial(self.answer, post)] * weight
            can += [partial(self.fail, post, accepted=accepted) for accepted in (False, True)]
            can.append(partial(self.end_stream_during, post))
            can += [partial(self.serve, post)] * (0 if id(post) in self.answers else 4)
        return can

    def run_sequence(self, sequence: Iterable[int]) -> None:
        """Run the operations that the numbers select."""
        for number in sequence:
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
        self.topics_of[self.wanted.version] = frozenset(self.wanted.topics())

    def login(self) -> None:
        """Change the login in the store; the session receives it later."""
        self.identity = {"ann": "bob", "bob": "", "": "ann"}[self.identity]
        self.token += 1
        self.is_login_pending = True

    def notify_login(self) -> None:
        self.is_login_pending = False
        self.outdated.update(map(id, self.posts))
        self.put("identity_changed", self.identity, self.now)

    def renew_token(self) -> None:
        self.token += 1
        self.notify_login()

    def renew(self) -> None:
        self.put("renewed")

    def close(self) -> None:
        self.put("closed")
        self.is_closed = True

    def lose_database(self) -> None:
        self.is_away = True

    def find_database(self) -> None:
        self.is_away = False

    def show_trouble(self) -> None:
        """Another request of the client fails."""
        self.signed_at = self.now
        if self.stream is not None:
            self.stream.may_have_sign = True
            self.stream.has_sign |= self.stream.submitted_as is not None
        self.put("troubled", self.now)

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
        self.dials += 1
        self.stream = Stream(self.run, is_first=self.dials == 1)
        self.streams.append(self.stream)
        self.put("dialled", self.run, self.stream)

    def open(self) -> None:
        assert self.stream is not None
        self.stream.is_open = True
        self.stream.may_have_sign |= self.now - self.signed_at < TROUBLE_MEMORY
        self.failures = 0
        self.put("opened", self.stream, "client", self.now)

    def end_by_routine(self) -> None:
        """End the stream; the pipeline dials the next one."""
        assert self.stream is not None
        ended_with = self.stream.ends[:1]
        if ended_with and ended_with[0] is not None:
            self.lose()
            return
        self.stream.is_ended = True
        self.dial()

    def lose(self) -> None:
        assert self.stream is not None
        if self.stream.ends[:1] == [None]:
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
        if self.stream.ends[:1] == [None]:
            self.end_by_routine()
            return
        self._end(self.stream)
        run, self.run = self.run, None
        assert run is not None
        self.put("exhausted", run, ConnectionFailedError("given up"))

    def _end(self, stream: Stream) -> None:
        stream.is_ended = True
        self.stream = None

    def send_late_inputs(self, stream: Stream) -> None:
        """Pass inputs of a stopped pipeline, or of a stream that is over."""
        self.put("opened", stream, "late", self.now)
        if stream.run != self.run:
            error = ConnectionFailedError("late")
            self.put("lost", stream.run, 1, 1.0, error)
            self.put("exhausted", stream.run, error)
            self.put("dialled", stream.run, Stream(stream.run))

    # -- POSTs -----------------------------------------------------------------------------------

    def serve(self, post: do.Post) -> None:
        """The server handles the POST; its answer is an input later."""
        self.answers[id(post)] = self._accept(post)

    def answer(self, post: do.Post) -> None:
        """Answer as the server does, or has done already."""
        if id(post) not in self.answers:
            self.serve(post)
        self.posts.remove(post)
        error = self.answers.pop(id(post))
        if post.is_probe and not post.stream.is_ended and not post.stream.ends:
            # A token that was renewed meanwhile is submitted at once.
            wait_from = None if id(post) in self.outdated else self.now
            post.stream.probed(error, wait_from)
        if error is None:
            self.put("acknowledged", post, self.now)
        else:
            self.put("refused", post, error, self.identity, self.now)
        if post.stream.lacks_report:
            raise Broken("nobody was told that the login may be lost")

    def fail(self, post: do.Post, *, accepted: bool) -> None:
        """Fail the POST; the server may have accepted the topics."""
        self.posts.remove(post)
        if self.answers.pop(id(post), self) is self and accepted:
            self._accept(post)
        error = ClientResponseError(503, "/api/realtime", retry_after=3.0)
        self.put("refused", post, error, self.identity, self.now)

    def end_stream_during(self, post: do.Post) -> None:
        """End the stream during the POST; its end is an input after the POST's failure."""
        self.posts.remove(post)
        self.answers.pop(id(post), None)
        post.stream.is_ended = True
        error = ClientClosedError("the stream has ended")
        self.put("refused", post, error, self.identity, self.now)

    def _accept(self, post: do.Post) -> ClientResponseError | None:
        stream: Stream = post.stream
        identity = "" if self.is_away or post.is_probe else self.identity
        return stream.accept(post, identity, self.tokens[id(post)])

    # -- the end of a sequence -------------------------------------------------------------------

    def finish(self) -> None:
        """Let all operations succeed, until none is left; check the result."""
        self.is_away = False
        for _ in range(1000):
            if not self._continue():
                break
        else:
            raise Broken("it never comes to rest")
        self.check()

    def _continue(self) -> bool:
        if self.is_login_pending:
            self.notify_login()
        elif self.posts:
            self.answer(self.posts[0])
        elif self.is_starting or self.is_waiting:
            self.dial()
        elif self.stream is not None and (self.stream.ends or self.stream.is_ended):
            self.end_by_routine()
        elif self.stream is not None and not self.stream.is_open:
            self.open()
        elif self.wakes:
            self.wake()
        elif self.stream is not None and self.stream.is_mistaken(self.identity):
            self.show_trouble()
        else:
            return False
        return True

    def check(self) -> None:
        """Raise `Broken` unless the server has the wanted set, and the session knows it."""
        state = self.session.status.state
        if self.wanted.is_empty:
            if self.run is not None or state not in (State.IDLE, State.FAILED):
                raise Broken(f"nothing is wanted, and it is {state}")
            return
        if self.stream is None or state is not State.ACTIVE:
            raise Broken(f"topics are wanted, and it is {state}")
        if self.stream.topics != frozenset(self.wanted.topics()):
            raise Broken(f"the server has {set(self.stream.topics)}")
        if self.session.acknowledged_version != self.wanted.version:
            raise Broken("acknowledged is not what is wanted")
        if self.wanted.topics():
            self.stream.check_owner(self.identity, self.token)
