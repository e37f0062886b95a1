"""Options that several commands share: the server's address, the query and the login."""

from __future__ import annotations

import os
from typing import Annotated

import typer

__all__ = (
    "DEFAULT_PASSWORD_ENV", "DEFAULT_URL", "AuthCollection", "Expand", "Fields", "Filter",
    "Identity", "PasswordEnv", "Url", "password_of",
)  # fmt: skip

DEFAULT_URL = "http://127.0.0.1:8090"
DEFAULT_PASSWORD_ENV = "RXBOSBASE_PASSWORD"

Url = Annotated[str, typer.Option(envvar="RXBOSBASE_URL", help="The server's address.")]
Filter = Annotated[
    str | None, typer.Option(help="Only records that match, as in: room = 'general'")
]
Expand = Annotated[str | None, typer.Option(help="Relations to expand: author,post.author")]
Fields = Annotated[str | None, typer.Option(help="Only these fields: id,title")]
Identity = Annotated[
    str | None, typer.Option(help="Log in: e-mail address or user name. Else as a guest.")
]
PasswordEnv = Annotated[
    str, typer.Option(metavar="NAME", help="The environment variable with the password.")
]
AuthCollection = Annotated[
    str, typer.Option(help="Where the identity is kept; _superusers for a superuser.")
]


def password_of(identity: str | None, variable: str) -> str:
    """Return the password from the environment variable; "" for a guest.

    Raises:
        typer.BadParameter: there is an identity and the variable is empty or missing.
    """
    password = os.environ.get(variable, "")
    if identity is not None and not password:
        raise typer.BadParameter(
            f"the environment variable {variable} holds no password for {identity}",
            param_hint="--password-env",
        )
    return password
