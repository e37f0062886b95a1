"""The simulation of a session behind a balancer that sends POSTs to another server at times."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from rxbosbase.errors import ClientResponseError
from rxbosbase.realtime.session import commands as do
from rxbosbase.realtime.session.misrouting import LEAST_ASKS, Misrouting
from rxbosbase.realtime.session.session import Session
from support.session_server import Broken, Stream
from support.session_world import World

__all__ = ["BALANCER_MUTANTS", "BalancedWorld"]


class BalancedWorld(World):
    """Another server, which does not know the stream, may answer a POST with 404."""

    def __init__(self, *given: Any, **options: Any) -> None:
        super().__init__(*given, **options)
        self.misrouted: tuple[Stream | None, int] = (None, 0)  # the stream, and answers in a row

    def choices(self) -> list[Callable[[], None]]:
        """Return the operations that are possible next."""
        return [*super().choices(), *(partial(self.misroute, post) for post in self.posts * 3)]

    def misroute(self, post: do.Post) -> None:
        """Another server answers, whether or not the stream's own one has had the POST."""
        self.posts.remove(post)
        self.answers.pop(id(post), None)
        stream, count = self.misrouted
        self.misrouted = (post.stream, count + 1 if stream is post.stream else 1)
        own: Stream = post.stream
        was_usable = own is self.stream and not own.ends
        self.put("refused", post, ClientResponseError(404), self.identity, self.now)
        if was_usable and post.asks < LEAST_ASKS and any(own.ends):
            raise Broken(f"a stream is given up after {1 + post.asks} POSTs")

    def answer(self, post: do.Post) -> None:
        """Answer as the stream's own server does."""
        self.misrouted = (None, 0)
        super().answer(post)

    def _begin_post(self, post: do.Post) -> None:
        stream, count = self.misrouted
        if post.asks > (count if stream is post.stream else 0):
            raise Broken(f"a POST is made for the {post.asks}th time after {count} answers")
        super()._begin_post(post)


class _GivesUp(Misrouting):
    def again(self, now: float) -> bool:
        return super().again(now) and self.asks < LEAST_ASKS - 1


class GivesUpEarly(Session):
    """Gives a stream up after too few POSTs."""

    def opened(self, stream: object, client_id: str, now: float) -> None:
        super().opened(stream, client_id, now)
        self._misrouting = _GivesUp()


class KeepsCounting(Session):
    """Counts POSTs that reached another server on from the stream before."""

    def opened(self, stream: object, client_id: str, now: float) -> None:
        misrouting = self._misrouting
        super().opened(stream, client_id, now)
        self._misrouting = misrouting


class CountsAfterSuccess(Session):
    """Takes a new connection after the stream's own server has answered."""

    def acknowledged(self, post: do.Post, now: float) -> None:
        asks = self._misrouting.asks
        super().acknowledged(post, now)
        self._misrouting.asks = asks


BALANCER_MUTANTS: tuple[type[Session], ...] = (GivesUpEarly, KeepsCounting, CountsAfterSuccess)
