"""The client on the real server: health, login, collections, and plain requests."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from support.live_schema import PASSWORD, World, collect

from rxbosbase import (
    AuthState,
    AuthStore,
    BosBase,
    BosBaseError,
    ClientResponseError,
    ConnectionFailedError,
    ProtocolError,
)

pytest_plugins = ["support.live_fixtures"]


def test_making_a_client_needs_no_server() -> None:
    """Creating a client sends nothing; only a request raises ConnectionFailedError."""
    with BosBase("http://127.0.0.1:1") as client:
        assert client.base_url == "http://127.0.0.1:1"
        with pytest.raises(ConnectionFailedError):
            client.health()


def test_health_and_plain_requests_answer_with_json(world: World) -> None:
    """`health` and `send` return the decoded JSON; `send` passes body and query on."""
    client = world.client()
    assert client.health()["code"] == 200
    assert client.send("GET", "/api/health") == client.health()
    posts = world.collection()
    path = f"/api/collections/{posts.name}/records"
    created = client.send("POST", path, body={"title": "sent"}, query={"fields": "title"})
    assert created == {"title": "sent"}


def test_an_unknown_path_is_a_404_and_a_page_is_no_json(world: World) -> None:
    """`send` raises a 404 for an unknown path, and ProtocolError for an HTML response."""
    client = world.client()
    with pytest.raises(ClientResponseError, match="404"):
        client.send("GET", "/api/nothing")
    with pytest.raises(ProtocolError, match="JSON was expected"):
        client.send("GET", "/_/")


# -- login -----------------------------------------------------------------------------------------


def test_login_and_logout_are_emitted_by_changes(world: World) -> None:
    """Login and `clear` set the auth store's state, and `changes` emits each token."""
    users = world.users()
    ann = world.user(users, name="Ann")
    client = world.client()
    changes = collect(client.auth_store.changes)
    answer = client.collection(users).auth_with_password(ann["email"], PASSWORD)
    assert answer["record"]["name"] == "Ann"
    assert client.auth_store.record == answer["record"]
    assert client.auth_store.token == answer["token"]
    assert client.auth_store.is_valid
    client.auth_store.clear()
    assert client.auth_store.state == AuthState()
    assert [state.token for state in changes.items] == ["", answer["token"], ""]


def test_a_login_passes_fields_on(world: World) -> None:
    """`auth_with_password` passes `fields` on; the record has only the fields asked for."""
    users = world.users()
    ann = world.user(users, name="Ann")
    client = world.client()
    answer = client.collection(users).auth_with_password(
        ann["email"], PASSWORD, fields="token,record.id"
    )
    assert answer["record"] == {"id": ann["id"]}


def test_a_wrong_password_is_a_400_and_stores_no_token(world: World) -> None:
    """A wrong password raises a 400 without the password in its repr, and stores no token."""
    users = world.users()
    ann = world.user(users)
    client = world.client()
    with pytest.raises(ClientResponseError, match="400: Failed to authenticate") as caught:
        client.collection(users).auth_with_password(ann["email"], "wrong " + PASSWORD)
    assert caught.value.status == 400
    assert PASSWORD not in repr(caught.value)
    assert client.auth_store.token == ""


def test_a_login_of_no_auth_collection_is_an_error_that_can_be_read(world: World) -> None:
    """A login at a base collection raises ClientResponseError that begins with its status."""
    posts = world.collection()
    with pytest.raises(ClientResponseError) as caught:
        world.client().collection(posts.name).auth_with_password("a", "b" * 8)
    assert str(caught.value).startswith(f"{caught.value.status}: ")


def test_a_refresh_renews_the_token_of_the_same_user(world: World) -> None:
    """`auth_refresh` stores the new token of the same user; without a login it is a 401."""
    users = world.users()
    ann = world.user(users)
    client = world.logged_in(users, ann)
    answer = client.collection(users).auth_refresh()
    assert answer["record"]["id"] == ann["id"]
    assert client.auth_store.token == answer["token"]
    assert client.auth_store.is_valid
    with pytest.raises(ClientResponseError) as caught:
        world.client().collection(users).auth_refresh()  # without a login there is nothing to renew
    assert caught.value.status == 401


def test_a_login_with_a_void_token_in_the_store_works(world: World) -> None:
    """A login succeeds although the auth store holds an invalid token."""
    users = world.users()
    ann = world.user(users)
    store = AuthStore()
    store.save("void.void.void", None)
    client = world.client(store.state)
    client.collection(users).auth_with_password(ann["email"], PASSWORD)
    assert client.auth_store.record is not None
    assert client.auth_store.record["id"] == ann["id"]


def test_no_repr_and_no_error_shows_a_token_or_a_password(world: World) -> None:
    """The reprs of client, auth store and state, and an error, show no token or password."""
    users = world.users()
    client = world.logged_in(users, world.user(users))
    token = client.auth_store.token
    with pytest.raises(BosBaseError) as caught:
        client.collections.create({"name": "x"})
    shown = [repr(client), repr(client.auth_store), repr(client.auth_store.state)]
    shown += [repr(caught.value), str(caught.value)]
    assert not any(token in text or PASSWORD in text for text in shown)


def test_the_clients_own_headers_go_with_every_request(world: World) -> None:
    """Headers given to the client are sent with its requests and reach the list rule."""
    posts = world.collection(listRule='@request.headers.x_key = "k"')
    posts.create({})
    keyed = world.client(headers={"X-Key": "k"})
    assert len(keyed.collection(posts.name).get_full_list()) == 1
    assert world.client().collection(posts.name).get_full_list() == []


# -- collections -----------------------------------------------------------------------------------


def test_collections_are_created_read_changed_and_deleted(world: World) -> None:
    """`collections` creates, gets by name or id, updates, lists and deletes a collection."""
    collections = world.admin.collections
    name = world.name("things")
    made = collections.create(
        {"name": name, "type": "base", "fields": [{"name": "title", "type": "text"}]}
    )
    assert collections.get(name)["id"] == collections.get(made["id"])["id"] == made["id"]
    assert not made["listRule"]  # BosBase shows None as ""
    world.settle()
    changed = collections.update(name, {"listRule": "", "name": name + "_2"})
    assert (changed["listRule"], changed["name"]) == ("", name + "_2")
    listed = collections.get_list(1, 50, filter=world.admin.filter("name = {:n}", n=name + "_2"))
    assert [item["id"] for item in listed["items"]] == [made["id"]]
    collections.delete(made["id"])
    with pytest.raises(ClientResponseError) as caught:
        collections.get(name + "_2")
    assert caught.value.status == 404


def test_collections_are_for_superusers_and_a_bad_one_says_why(world: World) -> None:
    """`collections.create` is a 401 without a login; a bad name is a 400 with `data["name"]`."""
    with pytest.raises(ClientResponseError) as caught:
        world.client().collections.create({"name": "x", "type": "base", "fields": []})
    assert caught.value.status == 401
    with pytest.raises(ClientResponseError, match=r"400: .*name: ") as caught:
        world.admin.collections.create({"name": "not a name!", "type": "base", "fields": []})
    assert "name" in caught.value.data


def test_a_deleted_collection_ends_no_other_stream(world: World) -> None:
    """Deleting a collection fails neither its own stream nor that of another collection."""
    posts, doomed = world.collection(), world.collection("doomed")
    doomed.subscribe("*", print)  # until the preflight has passed: the deletion must not fail it
    received, gone = collect(posts.observe("*")), collect(doomed.observe("*"))
    world.wait_active()
    world.admin.collections.delete(doomed.name)
    posts.create({"title": "still"})
    received.have(1)
    assert gone.error is None


def test_the_repr_of_a_response_hides_its_token(
    admin: BosBase, names: Callable[[str], str]
) -> None:
    """The repr of a response that carries a token leaves the token's signature out."""
    people = names("people")
    admin.collections.create({"name": people, "type": "auth"})
    login = {"email": f"{people}@example.com", "password": "password123"}
    made = admin.collection(people).create({**login, "passwordConfirm": "password123"})
    path = f"/api/collections/{people}"
    answers = [
        admin.send("POST", f"{path}/impersonate/{made['id']}", body={"duration": 60}),
        admin.send("POST", "/api/files/token"),
        admin.send(
            "POST", f"{path}/auth-with-password",
            body={"identity": login["email"], "password": login["password"]}, token="",
        ),
        admin.collection("_superusers").auth_refresh(),
    ]  # fmt: skip
    for answer in answers:
        assert answer["token"].count(".") == 2
        assert answer["token"].rpartition(".")[2] not in f"{answer!r} {[answer]}"
