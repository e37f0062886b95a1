"""Ada, a user of the sample data: her client, and the messages that she writes."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from rxbosbase import BosBase
from rxbosbase.server.sample import SAMPLE_PASSWORD, SAMPLE_USERS

__all__ = ["ADA", "ada", "write_message"]

ADA = SAMPLE_USERS[0]


@contextmanager
def ada(url: str) -> Generator[BosBase]:
    """A client on which Ada is logged in."""
    with BosBase(url) as client:
        client.collection("users").auth_with_password(ADA.email, SAMPLE_PASSWORD)
        yield client


def write_message(client: BosBase, text: str, room: str = "general") -> str:
    """Create a message as Ada; return its id."""
    body = {"room": room, "text": text, "author": ADA.id}
    id: str = client.collection("messages").create(body)["id"]
    return id
