"""Watch the connection. Stop the server and start it again while this runs.

python examples/connection_monitoring.py 60     for 60 seconds; 10 by default
"""

import os
import sys
import time

from rxbosbase import BosBase, Status

URL = os.environ.get("RXBOSBASE_URL", "http://127.0.0.1:8090")
SECONDS = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0


def show(status: Status) -> None:
    if status.state == "waiting":
        print(f"waiting: {status.error}; again in {status.retry_in:.1f} s")
    else:
        print(f"{status.state} {status.client_id}")


def on_disconnect(topics: list[str]) -> None:
    print(f"lost; still wanted: {topics}" if topics else "closed on purpose")


with BosBase(URL) as client:
    client.realtime.on_disconnect = on_disconnect
    client.realtime.status.subscribe(show)
    with client.collection("messages").subscribe("*", print):  # waits until it is active
        time.sleep(SECONDS)
