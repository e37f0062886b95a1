"""One test a fault: what the user sees of it."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable

import pytest
from faults.kinds import Fault, Kind
from faults.proxy import RETRY_AFTER
from faults.watching import WatchedClient
from support import wire_server as wire

from rxbosbase import BosBase

Watch = Callable[..., WatchedClient]

NEVER = 60.0
"""Seconds of a fault that the test ends itself."""


def assert_lost_once(watched: WatchedClient) -> None:
    """Assert that one loss was reported, with the topic that is still subscribed."""
    watched.wait(lambda: watched.lost)
    assert watched.lost == [[f"{watched.collection}/*"]]
    watched.assert_unharmed()


def after(watched: WatchedClient, fault: Fault) -> None:
    """Injects the fault, and sees events flow on a new stream whose POSTs are all answered."""
    opened = watched.client.realtime.client_id
    watched.proxy.inject(fault)
    watched.wait(lambda: watched.states[-1].client_id not in ("", opened))
    watched.wait_delivery()  # an event may arrive before the answer to the last POST
    watched.wait(lambda: watched.states[-1].state == "active")


@pytest.mark.parametrize("kind", [Kind.CUT, Kind.RESET])
def test_a_stream_that_ends_is_reported_once_and_opened_again(watch: Watch, kind: Kind) -> None:
    """A stream that is cut or reset is reported as one loss and opened again."""
    watched = watch()
    after(watched, Fault(kind))
    assert_lost_once(watched)
    assert "waiting" in [each.state for each in watched.states]
    assert watched.states[-1].error is None


def test_a_silent_stream_is_renewed(watch: Watch) -> None:
    """A silent stream is renewed after `idle_timeout` as routine, without a warning."""
    watched = watch(idle_timeout=0.4)
    after(watched, Fault(Kind.BLACK_HOLE))
    watched.assert_unharmed()
    assert watched.lost == []
    assert "waiting" not in [each.state for each in watched.states]
    assert watched.log.at_least(logging.WARNING) == []


def test_a_stall_delays_events_and_loses_none(watch: Watch) -> None:
    """A stalled stream delays events and loses none."""
    watched = watch()
    watched.proxy.inject(Fault(Kind.STALL, NEVER))
    written = [watched.write() for _ in range(5)]
    assert not set(written) & set(watched.seen)
    watched.proxy.calm()
    watched.wait(lambda: set(written) <= set(watched.seen))
    watched.assert_unharmed()
    assert watched.lost == [] and watched.proxy.count("stream") == 1


def test_a_throttled_stream_delivers_everything(watch: Watch) -> None:
    """A throttled stream delivers all events without a reconnect."""
    watched = watch()
    watched.proxy.inject(Fault(Kind.THROTTLE, 2000))
    written = [watched.write() for _ in range(10)]
    watched.wait(lambda: set(written) <= set(watched.seen))
    watched.assert_unharmed()
    assert watched.proxy.count("stream") == 1


def test_a_stream_in_pieces_of_one_byte_is_read_as_a_whole(watch: Watch) -> None:
    """A stream that arrives byte by byte delivers all events without a reconnect."""
    watched = watch()
    watched.proxy.inject(Fault(Kind.DRIBBLE, 30))
    written = [watched.write() for _ in range(5)]
    watched.wait(lambda: set(written) <= set(watched.seen))
    watched.assert_unharmed()
    assert watched.proxy.count("stream") == 1


def test_half_a_frame_is_never_delivered(watch: Watch) -> None:
    """Half a frame at the end of a stream is never delivered."""
    watched = watch()
    watched.proxy.inject(Fault(Kind.TRUNCATE))
    half = watched.write()
    watched.wait_delivery()
    assert half not in watched.seen
    assert_lost_once(watched)


@pytest.mark.parametrize("kind", [Kind.CORRUPT_DATA, Kind.CORRUPT_NAME])
def test_a_corrupt_byte_in_a_frame_costs_that_event_alone(watch: Watch, kind: Kind) -> None:
    """A corrupt byte in a frame costs that event alone, and the stream stays open."""
    watched = watch()
    watched.proxy.inject(Fault(kind))
    broken = watched.write()
    watched.wait_delivery()
    assert broken not in watched.seen
    assert watched.lost == [] and watched.proxy.count("stream") == 1
    watched.assert_unharmed()


def test_a_corrupt_event_is_logged(watch: Watch) -> None:
    """A corrupt event is logged as a warning with its collection."""
    watched = watch()
    watched.proxy.inject(Fault(Kind.CORRUPT_DATA))
    watched.write()
    watched.wait_delivery()
    assert any(watched.collection in line for line in watched.log.at_least(logging.WARNING))


@pytest.mark.parametrize("size", ["zz", "", "-5", "1"])
def test_corrupt_framing_ends_the_stream_and_a_new_one_is_opened(watch: Watch, size: str) -> None:
    """A corrupt chunk size ends the stream, and a new one is opened."""
    watched = watch()
    watched.proxy.inject(Fault(Kind.CORRUPT_FRAMING, text=size))
    watched.write()
    watched.wait_delivery()
    assert_lost_once(watched)
    assert watched.proxy.count("stream") == 2


@pytest.mark.parametrize("size", ["fffffff", "7" * 40])
def test_a_huge_chunk_size_does_no_harm(watch: Watch, size: str) -> None:
    """After a huge chunk size events flow again and the client is unharmed."""
    watched = watch(idle_timeout=0.4)
    watched.proxy.inject(Fault(Kind.CORRUPT_FRAMING, text=size))
    watched.write()
    watched.wait_delivery()
    watched.assert_unharmed()


@pytest.mark.parametrize("at", [0, 5, 9, 20, 45, 100, 150])
def test_a_corrupt_byte_in_the_headers_leads_to_another_try(watch: Watch, at: int) -> None:
    """A corrupt byte in the response headers of a stream leads to another attempt."""
    watched = watch(timeout=0.5)
    watched.proxy.inject(Fault(Kind.CORRUPT_HEAD, at))
    after(watched, Fault(Kind.CUT))
    watched.assert_unharmed()


def test_an_html_page_in_place_of_the_stream_is_named_and_retried(watch: Watch) -> None:
    """An HTML page instead of a stream is named in the error and retried."""
    watched = watch()
    watched.proxy.inject(Fault(Kind.HTML))
    after(watched, Fault(Kind.CUT))
    assert_lost_once(watched)
    assert any("text/html" in str(each.error) for each in watched.states)


@pytest.mark.parametrize("code", [500, 502])
def test_a_refused_stream_is_retried(watch: Watch, code: int) -> None:
    """A stream refused with 500 or 502 is retried, and the status shows the code."""
    watched = watch()
    watched.proxy.inject(Fault(Kind.STREAM_STATUS, code))
    after(watched, Fault(Kind.CUT))
    assert_lost_once(watched)
    assert any(str(code) in str(each.error) for each in watched.states)


def test_a_refused_stream_comes_back_when_the_server_asked_it_to(watch: Watch) -> None:
    """A stream refused with 429 is retried after the time that the server requests."""
    watched = watch()
    watched.proxy.inject(Fault(Kind.STREAM_STATUS, 429))
    after(watched, Fault(Kind.CUT))
    _, refused, accepted = [seen.at for seen in watched.proxy.seen if seen.role == "stream"]
    assert accepted - refused >= RETRY_AFTER
    assert any((each.retry_in or 0) >= RETRY_AFTER for each in watched.states)


@pytest.mark.parametrize("kind", [Kind.STREAM_REDIRECT, Kind.POST_REDIRECT])
def test_a_redirect_never_carries_the_token_to_another_host(
    watch: Watch, admin: BosBase, kind: Kind
) -> None:
    """A redirect of the stream or a POST is not followed, so no other host gets the token."""
    watched = watch()
    with wire.WireServer() as elsewhere:
        login = admin.auth_store.state
        watched.client.auth_store.save(login.token, login.record)
        watched.wait_delivery()
        watched.proxy.inject(Fault(kind, text=f"{elsewhere.url}/api/realtime"))
        after(watched, Fault(Kind.CUT))
        assert elsewhere.connections == 0
    watched.assert_unharmed()
    *_, post, probe = [seen for seen in watched.proxy.seen if seen.role == "post"]
    assert b"authorization" in post.head.lower(), "the token goes to the server itself"
    assert b"authorization" not in probe.head.lower()


@pytest.mark.parametrize("code", [500, 502])
def test_a_refused_post_is_repeated_on_the_same_stream(watch: Watch, code: int) -> None:
    """A POST refused with 500 or 502 is repeated on the same stream."""
    watched = watch()
    watched.proxy.inject(Fault(Kind.POST_STATUS, code))
    posts = watched.proxy.count("post")
    after(watched, Fault(Kind.CUT))
    assert watched.proxy.count("post") == posts + 2
    assert watched.proxy.count("stream") == 2
    assert_lost_once(watched)


@pytest.mark.parametrize("code", [429, 503])
def test_a_refused_post_is_repeated_when_the_server_asked_it_to(watch: Watch, code: int) -> None:
    """A POST refused with 429 or 503 is repeated after the time that the server requests."""
    watched = watch()
    watched.proxy.inject(Fault(Kind.POST_STATUS, code))
    after(watched, Fault(Kind.CUT))
    _, refused, accepted = [seen.at for seen in watched.proxy.seen if seen.role == "post"]
    assert accepted - refused >= RETRY_AFTER
    assert_lost_once(watched)


def test_a_post_beyond_its_timeout_is_repeated(watch: Watch) -> None:
    """A POST that exceeds its timeout is repeated on the same stream."""
    watched = watch(timeout=0.4)
    posts = watched.proxy.count("post")
    watched.proxy.inject(Fault(Kind.POST_DELAY, 5))
    began = time.monotonic()
    after(watched, Fault(Kind.CUT))
    assert time.monotonic() - began >= 0.4
    # The first two: on a busy machine a stream, too, may exceed the timeout.
    bodies = [json.loads(seen.body) for seen in watched.proxy.seen if seen.role == "post"]
    delayed, repeated = bodies[posts : posts + 2]
    assert delayed["clientId"] == repeated["clientId"]
    assert_lost_once(watched)


@pytest.mark.parametrize("kind", [Kind.POST_RESET, Kind.POST_LOST, Kind.POST_HTML])
def test_a_post_without_a_proper_answer_is_repeated(watch: Watch, kind: Kind) -> None:
    """A POST that is reset, lost or answered with HTML is repeated."""
    watched = watch()
    watched.proxy.inject(Fault(kind))
    after(watched, Fault(Kind.CUT))
    assert 3 <= watched.proxy.count("post") <= 5  # on a busy machine one may time out as well
    assert_lost_once(watched)


def test_a_port_that_refuses_is_tried_until_it_accepts(watch: Watch) -> None:
    """A port that refuses connections is tried again until it accepts one."""
    watched = watch()
    watched.proxy.inject(Fault(Kind.REFUSE, NEVER))
    watched.proxy.inject(Fault(Kind.RESET))
    watched.wait(lambda: watched.states[-1].attempt >= 2)
    watched.proxy.calm()
    watched.wait_delivery()
    assert_lost_once(watched)


def test_stalled_and_then_cut_events_come_once_or_never(watch: Watch) -> None:
    """Events that are stalled and then cut off come once or never."""
    watched = watch()
    watched.proxy.inject(Fault(Kind.STALL, 0.3))
    for _ in range(3):
        watched.write()
    after(watched, Fault(Kind.CUT))
    assert_lost_once(watched)
