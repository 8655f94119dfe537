"""Makes entropy and, if asked, the clock of a leaf depend on the request alone.

What lives here: seeding `random`, `numpy.random`, `os.urandom` and all that draws from them, and clocks that leap ahead
each time that somebody looks and threads that oversleep, which show what depends on how long something takes. A program
can undo all of it: this serves reproducible draws and safety from nobody.
What does not: the time of day (`moved_clock`), other machines (`elsewhere`), and the hash seed, which an interpreter
takes only at its start.
"""

import _random
import _thread
import builtins
import os
import random
import sys
import time
from collections.abc import Callable
from typing import Any

globals()["__builtins__"] = dict(vars(builtins))  # ours, whatever the program does to the real ones

NUMPY_SEED_BITS, INDEX_BITS = 32, 64
OVERSLEEPERS, OVERSLEPT_S = 32, 0.003
"""How many sleeps of threads are prolonged, and how much longer each is than the next."""

_entropy = random.Random()
_shared: Any = getattr(random, "_inst")  # noqa: B009  (private, and so by name)
_modules = sys.modules
_seed_by_integer = _random.Random.seed
_seed_any = random.Random.seed


def _urandom(size: int) -> bytes:
    return _entropy.randbytes(size)


def _seed(self: random.Random, a: Any = None, version: int = 2) -> None:
    _seed_any(self, _entropy.getrandbits(64) if a is None else a, version)


def take_entropy() -> None:
    """Let everything that asks the system for entropy have it from our own generator.

    `secrets`, `uuid.uuid4`, `SystemRandom` and numpy's seedless generators all end at `random._urandom` or
    `os.urandom`; `random.Random()` ends at `Random.seed`.
    """
    os.urandom = _urandom
    if hasattr(os, "getrandom"):
        os.getrandom = lambda size, flags=0: _urandom(size)
    setattr(random, "_urandom", _urandom)  # noqa: B010  (private, and so by name)
    setattr(random.Random, "seed", _seed)  # noqa: B010
    random.seed = _shared.seed


def reseed(random_seed: int, index: int) -> None:
    """Set every generator to the state that belongs to one call or draw, by nothing that a program has patched."""
    _seed_by_integer(_entropy, (random_seed << INDEX_BITS) + index)
    _seed_by_integer(_shared, _entropy.getrandbits(64))
    _shared.gauss_next = None
    numpy_random = _modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed(_entropy.getrandbits(NUMPY_SEED_BITS))


class _Leaps:
    """Clocks that show passing time, and leap at each look; and how many threads have overslept."""

    __slots__ = ("leap_ns", "leapt_ns", "slept")

    def __init__(self) -> None:
        self.leap_ns = self.leapt_ns = self.slept = 0

    def ahead_ns(self) -> int:
        self.leapt_ns += self.leap_ns
        return self.leapt_ns


_leaps = _Leaps()


def leap(leap_s: float) -> None:
    """Let the clocks of passing time leap ahead at each look, by stand-ins: sleeping and waiting must not see it.

    Threads then oversleep, the first the longest: what depends on who wakes first shows each time, not by luck.
    """
    _leaps.leap_ns, _leaps.leapt_ns, _leaps.slept = int(leap_s * 1e9), 0, 0
    for name, function in _PASSING.items():
        setattr(time, name, function)
    main, real = _thread.get_ident(), time.sleep

    def sleep(seconds: float, /) -> None:
        if _thread.get_ident() != main and _leaps.slept < OVERSLEEPERS:
            _leaps.slept += 1
            seconds += OVERSLEPT_S * (OVERSLEEPERS - _leaps.slept)
        real(seconds)

    time.sleep = sleep


def _leaping(name: str) -> Callable[..., Any]:
    real = getattr(time, name)
    if name.endswith("_ns"):
        return lambda *clock: real(*clock) + _leaps.ahead_ns()
    return lambda *clock: real(*clock) + _leaps.ahead_ns() / 1e9


_PASSING = {name: _leaping(name) for name in ("monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns")}
