"""A chat room: print messages as they are created and deleted; other rooms are filtered out."""

import os
import threading

from reactivex import operators as ops

from rxbosbase import BosBase, RecordEvent
from rxbosbase import operators as rxb

URL = os.environ.get("RXBOSBASE_URL", "http://127.0.0.1:8090")


def show(event: RecordEvent) -> None:
    author = event.record["expand"]["author"]["name"]
    sign = "+" if event.action == "create" else "-"
    print(f"{sign} {author}: {event.record['text']}")


with BosBase(URL) as client:
    login = client.collection("users").auth_with_password("ada@example.com", "password123")
    me = login["record"]["id"]
    chat = client.collection("messages")
    done = threading.Event()

    in_this_room = client.filter("room = {:room}", room="general")  # quotes are escaped
    chat.observe("*", filter=in_this_room, expand="author").pipe(
        rxb.of_action("create", "delete"),
        ops.take(2),
    ).subscribe(show, on_completed=done.set)
    client.realtime.wait_active()  # from here on the server sends events

    chat.create({"room": "random", "text": "Nobody in #general hears this", "author": me})
    message = chat.create({"room": "general", "text": "Cześć! 👋", "author": me})
    chat.delete(message["id"])
    done.wait(10)
