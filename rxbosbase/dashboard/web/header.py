"""The top of the page: the connection, the login, and its form."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from rxbosbase.dashboard.pictures.status import StatusPicture, pill
from rxbosbase.dashboard.text import error_text, escaped

from .clients import Lease

__all__ = ("HeaderPicture", "LogIn")

LogIn = Callable[[str, str, str], None]
"""Called with collection, identity and password; must not block."""

LOGO = (
    '<svg viewBox="0 0 24 24" aria-hidden="true"><g fill="none" stroke="var(--accent)" '
    'stroke-width="2.2" stroke-linecap="round"><path d="M2 7c3.5 0 4.5 10 8 10s4.5-10 12-10"/>'
    '</g><circle cx="10" cy="17" r="2.6" fill="var(--create)"/>'
    '<circle cx="21" cy="7" r="2.6" fill="var(--update)"/></svg>'
)


class HeaderPicture(StatusPicture):
    """The status as a bar, with the login.

    Args:
        lease: the client of the page.
        hint: a line below the form, such as which users can log in.
    """

    def __init__(
        self, lease: Lease, log_in: LogIn, log_out: Callable[[], None], hint: str = ""
    ) -> None:
        super().__init__(lease.client)
        self._lease = lease
        self._log_in = log_in
        self._log_out = log_out
        self._hint = hint
        self._open = False
        self._busy = False
        self._refused = ""

    def open_form(self) -> None:
        """Open the login form. From any thread; it is shown with the next paint."""
        self._open = True

    def refuse(self, text: str) -> None:
        """Show why the login has failed."""
        self._busy, self._refused = False, text

    def act(self, act: str, value: str, fields: Mapping[str, str]) -> None:
        if act == "ask":
            self._open = not self._open
        elif act == "out":
            self._log_out()
        elif act == "login" and not self._busy:
            self._busy, self._refused = True, ""
            self._log_in(
                fields.get("collection", "").strip() or "users",
                fields.get("identity", "").strip(),
                fields.get("password", ""),
            )

    def html(self) -> str:
        status = self._status
        error = (
            f'<p class="problem small">{escaped(error_text(status.error))}</p>'
            if status.error
            else ""
        )
        return (
            '<header class="card"><div class="bar">'
            f'<div class="brand">{LOGO}<h1>rxbosbase</h1></div>{pill(status, time.time())}'
            f'<span class="muted grow">{escaped(self._url)}</span>{self._login_state()}'
            '<button type="button" data-key="theme" data-local="theme">Light / dark</button>'
            f"</div>{error}{self._notice()}{self._form()}</header>"
        )

    def _login_state(self) -> str:
        if self._lease.is_guest:
            pressed = str(self._open).lower()
            return (
                '<span class="muted">Guest</span><button type="button" data-key="ask" '
                f'data-act="ask" aria-expanded="{pressed}">Log in</button>'
            )
        lost = self._lease.is_revoked
        return (
            f"<span>{escaped(self._lease.name)}{': login lost' if lost else ''}</span>"
            '<button type="button" data-key="out" data-act="out">'
            f"{'Go on as a guest' if lost else 'Log out'}</button>"
        )

    def _notice(self) -> str:
        notice = self._lease.notice
        return f'<p class="problem small" role="alert">{escaped(notice)}</p>' if notice else ""

    def _form(self) -> str:
        if not self._open or not self._lease.is_guest:
            return ""
        error = f'<p class="problem" role="alert">{escaped(self._refused)}</p>'
        hint = f'<p class="muted small">{escaped(self._hint)}</p>'
        return (
            '<form class="row login" data-key="login" data-act="login">'
            '<label>Collection<input name="collection" value="users" data-key="l1"></label>'
            '<label>E-mail or user name<input name="identity" autocomplete="username" required '
            'data-key="l2"></label>'
            '<label>Password<input name="password" type="password" required '
            'autocomplete="current-password" data-key="l3"></label>'
            f'<button type="submit" class="main" data-key="l4">'
            f"{'Logging in…' if self._busy else 'Log in'}</button></form>"
            f"{error if self._refused else ''}{hint if self._hint else ''}"
        )
