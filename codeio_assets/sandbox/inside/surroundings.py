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
from collections.abc import Callable
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

    __slots__ = ("_origin_ns", "_start_ns")

    def start(self, start_s: float) -> None:
        self._start_ns = int(start_s * 1e9)
        self.restart()

    def restart(self) -> None:
        self._origin_ns = _monotonic_ns()

    def elapsed_ns(self) -> int:
        return _monotonic_ns() - self._origin_ns

    def elapsed(self) -> float:
        return self.elapsed_ns() / 1e9

    def time_ns(self) -> int:
        return self._start_ns + self.elapsed_ns()

    def time(self) -> float:
        return self.time_ns() / 1e9


_clock = _Clock()


def set_clock(start_s: float) -> _Clock:
    """Start the clock that `time` and `datetime` show at a given second since the epoch."""
    _clock.start(start_s)
    for name, function in _TIME.items():
        setattr(time, name, function)
    datetime.date, datetime.datetime = _Date, _Datetime  # type: ignore[misc]
    return _clock


def _defaulting(name: str, arguments: int, default: Callable[[], Any]) -> Callable[..., Any]:
    """Return a function of `time` that takes the given moment, or else ours, as its last argument."""
    real = getattr(time, name)

    def patched(*given: Any) -> Any:
        if len(given) > arguments and given[arguments] is not None:
            return real(*given)
        return real(*given[:arguments], default())

    return patched


def _stand_ins() -> dict[str, Any]:
    functions: dict[str, Any] = {"time": _clock.time, "time_ns": _clock.time_ns}
    # A limit on CPU time makes the kernel's own figure step with the tick, and what depends on it look stable.
    functions |= {"process_time": _clock.elapsed, "process_time_ns": _clock.elapsed_ns}
    functions |= {name: _defaulting(name, 0, _clock.time) for name in ("localtime", "gmtime", "ctime")}
    local_time = functions["localtime"]
    functions |= {name: _defaulting(name, at, local_time) for name, at in (("asctime", 0), ("strftime", 1))}
    return functions


_TIME = _stand_ins()
_real_date, _real_datetime, _utc = datetime.date, datetime.datetime, datetime.UTC


class _DateKind(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, _real_date)


class _DatetimeKind(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, _real_datetime)


class _Date(_real_date, metaclass=_DateKind):
    @classmethod
    def today(cls) -> Any:
        return cls.fromtimestamp(_clock.time())


class _Datetime(_real_datetime, metaclass=_DatetimeKind):
    @classmethod
    def now(cls, tz: Any = None) -> Any:
        return cls.fromtimestamp(_clock.time(), tz)

    @classmethod
    def today(cls) -> Any:
        return cls.fromtimestamp(_clock.time())

    @classmethod
    def utcnow(cls) -> Any:
        return cls.fromtimestamp(_clock.time(), _utc).replace(tzinfo=None)

    def __repr__(self) -> str:
        return "datetime." + _real_datetime.__repr__(self)


for _stand_in, _name in ((_Date, "date"), (_Datetime, "datetime")):
    _stand_in.__module__, _stand_in.__name__, _stand_in.__qualname__ = "datetime", _name, _name
