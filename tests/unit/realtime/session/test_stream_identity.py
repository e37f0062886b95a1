"""Whether a stream may be a guest's: what makes it doubtful, and what proves it."""

from __future__ import annotations

import pytest

from rxbosbase.realtime.session.stream_identity import TROUBLE_MEMORY, StreamIdentity

ANN = "users/ann"
NOW = 100.0


def submitted(login: str = ANN, now: float = NOW) -> StreamIdentity:
    """Return what is known after the first POST of a first stream."""
    identity = StreamIdentity()
    identity.submits_as(login, now)
    return identity


def doubted(login: str = ANN) -> StreamIdentity:
    """Return what is known after the first POST of a later stream."""
    identity = StreamIdentity()
    identity.doubt()
    identity.submits_as(login, NOW)
    return identity


def test_the_first_stream_needs_no_proof() -> None:
    """A stream without any sign of trouble needs no proof."""
    identity = submitted()
    assert identity.login == ANN
    assert not identity.needs_proof


def test_a_later_stream_needs_a_proof() -> None:
    """A stream that follows another one needs a proof."""
    assert doubted().needs_proof


def test_a_stream_without_a_post_needs_no_proof() -> None:
    """A doubted stream needs no proof before its topics are submitted."""
    identity = StreamIdentity()
    identity.doubt()
    assert not identity.needs_proof


def test_a_guests_stream_needs_no_proof() -> None:
    """The stream of a guest needs no proof, whatever happened before."""
    assert not doubted("").needs_proof


def test_a_stream_keeps_the_login_of_its_first_post() -> None:
    """A stream keeps the login of its first POST."""
    identity = submitted()
    identity.submits_as("users/bob", NOW)
    assert identity.login == ANN


def test_a_proven_stream_stays_proven() -> None:
    """A proven stream needs no second proof, after trouble and another POST either."""
    identity = doubted()
    identity.proven()
    assert not identity.is_doubted_after_trouble(NOW)
    identity.submits_as(ANN, NOW)
    assert not identity.needs_proof


def test_trouble_after_the_post_makes_a_stream_doubtful() -> None:
    """A sign of trouble after the POST, however late, makes the stream need a proof."""
    identity = submitted()
    assert identity.is_doubted_after_trouble(NOW + 10 * TROUBLE_MEMORY)
    assert identity.needs_proof


def test_a_second_sign_says_nothing_new() -> None:
    """A sign of trouble is news once: the stream is in doubt already."""
    identity = submitted()
    identity.is_doubted_after_trouble(NOW)
    assert not identity.is_doubted_after_trouble(NOW + 1)
    assert identity.needs_proof


@pytest.mark.parametrize(
    ("age", "is_doubtful"),
    [(0.0, True), (TROUBLE_MEMORY - 0.001, True), (TROUBLE_MEMORY, False), (3600.0, False)],
)
def test_trouble_before_the_post_counts_for_a_minute(age: float, is_doubtful: bool) -> None:
    """A sign of trouble less than 60 s before the POST makes the stream doubtful."""
    identity = StreamIdentity()
    assert not identity.is_doubted_after_trouble(NOW)
    identity.submits_as(ANN, NOW + age)
    assert identity.needs_proof is is_doubtful


def test_signs_count_for_a_minute() -> None:
    """A sign of trouble is remembered for 60 s."""
    assert TROUBLE_MEMORY == 60.0


def test_the_newest_sign_counts() -> None:
    """The time of the newest sign of trouble counts."""
    identity = StreamIdentity()
    for time in (NOW, NOW + 50):
        identity.is_doubted_after_trouble(time)
    identity.submits_as(ANN, NOW + 100)
    assert identity.needs_proof


def test_trouble_makes_a_guests_stream_no_less_a_guests() -> None:
    """A sign of trouble is no news for a guest's stream."""
    identity = submitted("")
    assert not identity.is_doubted_after_trouble(NOW)
    assert not identity.needs_proof


@pytest.mark.parametrize("was_proven", [False, True])
def test_the_next_stream_starts_without_doubt_and_proof(was_proven: bool) -> None:
    """Neither the doubt nor the proof of a stream is kept for the next one."""
    identity = doubted()
    if was_proven:
        identity.proven()
    identity.forget()
    assert identity.login is None
    identity.submits_as(ANN, NOW)
    assert not identity.needs_proof
    identity.doubt()
    assert identity.needs_proof


def guest_waits(identity: StreamIdentity, *times: float) -> list[float]:
    """Take the stream for a guest's at these times; return the seconds to wait after each."""
    return [identity.taken_for_guest(time) for time in times]


def test_a_guests_stream_waits_longer_after_30_s() -> None:
    """A stream that is a guest's for 30 s waits at least 10 s from then on."""
    assert guest_waits(doubted(), NOW, NOW + 29.9, NOW + 30, NOW + 90) == [0, 0, 10, 10]


def test_a_guests_answer_long_after_the_last_one_is_the_first_again() -> None:
    """More than 60 s after a guest's answer the next one counts as the first."""
    assert guest_waits(doubted(), NOW, NOW + 30, NOW + 90.1, NOW + 120.1) == [0, 10, 0, 10]


def test_the_streams_of_one_login_wait_as_one() -> None:
    """The time as a guest's goes on with the next stream of the same login."""
    identity = doubted()
    guest_waits(identity, NOW)
    identity.forget()
    identity.submits_as(ANN, NOW + 20)
    assert guest_waits(identity, NOW + 29.9, NOW + 30) == [0, 10]


def test_a_proof_ends_the_time_as_a_guest() -> None:
    """After a proof the time as a guest's begins anew."""
    identity = doubted()
    guest_waits(identity, NOW)
    identity.proven()
    assert guest_waits(identity, NOW + 40, NOW + 69.9, NOW + 70) == [0, 0, 10]


def test_another_login_begins_its_own_time_as_a_guest() -> None:
    """The time as a guest's of one login is not that of the next."""
    identity = doubted()
    guest_waits(identity, NOW)
    identity.forget()
    identity.submits_as("users/bob", NOW + 40)
    assert guest_waits(identity, NOW + 40, NOW + 69.9, NOW + 70) == [0, 0, 10]


def test_trouble_is_remembered_across_streams() -> None:
    """A sign of trouble counts for the POSTs of the next stream, too."""
    identity = submitted()
    identity.is_doubted_after_trouble(NOW)
    identity.forget()
    identity.submits_as(ANN, NOW + 59)
    assert identity.needs_proof
