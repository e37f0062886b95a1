"""Live views and event windows as pandas DataFrames. Needs ``pip install 'rxbosbase[notebook]'``.

`to_dataframe` returns one snapshot as a frame. `live_frame`, `window` and `rate_frame` return
objects whose ``.df`` is the current state: a new frame on each read, which later changes do not
alter. It may be read from any thread.

The dtypes of a record's values:

======================================  ========================
numbers                                 ``Int64`` or ``float64``
bools                                   ``boolean``
the server's dates                      ``datetime64[ns, UTC]``
other text                              ``string``
the fields in `categories`              ``category``
lists, objects, a mixture               ``object``
======================================  ========================

A column's dtype is inferred once and kept. It only widens, for a value that does not fit:
``Int64`` to ``float64`` for a fraction, dates to ``string`` for other text, all else to
``object``. Expanded relations become columns such as ``expand.author.name``.
"""

from __future__ import annotations

from .events import EventWindow, RateFrame, rate_frame, window
from .live import LiveFrame, live_frame, to_dataframe

__all__ = (
    "EventWindow",
    "LiveFrame",
    "RateFrame",
    "live_frame",
    "rate_frame",
    "to_dataframe",
    "window",
)
