"""A user's own posts: a log of all changes, and a notification on each update."""

import os
import threading

from reactivex import operators as ops

from rxbosbase import BosBase
from rxbosbase import operators as rxb

URL = os.environ.get("RXBOSBASE_URL", "http://127.0.0.1:8090")

with BosBase(URL) as client:
    login = client.collection("users").auth_with_password("chloe@example.com", "password123")
    me = login["record"]["id"]
    posts = client.collection("posts")
    done = threading.Event()

    # Both subscribers share one subscription at the server.
    mine = posts.observe("*", filter=client.filter("author = {:me}", me=me))
    mine.pipe(rxb.of_action("update")).subscribe(
        lambda event: print(f"! “{event.record['title']}” was changed")
    )
    mine.pipe(
        ops.map_indexed(lambda event, n: f"{n + 1}. {event.action} {event.record['title']}"),
        ops.take(3),
    ).subscribe(print, on_completed=done.set)
    client.realtime.wait_active()

    post = posts.create({"title": "Draft", "text": "…", "author": me})
    posts.update(post["id"], {"title": "Published"})
    posts.delete(post["id"])
    done.wait(10)
