"""The Panel component of all panes: shows HTML from Python, and sends clicks back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from rxbosbase._extras import missing_extra
from rxbosbase.encoding.narrowing import is_object

try:
    import panel as pn
    import param
except ModuleNotFoundError as missing:
    raise missing_extra("The dashboard", "dashboard") from missing

__all__ = ("STYLE", "Markup", "pn")

HERE = Path(__file__).parent
STYLE = (HERE / "style.css").read_text(encoding="utf-8")


class Markup(pn.custom.JSComponent):  # type: ignore[misc]  # Panel's class has no types
    """Shows `html`, which must be escaped, and calls `on_act` for each click and form."""

    html = param.String(default="")

    _esm = (HERE / "markup.js").read_text(encoding="utf-8")
    _stylesheets = [STYLE]  # noqa: RUF012  # Panel declares it so

    def __init__(self, on_act: Callable[[str, str, dict[str, str]], None], **params: Any) -> None:
        self._on_act = on_act
        super().__init__(**params)  # pyright: ignore[reportUnknownMemberType]

    def _handle_msg(self, data: Any) -> None:
        """Handle a message of the browser; ignore one that is not a dict."""
        if is_object(data):
            fields = data.get("fields")
            known = fields if is_object(fields) else {}
            self._on_act(
                str(data.get("act", "")),
                str(data.get("value", "")),
                {str(name): str(value) for name, value in known.items()},
            )
