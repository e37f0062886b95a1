"""Live views and event windows as pandas DataFrames. Needs ``pip install 'rxbosbase[notebook]'``.

`to_dataframe` is one snapshot as a frame. `live_frame`, `window` and `rate_frame` give objects
whose ``.df`` is always the current state: a frame of your own, never changed behind your back,
that may be read from any thread.

What becomes of a record's values:

======================================  ========================
numbers                                 ``Int64`` or ``float64``
bools                                   ``boolean``
the server's dates                      ``datetime64[ns, UTC]``
other text                              ``string``
what was asked for with `categories`    ``category``
lists, objects, a mixture               ``object``
======================================  ========================

A column's type is inferred once and kept. It only ever widens, when a value comes that does not
fit: ``Int64`` to ``float64`` for a fraction, dates to ``string`` for other text, all else to
``object``. Expanded relations become columns such as ``expand.author.name``.
"""

from __future__ import annotations

from .events import EventWindow, RateFrame, rate_frame, window
from .live import LiveFrame, live_frame, to_dataframe

__all__ = [
    "EventWindow",
    "LiveFrame",
    "RateFrame",
    "live_frame",
    "rate_frame",
    "to_dataframe",
    "window",
]
