import os
import threading

from rxbosbase import BosBase
from rxbosbase import operators as rxb

with BosBase(os.environ.get("RXBOSBASE_URL", "http://127.0.0.1:8090")) as client:
    heard = threading.Event()
    new_messages = client.collection("messages").observe("*").pipe(rxb.of_action("create"))
    new_messages.subscribe(lambda event: (print(event.record["text"]), heard.set()))
    client.collection("users").auth_with_password("ada@example.com", "password123")
    client.realtime.wait_active()
    ada = client.auth_store.record["id"]
    client.collection("messages").create({"room": "general", "text": "Hello!", "author": ada})
    heard.wait(10)
