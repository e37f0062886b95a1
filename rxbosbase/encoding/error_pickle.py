"""Pickles of exceptions whose ``__init__`` takes other arguments than `args`. Pure.

Python would call the class with `args`, which not each of them takes: a process that reads such a
pickle fails, and a `multiprocessing.Pool` waits without end.
"""

from __future__ import annotations

from typing import Any

__all__ = ("readable_pickle",)


def readable_pickle(kind: type[BaseException], as_python_does: Any) -> Any:
    """Return what ``__reduce__`` of an exception of this class returns, so that it can be read.

    Args:
        as_python_does: what ``super().__reduce__()`` returned.
    """
    _, args, *state = as_python_does
    return _made_again, (kind, args), *map(_without_unfit, state)


def _made_again(kind: type[BaseException], args: tuple[Any, ...]) -> BaseException:
    """Return an error made without its own ``__init__``; what that sets is in the pickle."""
    error = kind.__new__(kind, *args)
    built_in: Any = next(base for base in kind.__mro__ if base.__module__ == "builtins")
    built_in.__init__(error, *args)
    return error


def _without_unfit(state: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes, without an `original` that makes the pickle unreadable."""
    original = state.get("original")
    if original is None:
        return state
    import pickle  # 1 ms, and it is loaded already by whoever pickles

    try:
        pickle.loads(pickle.dumps(original))
    except Exception:
        return {**state, "original": None}
    return state
