"""``python -m rxbosbase.cli``, for use when the console script is not on the path."""

from __future__ import annotations

from . import main

if __name__ == "__main__":
    main()
