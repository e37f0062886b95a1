"""For tools that look for this file, and for the project's addresses; the rest is in setup.cfg.

The addresses are those of the repository that a release is built in, so that a fork's release does
not send its users elsewhere: ``RXBOSBASE_REPOSITORY=https://…`` in the environment of the build.
Without it the package names none; `.ci/release` refuses to publish that.
"""

import os

from setuptools import setup

repository = os.environ.get("RXBOSBASE_REPOSITORY", "").rstrip("/")
PAGES = {
    "Source": "",
    "Documentation": "/tree/main/docs",
    "Changelog": "/blob/main/CHANGELOG.md",
    "Issues": "/issues",
    "Security": "/security/policy",
}

setup(project_urls={name: repository + path for name, path in PAGES.items()} if repository else {})
