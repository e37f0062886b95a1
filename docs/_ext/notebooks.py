"""Show the notebooks as pages, with the output of a run from top to bottom.

A page names its notebook with ``{notebook}``.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from notebook_md import markdown
from sphinx.errors import ExtensionError
from sphinx.util import logging
from support.notebooks import executed

log = logging.getLogger(__name__)

DIRECTIVE = re.compile(r"^```\{notebook\} (?P<path>\S+)\n```$", re.M)


def show(app: Any, docname: str, source: list[str]) -> None:
    """Replace the directive in a page's source by the notebook."""
    page = Path(app.env.doc2path(docname))

    def whole(match: re.Match[str]) -> str:
        path = (page.parent / match["path"]).resolve()
        app.env.note_dependency(str(path))
        return markdown(run(path), path, page)

    source[0] = DIRECTIVE.sub(whole, source[0])


def run(path: Path) -> Any:
    """Return the notebook with its output."""
    log.info("running %s", path.name)
    try:
        return executed(path)
    except ModuleNotFoundError as missing:
        raise ExtensionError(
            f"{path.name} cannot be run: pip install '.[docs,demo,notebook]'", missing
        ) from missing


def setup(app: Any) -> dict[str, Any]:
    """Register the extension; Sphinx calls this."""
    app.connect("source-read", show)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
