"""A user's own posts: a log of all changes, and a notification on each update."""

import os
import threading

from reactivex import operators as ops

from rxbosbase import BosBase
from rxbosbase import operators as rxb

URL = os.environ.get("RXBOSBASE_URL", "http://127.0.0.1:8090")

with BosBase(URL) as client:
    client.collection("users").auth_with_password("chloe@example.com", "password123")
    me = client.auth_store.record["id"]
    posts = client.collection("posts")
    done = threading.Event()

    # Both subscribers share one subscription at the server.
    mine = posts.observe("*", filter=client.filter("author = {:me}", me=me))
    mine.pipe(rxb.of_action("update")).subscribe(
        lambda event: print(f"! “{event.record['title']}” was changed")
    )
    mine.pipe(
        ops.scan(lambda count, event: (count[0] + 1, event), (0, None)),
        ops.take(3),
    ).subscribe(
        lambda entry: print(f"{entry[0]}. {entry[1].action} {entry[1].record['title']}"),
        on_completed=done.set,
    )
    client.realtime.wait_active()

    post = posts.create({"title": "Draft", "text": "…", "author": me})
    posts.update(post["id"], {"title": "Published"})
    posts.delete(post["id"])
    done.wait(10)
