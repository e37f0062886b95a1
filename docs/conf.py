"""How the pages are built: ``python -m sphinx -W docs build/docs`` (extra ``docs``)."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "tests"), str(HERE / "_ext")]

project = "rxbosbase"
author = "The rxbosbase authors"
copyright = author
version = release = "0.1.0"

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "pictures",
    "notebooks",
    "complete",
    "proofs",
    "plain_text",
]
exclude_patterns = ["_ext", "build"]
root_doc = "index"

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

# Single backticks in docstrings name objects of ours, and anything else without complaint.
default_role = "py:obj"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_use_type_comments = False
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 80
napoleon_use_ivar = True
# Optional parts are read without what they need: their names and docstrings are all there.
autodoc_mock_imports = [
    name
    for name in ("bokeh", "IPython", "ipywidgets", "numpy", "pandas", "panel", "param", "pytest")
    if importlib.util.find_spec(name) is None
]

html_theme = "furo"
html_title = "rxbosbase"
html_static_path = ["_static"]
html_css_files = ["pictures.css", "notebooks.css"]
html_copy_source = False
html_show_sphinx = False
pygments_style = "friendly"
pygments_dark_style = "native"
