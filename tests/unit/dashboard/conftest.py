"""Nothing here runs without Panel."""

from __future__ import annotations

import pytest

pytest.importorskip("panel", reason="needs pip install 'rxbosbase[dashboard]'")
