"""Recursion in a program ends where it would in a script run alone: what lies below the program does not count.

What lives here: the interpreter's own limit, kept relative to the frame that runs the program. A program that sets its
own has that. What does not: threads, whose stacks begin anew and so have a few frames more than they would elsewhere.
"""

import builtins
import sys
from types import FrameType

globals()["__builtins__"] = dict(vars(builtins))  # ours, whatever the program does to the real ones

_get_limit, _set_limit = sys.getrecursionlimit, sys.setrecursionlimit


class _Stack:
    """The limit that the program knows of, and how many frames are not its own."""

    __slots__ = ("below", "fewer", "limit")

    def __init__(self) -> None:
        self.limit, self.below, self.fewer = _get_limit(), 0, 0


_stack = _Stack()


def begin_at(frame: FrameType | None, depth: int) -> None:
    """Let what a frame calls next be at a depth of the program's own."""
    below = -depth - _stack.fewer
    while frame is not None:
        frame, below = frame.f_back, below + 1
    _stack.below = below
    _set_limit(_stack.limit + below)


def take_limit(*, fewer: int = 0) -> None:
    """Let programs see and set their own limit; with `fewer`, they have so many frames less than they think."""
    _stack.fewer = fewer
    sys.getrecursionlimit, sys.setrecursionlimit = _get, _set


def _get() -> int:
    return _stack.limit


def _set(limit: int, /) -> None:
    if not isinstance(limit, int) or limit < 1:  # pyright: ignore[reportUnnecessaryIsInstance]
        _set_limit(limit)  # which raises
    _set_limit(limit + max(_stack.below, 0))
    _stack.limit = limit


for _function, _name in ((_get, "getrecursionlimit"), (_set, "setrecursionlimit")):
    _function.__module__, _function.__name__, _function.__qualname__ = "sys", _name, _name
