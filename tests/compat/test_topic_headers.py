"""Headers that a rule reads, on each server: which reach a stream, and which do not."""

from __future__ import annotations

import warnings

import pytest
from support.live_schema import Event, Received, World, collect, eventually, titles

RULE = '@request.headers.x_tenant = "acme"'


def test_a_rule_reads_the_headers_of_the_clients_topics(world: World) -> None:
    """A rule reads the client's `topic_headers` in streams, callbacks and live views."""
    posts = world.collection(listRule=RULE, viewRule=RULE)
    client = world.client(headers={"X-Tenant": "acme"}, topic_headers={"X-Tenant": "acme"})
    mine = client.collection(posts.name)
    record = posts.create({"title": "first"})
    received = [collect(mine.observe("*")), collect(mine.observe(record["id"]))]
    called: Received[Event] = Received()
    mine.subscribe("*", called)
    one = collect(mine.live_record(record["id"]))
    one.have(1)
    with mine.live() as view:
        view.wait_fresh()
        client.realtime.wait_active()
        posts.update(record["id"], {"title": "second"})
        for each in (*received, called):
            assert titles(each.have(1)) == ["second"]
        eventually(lambda: [r["title"] for r in view.current.records] == ["second"])
        assert [now and now["title"] for now in one.have(2)] == ["first", "second"]


def test_a_topics_own_header_goes_before_the_clients(world: World) -> None:
    """A header of the topic itself takes precedence over the client's `topic_headers`."""
    posts = world.collection(listRule=RULE, viewRule=RULE)
    client = world.client(topic_headers={"X-Tenant": "other"})
    received = collect(client.collection(posts.name).observe("*", headers={"x_tenant": "acme"}))
    hyphen = collect(client.collection(posts.name).observe("*", headers={"x-tenant": "acme"}))
    silent = collect(client.collection(posts.name).observe("*", check=False))
    client.realtime.wait_active()
    posts.create({"title": "a"})
    assert titles(hyphen.have(1)) == titles(received.have(1)) == ["a"]
    assert not silent.items


def test_headers_of_requests_alone_let_the_check_pass_and_are_warned_of_once(
    world: World,
) -> None:
    """A header given for requests only warns once that topics do not carry it."""
    posts = world.collection(listRule=RULE, viewRule=RULE)
    mine = world.client(headers={"X-Tenant": "acme"}).collection(posts.name)
    with pytest.warns(UserWarning, match=r"'x-tenant'.*topic_headers=") as warned:
        silent = collect(mine.observe("*"))
    assert len(warned) == 1
    assert warned[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        also = collect(mine.observe("*", filter="n = 0"))
        every = collect(posts.observe("*"))
        world.wait_active()
        posts.create({})
        every.have(1)
    assert not silent.items and not also.items
