"""One test a fault: what the user sees of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import pytest
from faults.kinds import Fault, Kind
from faults.proxy import RETRY_AFTER
from faults.watching import Scene
from support import wire_server as wire

MakeScene = Callable[..., Scene]


def assert_lost_once(scene: Scene) -> None:
    """The user was told of one loss, with the topic that is still wanted."""
    scene.wait(lambda: scene.lost)
    assert scene.lost == [[f"{scene.collection}/*"]]
    scene.assert_unharmed()


def after(scene: Scene, fault: Fault) -> None:
    """Injects the fault, and sees events flow on a new stream."""
    opened = scene.client.realtime.client_id
    scene.proxy.inject(fault)
    scene.wait(lambda: scene.states[-1].client_id not in ("", opened))
    scene.flows()


@pytest.mark.parametrize("kind", [Kind.CUT, Kind.RESET])
def test_a_stream_that_ends_is_told_once_and_opened_again(scene: MakeScene, kind: Kind) -> None:
    """A stream that is cut or reset is reported as one loss and opened again."""
    it = scene()
    after(it, Fault(kind))
    assert_lost_once(it)
    assert "waiting" in [each.state for each in it.states]
    assert it.states[-1].error is None


def test_a_black_hole_is_noticed_by_its_silence_and_renewed_as_routine(scene: MakeScene) -> None:
    """A silent stream is renewed after `idle_timeout` as routine, without a warning."""
    it = scene(idle_timeout=0.4)
    after(it, Fault(Kind.BLACK_HOLE))
    it.assert_unharmed()
    assert it.lost == []
    assert "waiting" not in [each.state for each in it.states]
    assert it.log.at_least(logging.WARNING) == []


def test_a_stall_delays_events_and_loses_none(scene: MakeScene) -> None:
    """A stalled stream delays events and loses none."""
    it = scene()
    it.proxy.inject(Fault(Kind.STALL, 0.4))
    written = [it.write() for _ in range(5)]
    assert not set(written) & set(it.seen)
    it.wait(lambda: set(written) <= set(it.seen))
    it.assert_unharmed()
    assert it.lost == [] and it.proxy.count("stream") == 1


def test_a_throttled_stream_delivers_everything(scene: MakeScene) -> None:
    """A throttled stream delivers all events without a reconnect."""
    it = scene()
    it.proxy.inject(Fault(Kind.THROTTLE, 2000))
    written = [it.write() for _ in range(10)]
    it.wait(lambda: set(written) <= set(it.seen))
    it.assert_unharmed()
    assert it.proxy.count("stream") == 1


def test_a_stream_in_pieces_of_one_byte_is_read_as_a_whole(scene: MakeScene) -> None:
    """A stream that arrives byte by byte delivers all events without a reconnect."""
    it = scene()
    it.proxy.inject(Fault(Kind.DRIBBLE, 30))
    written = [it.write() for _ in range(5)]
    it.wait(lambda: set(written) <= set(it.seen))
    it.assert_unharmed()
    assert it.proxy.count("stream") == 1


def test_half_a_frame_is_never_delivered(scene: MakeScene) -> None:
    """Half a frame at the end of a stream is never delivered."""
    it = scene()
    it.proxy.inject(Fault(Kind.TRUNCATE))
    half = it.write()
    it.flows()
    assert half not in it.seen
    assert_lost_once(it)


@pytest.mark.parametrize("kind", [Kind.CORRUPT_DATA, Kind.CORRUPT_NAME])
def test_a_corrupt_byte_in_a_frame_costs_that_event_alone(scene: MakeScene, kind: Kind) -> None:
    """A corrupt byte in a frame costs that event alone, and the stream stays open."""
    it = scene()
    it.proxy.inject(Fault(kind))
    broken = it.write()
    it.flows()
    assert broken not in it.seen
    assert it.lost == [] and it.proxy.count("stream") == 1
    it.assert_unharmed()


def test_a_corrupt_event_is_told_in_the_log(scene: MakeScene) -> None:
    """A corrupt event is logged as a warning with its collection."""
    it = scene()
    it.proxy.inject(Fault(Kind.CORRUPT_DATA))
    it.write()
    it.flows()
    assert any(it.collection in line for line in it.log.at_least(logging.WARNING))


@pytest.mark.parametrize("size", ["zz", "", "-5", "1"])
def test_corrupt_framing_ends_the_stream_and_a_new_one_is_opened(
    scene: MakeScene, size: str
) -> None:
    """A corrupt chunk size ends the stream, and a new one is opened."""
    it = scene()
    it.proxy.inject(Fault(Kind.CORRUPT_FRAMING, text=size))
    it.write()
    it.flows()
    assert_lost_once(it)
    assert it.proxy.count("stream") == 2


@pytest.mark.parametrize("size", ["fffffff", "7" * 40])
def test_a_chunk_size_beyond_all_bounds_neither_raises_nor_takes_memory(
    scene: MakeScene, size: str
) -> None:
    """After a huge chunk size events flow again and the client is unharmed."""
    it = scene(idle_timeout=0.4)
    it.proxy.inject(Fault(Kind.CORRUPT_FRAMING, text=size))
    it.write()
    it.flows()
    it.assert_unharmed()


@pytest.mark.parametrize("at", [0, 5, 9, 20, 45, 100, 150])
def test_a_corrupt_byte_in_the_headers_leads_to_another_try(scene: MakeScene, at: int) -> None:
    """A corrupt byte in the response headers of a stream leads to another attempt."""
    it = scene(timeout=0.5)
    it.proxy.inject(Fault(Kind.CORRUPT_HEAD, at))
    after(it, Fault(Kind.CUT))
    it.assert_unharmed()


def test_an_html_page_in_place_of_the_stream_is_named_and_retried(scene: MakeScene) -> None:
    """An HTML page instead of a stream is named in the error and retried."""
    it = scene()
    it.proxy.inject(Fault(Kind.HTML))
    after(it, Fault(Kind.CUT))
    assert_lost_once(it)
    assert any("text/html" in str(each.error) for each in it.states)


@pytest.mark.parametrize("code", [500, 502])
def test_a_refused_stream_is_retried(scene: MakeScene, code: int) -> None:
    """A stream refused with 500 or 502 is retried, and the status shows the code."""
    it = scene()
    it.proxy.inject(Fault(Kind.STREAM_STATUS, code))
    after(it, Fault(Kind.CUT))
    assert_lost_once(it)
    assert any(str(code) in str(each.error) for each in it.states)


def test_a_refused_stream_comes_back_when_the_server_asked_it_to(scene: MakeScene) -> None:
    """A stream refused with 429 is retried after the time that the server requests."""
    it = scene()
    it.proxy.inject(Fault(Kind.STREAM_STATUS, 429))
    after(it, Fault(Kind.CUT))
    _, refused, accepted = [seen.at for seen in it.proxy.seen if seen.role == "stream"]
    assert accepted - refused >= RETRY_AFTER
    assert any((each.retry_in or 0) >= RETRY_AFTER for each in it.states)


@pytest.mark.parametrize("kind", [Kind.STREAM_REDIRECT, Kind.POST_REDIRECT])
def test_a_redirect_never_carries_the_token_to_another_host(scene: MakeScene, kind: Kind) -> None:
    """A redirect of the stream or a POST is not followed, so no other host gets the token."""
    it = scene()
    with wire.WireServer() as elsewhere:
        it.client.auth_store.save(wire.make_token("somebody"), {"id": "somebody"})
        it.flows()
        it.proxy.inject(Fault(kind, text=f"{elsewhere.url}/api/realtime"))
        after(it, Fault(Kind.CUT))
        assert elsewhere.connections == 0
    it.assert_unharmed()
    posts = [seen for seen in it.proxy.seen if seen.role == "post"]
    assert b"authorization" in posts[-1].head.lower(), "the token goes to the server itself"


@pytest.mark.parametrize("code", [500, 502])
def test_a_refused_post_is_repeated_on_the_same_stream(scene: MakeScene, code: int) -> None:
    """A POST refused with 500 or 502 is repeated on the same stream."""
    it = scene()
    it.proxy.inject(Fault(Kind.POST_STATUS, code))
    posts = it.proxy.count("post")
    after(it, Fault(Kind.CUT))
    assert it.proxy.count("post") == posts + 2
    assert it.proxy.count("stream") == 2
    assert_lost_once(it)


@pytest.mark.parametrize("code", [429, 503])
def test_a_refused_post_is_repeated_when_the_server_asked_it_to(
    scene: MakeScene, code: int
) -> None:
    """A POST refused with 429 or 503 is repeated after the time that the server requests."""
    it = scene()
    it.proxy.inject(Fault(Kind.POST_STATUS, code))
    after(it, Fault(Kind.CUT))
    _, refused, accepted = [seen.at for seen in it.proxy.seen if seen.role == "post"]
    assert accepted - refused >= RETRY_AFTER
    assert_lost_once(it)


def test_a_post_beyond_its_timeout_is_repeated(scene: MakeScene) -> None:
    """A POST that exceeds its timeout is repeated on the same stream."""
    it = scene(timeout=0.4)
    it.proxy.inject(Fault(Kind.POST_DELAY, 5))
    began = time.monotonic()
    after(it, Fault(Kind.CUT))
    assert time.monotonic() - began >= 0.4
    assert it.proxy.count("stream") == 2
    assert_lost_once(it)


@pytest.mark.parametrize("kind", [Kind.POST_RESET, Kind.POST_LOST, Kind.POST_HTML])
def test_a_post_without_a_proper_answer_is_repeated(scene: MakeScene, kind: Kind) -> None:
    """A POST that is reset, lost or answered with HTML is repeated."""
    it = scene()
    it.proxy.inject(Fault(kind))
    after(it, Fault(Kind.CUT))
    assert 3 <= it.proxy.count("post") <= 5  # on a busy machine one may time out as well
    assert_lost_once(it)


def test_a_port_that_refuses_is_tried_until_it_accepts(scene: MakeScene) -> None:
    """A port that refuses connections is tried again until it accepts one."""
    it = scene()
    it.proxy.inject(Fault(Kind.REFUSE, 0.5))
    after(it, Fault(Kind.RESET))
    assert_lost_once(it)
    assert max(each.attempt for each in it.states) >= 2


def test_stalled_and_then_cut_events_come_once_or_never(scene: MakeScene) -> None:
    """Events that are stalled and then cut off come once or never."""
    it = scene()
    it.proxy.inject(Fault(Kind.STALL, 0.3))
    for _ in range(3):
        it.write()
    after(it, Fault(Kind.CUT))
    assert_lost_once(it)
