"""Errors that a retry cannot fix are raised, or passed to `on_error`; all others are retried."""

import os
import threading

from rxbosbase import BosBase, BosBaseError, ClientResponseError, RequestTimeoutError

URL = os.environ.get("RXBOSBASE_URL", "http://127.0.0.1:8090")


def explain(error: Exception) -> None:
    match error:
        case ClientResponseError(status=403):
            print("403: log in as someone who may read this collection")
        case ClientResponseError(status=404):
            print("404: there is no such collection")
        case ClientResponseError():
            print(f"{error.status}: {error.message}")  # 400 is a bad filter, for example
        case RequestTimeoutError():
            print("the server did not answer in time")
        case BosBaseError():  # the base class of all errors
            print(f"something else: {error}")


with BosBase(URL) as client:
    for name, condition in (("audit", None), ("nonsense", None), ("messages", "room =")):
        try:  # the callback form waits for the server's answer, and raises
            client.collection(name).subscribe("*", print, filter=condition)
        except BosBaseError as error:
            explain(error)

    reported = threading.Event()  # an observable calls `on_error`

    def report(error: Exception) -> None:
        explain(error)
        reported.set()

    client.collection("audit").observe("*").subscribe(print, on_error=report)
    reported.wait(10)
