"""Posts with their authors and comment counts: one table of two collections, kept up to date."""

import os
import threading
from collections import Counter

from reactivex import operators as ops

from rxbosbase import BosBase

Row = tuple[str, str, int]  # title, author, comments
URL = os.environ.get("RXBOSBASE_URL", "http://127.0.0.1:8090")

with BosBase(URL) as client:
    login = client.collection("users").auth_with_password("ben@example.com", "password123")
    posts, comments = client.collection("posts"), client.collection("comments")
    done = threading.Event()

    def read(_: object) -> list[Row]:
        """Return the current state: an event is only a hint that something changed."""
        counts = Counter(comment["post"] for comment in comments.iter_records(fields="post"))
        return [
            (post["title"], post["expand"]["author"]["name"], counts[post["id"]])
            for post in posts.get_full_list(sort="title", expand="author")
        ]

    def show(rows: list[Row]) -> None:
        print("-- posts")
        for title, author, count in rows:
            print(f"{title} by {author}: {count} comments")

    posts.observe("*").pipe(
        ops.merge(comments.observe("*")),
        ops.sample(0.2),  # at most five tables a second
        ops.start_with(None),  # and the first one at once
        ops.map(read),
        ops.distinct_until_changed(),
        ops.take(2),
    ).subscribe(show, on_completed=done.set)
    client.realtime.wait_active()

    post = posts.get_list(1, 1)["items"][0]
    me = login["record"]["id"]
    comments.create({"post": post["id"], "text": "Well said.", "author": me})
    done.wait(10)
