"""List and view rules without a login, for users and a superuser; and changes of login."""

from __future__ import annotations

import pytest
from support.live_schema import PASSWORD, Event, Received, World, collect, titles
from support.tested_server import TOKENS_STAY, gap

from rxbosbase import AuthState, ClientResponseError, Collection

pytest_plugins = ["support.live_fixtures"]

OWN = "owner = @request.auth.id"
ANY_USER = '@request.auth.id != ""'


def assert_refused(posts: Collection, target: str, status: int, **options: str) -> str:
    """Both forms of subscribing fail with this status; the error's text."""
    with pytest.raises(ClientResponseError) as caught:
        posts.subscribe(target, print, **options)  # type: ignore[arg-type]
    error = collect(posts.observe(target, **options)).failure()  # type: ignore[arg-type]
    assert isinstance(error, ClientResponseError)
    assert error.status == caught.value.status == status
    assert str(error) == str(caught.value)
    return str(error)


# -- the preflight ---------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["*", "aaaaaaaaaaaaaaa"])
def test_a_missing_collection_is_a_404(world: World, target: str) -> None:
    """`subscribe` and `observe` of a missing collection fail with the server's 404."""
    text = assert_refused(world.client().collection("no_such_thing"), target, 404)
    assert text.startswith("404: Missing collection context.")


@pytest.mark.parametrize("form", ["*", "record"])
def test_a_collection_for_superusers_alone_is_a_403_for_others(world: World, form: str) -> None:
    """Without a rule, `subscribe` and `observe` fail with a 403, and the client goes idle."""
    posts = world.collection(listRule=None, viewRule=None)
    target = "*" if form == "*" else posts.create({})["id"]
    users = world.users()
    for client in (world.client(), world.logged_in(users, world.user(users))):
        text = assert_refused(client.collection(posts.name), target, 403)
        assert text.startswith("403: Only superusers")
        collect(client.realtime.status).first(lambda now: now.state == "idle")


@pytest.mark.parametrize("target", ["*", "aaaaaaaaaaaaaaa"])
def test_a_bad_filter_is_a_400(world: World, target: str) -> None:
    """`subscribe` and `observe` with a malformed filter or unknown field fail with a 400."""
    posts = world.collection()
    assert_refused(posts, target, 400, filter="n >")
    assert_refused(posts, target, 400, filter="no_such_field = 1")


def test_a_refused_subscription_leaves_the_others_alone(world: World) -> None:
    """A refused filter fails its own stream alone; another of the same collection delivers."""
    posts = world.collection()
    received = collect(posts.observe("*"))
    assert_refused(posts, "*", 400, filter="n >")
    world.wait_active()
    posts.create({"title": "still"})
    assert titles(received.have(1)) == ["still"]


def test_without_the_check_a_forbidden_topic_is_silent(world: World) -> None:
    """With `check=False`, a topic that is not allowed raises no error and delivers nothing."""
    posts = world.collection(listRule=None)
    open_ones = world.collection("open")
    guest = world.client()
    silent = collect(guest.collection(posts.name).observe("*", check=False))
    witness = collect(guest.collection(open_ones.name).observe("*"))
    guest.realtime.wait_active()
    posts.create({})
    open_ones.create({})
    witness.have(1)
    assert not silent.items
    assert silent.error is None


def test_where_view_is_allowed_and_list_is_not_a_record_topic_works_and_the_star_does_not(
    world: World,
) -> None:
    """With a view rule alone, record topics deliver, also before the creation; `*` is a 403."""
    posts = world.collection(listRule=None, viewRule="")
    record = posts.create({"title": "seen by id"})
    mine = world.client().collection(posts.name)
    assert_refused(mine, "*", 403)
    existing, coming = Received[Event](), Received[Event]()
    mine.subscribe(record["id"], existing)
    new = world.id("b")
    mine.subscribe(new, coming)  # whether it may be read is not known yet
    posts.update(record["id"], {"title": "changed"})
    posts.create({"id": new, "title": "came"})
    assert titles(existing.have(1)) == ["changed"]
    assert titles(coming.have(1)) == ["came"]


def test_where_list_is_allowed_and_view_is_not_the_star_works_and_a_record_topic_does_not(
    world: World,
) -> None:
    """With a list rule alone, `*` delivers and a record topic is a 403."""
    posts = world.collection(listRule="", viewRule=None)
    record = posts.create({"title": "seen in lists"})
    mine = world.client().collection(posts.name)
    assert_refused(mine, record["id"], 403)
    received: Received[Event] = Received()
    mine.subscribe("*", received)
    posts.update(record["id"], {"title": "changed"})
    assert titles(received.have(1)) == ["changed"]


# -- rules -----------------------------------------------------------------------------------------


def test_the_list_rule_selects_the_events_of_each_client(world: World) -> None:
    """On `*`, each client gets the records its list rule allows; a superuser gets all."""
    users = world.users()
    ann, bob = world.user(users), world.user(users)
    posts = world.collection(listRule=OWN)
    received = {
        who: collect(client.collection(posts.name).observe("*"))
        for who, client in {
            "ann": world.logged_in(users, ann),
            "bob": world.logged_in(users, bob),
            "guest": world.client(),
            "superuser": world.superuser(),
        }.items()
    }
    world.wait_active()
    for title, owner in (("ann's", ann["id"]), ("bob's", bob["id"]), ("no one's", "-")):
        posts.create({"title": title, "owner": owner})
    assert sorted(titles(received["superuser"].have(3))) == ["ann's", "bob's", "no one's"]
    assert titles(received["ann"].have(1)) == ["ann's"]
    assert titles(received["bob"].have(1)) == ["bob's"]
    assert received["guest"].items == []


def test_the_view_rule_selects_the_events_of_a_record_topic(world: World) -> None:
    """On a record topic, a client gets events while the view rule allows the record to it."""
    users = world.users()
    ann, bob = world.user(users), world.user(users)
    posts = world.collection(listRule=None, viewRule=OWN)
    record = posts.create({"title": "ann's", "owner": ann["id"]})
    clients = (world.logged_in(users, ann), world.logged_in(users, bob), world.superuser())
    of_ann, of_bob, of_superuser = (
        collect(client.collection(posts.name).observe(record["id"])) for client in clients
    )
    world.wait_active()
    posts.update(record["id"], {"title": "changed"})
    assert titles(of_ann.have(1)) == titles(of_superuser.have(1)) == ["changed"]
    posts.update(record["id"], {"title": "given to bob", "owner": bob["id"]})
    assert titles(of_bob.have(1)) == ["given to bob"]
    assert titles(of_ann.items) == ["changed"]


def test_events_of_an_auth_collection_hold_no_secrets(
    world: World,
) -> None:
    """An event of an auth collection has no hidden email and no password."""
    users = world.users()
    received = collect(world.client().collection(users).observe("*"))
    world.wait_active()
    ann = world.user(users, name="Ann")
    record = received.have(1)[0].record
    assert record["name"] == "Ann"
    assert ann["email"] not in str(record)
    assert PASSWORD not in str(record)


# -- changes of login ------------------------------------------------------------------------------


def test_a_login_lets_events_of_users_in_and_a_logout_shuts_them_out(world: World) -> None:
    """A login starts the events of users-only records on the same stream; a logout ends them."""
    users = world.users()
    ann = world.user(users)
    posts, open_ones = world.collection(listRule=ANY_USER), world.collection("open")
    client = world.client()
    received = collect(client.collection(posts.name).observe("*"))
    witness = collect(client.collection(open_ones.name).observe("*"))
    client.realtime.wait_active()

    def write(title: str) -> None:
        client.realtime.wait_active()
        posts.create({"title": title})
        open_ones.create({"title": title})
        witness.first(lambda event: event.record["title"] == title)

    write("as a guest")
    assert received.items == []
    client.collection(users).auth_with_password(ann["email"], PASSWORD)
    write("as ann")
    assert titles(received.have(1)) == ["as ann"]
    client.auth_store.clear()
    write("as a guest again")
    assert titles(received.items) == ["as ann"]
    assert received.error is None


def test_another_login_switches_the_events_to_that_user(world: World) -> None:
    """After another login a stream delivers the new user's records; no `on_disconnect` call."""
    users = world.users()
    ann, bob = world.user(users), world.user(users)
    posts = world.collection(listRule=OWN)
    client = world.logged_in(users, ann)
    gone: Received[list[str]] = Received()
    client.realtime.on_disconnect = gone
    received = collect(client.collection(posts.name).observe("*"))
    for round_, (who, login) in enumerate(((ann, False), (bob, True), (ann, True))):
        if login:
            client.collection(users).auth_with_password(who["email"], PASSWORD)
        client.realtime.wait_active()
        for owner in (ann, bob):
            posts.create({"title": f"{round_}", "owner": owner["id"]})
        received.have(round_ + 1)
    assert [event.record["owner"] for event in received.items] == [ann["id"], bob["id"], ann["id"]]
    assert gone.items == []  # another login is no lost connection


def test_a_superuser_that_becomes_a_guest_hears_no_more_than_a_guest(world: World) -> None:
    """After a superuser's logout, a stream delivers nothing of a collection without rules."""
    posts, open_ones = world.collection(listRule=None), world.collection("open")
    client = world.superuser()
    received = collect(client.collection(posts.name).observe("*"))
    witness = collect(client.collection(open_ones.name).observe("*"))
    client.realtime.wait_active()
    posts.create({"title": "as a superuser"})
    received.have(1)
    client.auth_store.clear()
    client.realtime.wait_active()
    posts.create({"title": "as a guest"})
    open_ones.create({})
    witness.have(1)
    assert titles(received.items) == ["as a superuser"]


def test_a_refreshed_token_keeps_the_connection_and_the_events(world: World) -> None:
    """`auth_refresh` keeps the client id of the connection, and events go on."""
    users = world.users()
    ann = world.user(users)
    posts = world.collection(listRule=OWN)
    client = world.logged_in(users, ann)
    received = collect(client.collection(posts.name).observe("*"))
    client.realtime.wait_active()
    before = client.realtime.client_id
    answer = client.collection(users).auth_refresh()
    assert client.auth_store.token == answer["token"]
    client.realtime.wait_active()
    posts.create({"title": "after", "owner": ann["id"]})
    assert titles(received.have(1)) == ["after"]
    assert client.realtime.client_id == before


@gap(TOKENS_STAY, bosbase=True)
def test_after_a_password_change_and_a_new_login_events_go_on(world: World) -> None:
    """After a password change and a new login, the same stream delivers events."""
    users = world.users()
    ann = world.user(users)
    posts = world.collection(listRule=OWN)
    client = world.logged_in(users, ann)
    received = collect(client.collection(posts.name).observe("*"))
    client.realtime.wait_active()
    new = "a new " + PASSWORD
    client.collection(users).update(
        ann["id"], {"oldPassword": PASSWORD, "password": new, "passwordConfirm": new}
    )
    with pytest.raises(ClientResponseError) as caught:
        client.collection(users).auth_refresh()  # the old token is invalid now
    assert caught.value.status == 401
    client.collection(users).auth_with_password(ann["email"], new)
    client.realtime.wait_active()
    posts.create({"title": "after", "owner": ann["id"]})
    assert titles(received.have(1)) == ["after"]


def test_a_malformed_token_counts_as_no_login(world: World) -> None:
    """With a malformed token, a stream is active with the rights of no login."""
    posts, open_ones = world.collection(listRule=ANY_USER), world.collection("open")
    client = world.client(AuthState("not.a.token", None))
    received = collect(client.collection(posts.name).observe("*"))
    witness = collect(client.collection(open_ones.name).observe("*"))
    client.realtime.wait_active()
    posts.create({})
    open_ones.create({})
    witness.have(1)
    assert received.items == []


def test_the_last_of_many_quick_logins_takes_effect(world: World) -> None:
    """After 40 logins in a row, a stream delivers the records of the last user alone."""
    users = world.users()
    people = [world.user(users) for _ in range(2)]
    logins = []
    for person in people:
        with world.server.client() as other:
            other.collection(users).auth_with_password(person["email"], PASSWORD)
            logins.append(other.auth_store.state)
    posts = world.collection(listRule=OWN)
    client = world.client()
    received = collect(client.collection(posts.name).observe("*"))
    for _ in range(20):
        for login in logins:
            client.auth_store.save(login.token, login.record)
    client.realtime.wait_active()
    for person in people:
        posts.create({"title": "x", "owner": person["id"]})
    assert [event.record["owner"] for event in received.have(1)] == [people[1]["id"]]


def test_the_preflight_asks_again_for_another_identity(world: World) -> None:
    """After a logout the preflight is repeated: a topic accepted before is refused with a 403."""
    posts = world.collection(listRule=None)
    client = world.superuser()
    mine = client.collection(posts.name)
    collect(mine.observe("*")).dispose()
    with mine.subscribe("*", print):
        pass
    client.auth_store.clear()
    assert_refused(mine, "*", 403)
