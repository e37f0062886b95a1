"""Clean up: when its last subscriber leaves, a topic is removed from the server."""

import os
import threading

from reactivex.disposable import CompositeDisposable

from rxbosbase import BosBase

URL = os.environ.get("RXBOSBASE_URL", "http://127.0.0.1:8090")

with BosBase(URL) as client:  # closed at the end, also after an error
    posts, messages = client.collection("posts"), client.collection("messages")

    with posts.subscribe("*", print):  # unsubscribed at the end of the block
        print(client.realtime.status.value.topics)

    page = CompositeDisposable(  # all subscriptions of a page, disposed together
        posts.observe("*").subscribe(print),
        messages.observe("*").subscribe(print),
    )
    client.realtime.wait_active()
    print(client.realtime.status.value.topics)
    page.dispose()  # no topics left: the connection is closed too

    with messages.events("*") as events:  # an iterator ends with its block as well
        print(client.realtime.status.value.topics)

ours = [thread for thread in threading.enumerate() if thread.name.startswith("rxbosbase")]
for thread in ours:
    thread.join(2)  # they end by themselves, within 200 ms
print(f"threads left: {[thread.name for thread in ours if thread.is_alive()]}")
