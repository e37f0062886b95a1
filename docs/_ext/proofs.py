"""Link the name of a test in a page to its source, on a page for each file of tests."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx.util.osutil import relative_uri

log = logging.getLogger(__name__)

ROOT = Path(__file__).parents[2]
TEST = re.compile(r"test_\w+")
DEFINED = re.compile(r"^ *(?:async )?def (?P<name>test_\w+)", re.M)
LINE_OF_TEST = re.compile(r"(?P<before>^.*<span class=\"nf\">)(?P<name>test_\w+)(?=</span>)", re.M)


def defined() -> dict[str, Path]:
    """Return the file of each test."""
    files = sorted((ROOT / "tests").rglob("test_*.py"))
    return {
        match["name"]: file
        for file in files
        for match in DEFINED.finditer(file.read_text(encoding="utf-8"))
    }


def page_of(file: Path) -> str:
    """Return the name of the page with the source of this file."""
    return str(file.relative_to(ROOT).with_suffix(""))


class Link(SphinxPostTransform):
    """Replaces each name of a test by a link."""

    default_priority = 500
    formats = ("html",)

    def run(self, **_: Any) -> None:
        found = defined()
        shown: set[Path] = self.env.__dict__.setdefault("proofs_shown", set())
        for literal in list(self.document.findall(nodes.literal)):
            name = literal.astext()
            if not TEST.fullmatch(name):
                continue
            if name not in found:
                log.warning("there is no test %s", name, location=literal)
                continue
            shown.add(found[name])
            page = self.app.builder.get_target_uri(self.env.docname)
            source = self.app.builder.get_target_uri(page_of(found[name]))
            target = f"{relative_uri(page, source)}#{name}"
            link = nodes.reference("", "", refuri=target, classes=["proof"])
            literal.replace_self(link)
            link += literal


def pages(app: Any) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Yield a page with the source of each file of tests that a page names."""
    for file in sorted(app.env.__dict__.get("proofs_shown", ())):
        text = file.read_text(encoding="utf-8")
        shown = app.builder.highlighter.highlight_block(text, "python")
        anchored = LINE_OF_TEST.sub(r'\g<before><span id="\g<name>">\g<name></span>', shown)
        title = f"{page_of(file)}.py"
        body = f"<h1>{title}</h1>{anchored}"
        yield page_of(file), {"title": title, "body": body}, "page.html"


def setup(app: Any) -> dict[str, Any]:
    """Register the extension; Sphinx calls this."""
    app.add_post_transform(Link)
    app.connect("html-collect-pages", pages)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": False}
