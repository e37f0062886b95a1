"""The state of the connection, and the countdown to the next attempt."""

from __future__ import annotations

from collections.abc import Callable

from reactivex import Observable, abc

from rxbosbase.client import BosBase
from rxbosbase.dashboard.picture import Picture
from rxbosbase.dashboard.text import error_text, escaped
from rxbosbase.realtime.session.status import Status

__all__ = ("StatusPicture", "pill")

# The label of each state, and its CSS class.
STATE_LABELS = {
    "idle": ("not listening", ""),
    "connecting": ("connecting", "busy"),
    "connected": ("subscribing", "busy"),
    "active": ("live", "good"),
    "waiting": ("reconnecting", "bad"),
    "failed": ("given up", "bad"),
    "closed": ("closed", "bad"),
}


def pill(status: Status, now: float) -> str:
    """Return the state as a label with a colour, and the countdown while it waits.

    >>> status = Status("waiting", attempt=2, retry_in=1.5, since=100.0)
    >>> print(pill(status, now=100.5))
    <span class="pill bad" role="status"><i></i>reconnecting in 1.0 s · attempt 2</span>
    """
    label, quality = STATE_LABELS[status.state]
    if status.state == "connecting" and status.attempt:
        label, quality = "reconnecting", "bad"
    if status.retry_in is not None:
        label += f" in {max(0.0, status.since + status.retry_in - now):.1f} s"
    if status.attempt:
        label += f" · attempt {status.attempt}"
    return f'<span class="pill {quality}" role="status"><i></i>{escaped(label)}</span>'


class StatusPicture(Picture):
    """The status of a client, as it changes."""

    def __init__(self, client: BosBase) -> None:
        self.period = 0.25  # for the countdown; HTML that has not changed is not sent
        self._statuses: Observable[Status] = client.realtime.status
        self._url = client.base_url
        self._now = client.scheduler.wall_time  # the clock of `since`
        self._status = Status()

    def start(self, changed: Callable[[], None]) -> abc.DisposableBase:
        def take(status: Status) -> None:
            self._status = status
            changed()

        return self._statuses.subscribe(take)

    def html(self) -> str:
        status = self._status
        topics = f"{len(status.topics)} topic{'' if len(status.topics) == 1 else 's'}"
        error = (
            f'<div class="problem small">{escaped(error_text(status.error))}</div>'
            if status.error
            else ""
        )
        return (
            f'<section class="card" aria-label="Connection">{pill(status, self._now())} '
            f'<span class="muted">{escaped(self._url)} · {topics}</span>{error}</section>'
        )
