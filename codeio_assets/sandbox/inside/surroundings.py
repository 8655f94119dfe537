"""Makes entropy and, if asked, the clock of a leaf depend on the request alone.

What lives here: seeding `random`, `numpy.random`, `os.urandom` and all that draws from them, and a clock that starts
at a given time. A program can undo all of it: this serves reproducible draws and safety from nobody.
What does not: the hash seed, which an interpreter takes only at its start.
"""

import _random
import builtins
import datetime
import os
import random
import sys
import time
from typing import Any

globals()["__builtins__"] = dict(vars(builtins))  # ours, whatever the program does to the real ones

NUMPY_SEED_BITS, INDEX_BITS = 32, 64

_entropy = random.Random()
_shared: Any = getattr(random, "_inst")  # noqa: B009  (private, and so by name)
_modules = sys.modules
_seed_by_integer = _random.Random.seed
_seed_any = random.Random.seed
_monotonic_ns = time.monotonic_ns


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


class _Clock:
    """Wall-clock time that starts at a given second and then runs as the monotonic clock does."""

    def __init__(self, start_s: float) -> None:
        self._start_ns = int(start_s * 1e9)
        self.restart()

    def restart(self) -> None:
        self._origin_ns = _monotonic_ns()

    def time_ns(self) -> int:
        return self._start_ns + _monotonic_ns() - self._origin_ns

    def time(self) -> float:
        return self.time_ns() / 1e9


def set_clock(start_s: float) -> _Clock:
    """Start the clock that `time` and `datetime` show at a given second since the epoch."""
    clock = _Clock(start_s)
    _patch_time(clock)
    _patch_datetime(clock)
    return clock


def _patch_time(clock: _Clock) -> None:
    time.time, time.time_ns = clock.time, clock.time_ns
    for name in ("localtime", "gmtime", "ctime"):
        _default_now(name, clock)
    local_time = time.localtime
    for name, arguments in (("asctime", 0), ("strftime", 1)):
        _default_local(name, arguments, local_time)


def _default_now(name: str, clock: _Clock) -> None:
    real = getattr(time, name)

    def patched(seconds: float | None = None, /) -> Any:
        return real(clock.time() if seconds is None else seconds)

    setattr(time, name, patched)


def _default_local(name: str, arguments: int, local_time: Any) -> None:
    real = getattr(time, name)

    def patched(*given: Any) -> Any:
        return real(*given) if len(given) > arguments else real(*given, local_time())

    setattr(time, name, patched)


def _patch_datetime(clock: _Clock) -> None:
    real_date, real_datetime = datetime.date, datetime.datetime

    class DateKind(type):
        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, real_date)

    class DatetimeKind(type):
        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, real_datetime)

    class date(real_date, metaclass=DateKind):  # noqa: N801  (stands in for the real one)
        @classmethod
        def today(cls) -> Any:
            return cls.fromtimestamp(clock.time())

    class datetime_(real_datetime, metaclass=DatetimeKind):  # noqa: N801
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return cls.fromtimestamp(clock.time(), tz)

        @classmethod
        def today(cls) -> Any:
            return cls.fromtimestamp(clock.time())

        @classmethod
        def utcnow(cls) -> Any:
            return cls.fromtimestamp(clock.time(), datetime.UTC).replace(tzinfo=None)

        def __repr__(self) -> str:
            return "datetime." + real_datetime.__repr__(self)

    for stand_in, name in ((date, "date"), (datetime_, "datetime")):
        stand_in.__module__, stand_in.__name__, stand_in.__qualname__ = "datetime", name, name
    datetime.date, datetime.datetime = date, datetime_  # type: ignore[misc]
