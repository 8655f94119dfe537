"""Another machine, as far as a program can tell: what a stored pair must not depend on is different here.

What lives here: stand-ins for what Python says about machine, process, interpreter, file system and memory. Host name,
user, working directory, time zone, locale and variables are different from the start (`codeio_assets.sandbox.workers`),
and so is the depth of the stack (`stack`). What does not: the clock (`moved_clock`), seeds, the hash seed.
A program that asks the kernel past Python's own functions (posix, ctypes) sees the real machine.
"""

import _thread
import _tracemalloc
import builtins
import gc
import mmap
import os
import resource
import sys
import threading
import time
from collections import namedtuple
from collections.abc import Callable, Iterator
from typing import Any

from .moved_clock import MovedClock

PROCESSES, INODES = 5_000, 70_000
ADDRESSES = 0x5A5A5A0
LEAP_S = 1.7
CLOCK_TICK_S = 0.1
EXTRA_NAME = "elsewhere"
"""A file more in each directory that is not the program's own."""
SMALLEST_OBJECT, LARGEST_OBJECT, OBJECT_STEP = 16, 512, 16
BYTES_HEAD = 33
_MODULES = ("calendar", "colorsys", "sched", "this_is_elsewhere")

_kept: list[object] = []


def move(number: int, clock: MovedClock | None) -> None:
    """Make this process another machine; `number` tells such machines apart."""
    _shift_memory(number)
    _describe_machine()
    _describe_process()
    _describe_interpreter()
    _describe_memory()
    _describe_files(clock)


def _replace(module: Any, **functions: Callable[..., Any]) -> None:
    """Put stand-ins in the place of functions, and in the sets in which `os` tells what its functions can do."""
    for name, function in functions.items():
        real = getattr(module, name, None)
        if real is None:
            continue
        function.__name__ = function.__qualname__ = name
        for supported in (os.supports_fd, os.supports_dir_fd, os.supports_follow_symlinks):
            if real in supported:
                supported.add(function)
        setattr(module, name, function)


def _of_one(function: Callable[[Any], Any]) -> Callable[..., Any]:
    """Return a function of one argument as it is; it gives that a type."""
    return function


def _shift_memory(number: int) -> None:
    """Take some objects of each size, so that new ones lie elsewhere in their pool."""
    for place, size in enumerate(range(SMALLEST_OBJECT, LARGEST_OBJECT + 1, OBJECT_STEP)):
        _kept.extend(bytes(max(size - BYTES_HEAD, 2)) for _ in range(1 + (number * 5 + place) % 13))
    _kept.extend(object() for _ in range(3 + number * 5 % 11))


def _describe_machine() -> None:
    machine = os.uname()
    told = (machine.sysname, machine.nodename, "5.4.0-elsewhere", "#1 SMP", "riscv64")
    cpus = (os.cpu_count() or 1) + 5
    sysconf, affinity, times = os.sysconf, os.sched_getaffinity, os.times
    usage, limits = resource.getrusage, resource.getrlimit
    different = {
        os.sysconf_names[name]: value
        for name, value in (
            ("SC_NPROCESSORS_ONLN", cpus), ("SC_NPROCESSORS_CONF", cpus), ("SC_PAGE_SIZE", 1 << 16),
            ("SC_PAGESIZE", 1 << 16), ("SC_PHYS_PAGES", 99_991), ("SC_AVPHYS_PAGES", 77_773), ("SC_OPEN_MAX", 61),
        )
        if name in os.sysconf_names
    }  # fmt: skip

    def _sysconf(name: str | int, /) -> int:
        return different.get(os.sysconf_names.get(name, -1) if isinstance(name, str) else name, sysconf(name))

    def _usage(who: int, /) -> Any:
        user_s, system_s, peak_kib, *rest = usage(who)
        more = (each + 7 for each in rest)
        return resource.struct_rusage((user_s + LEAP_S, system_s + LEAP_S, peak_kib + 7_777, *more))

    _replace(
        os,
        uname=lambda: os.uname_result(told),
        cpu_count=lambda: cpus,
        sched_getaffinity=_of_one(lambda pid: affinity(pid) | set(range(cpus))),
        getloadavg=lambda: (7.7, 5.5, 3.3),
        sysconf=_sysconf,
        times=lambda: os.times_result(tuple(each + LEAP_S for each in times())),
    )
    _replace(resource, getpagesize=lambda: 1 << 16, getrusage=_usage)
    _replace(resource, getrlimit=_of_one(lambda which: tuple(max(limit - 1, -1) for limit in limits(which))))
    mmap.PAGESIZE = mmap.ALLOCATIONGRANULARITY = 1 << 16  # type: ignore[misc]


def _describe_process() -> None:
    pid, parent, native = os.getpid, os.getppid, _thread.get_native_id
    _replace(os, getpid=lambda: pid() + PROCESSES, getppid=lambda: parent() + PROCESSES)
    for module in (threading, _thread):
        _replace(module, get_native_id=lambda: native() + PROCESSES)


def _describe_interpreter() -> None:
    real_id, size, version, counts = builtins.id, sys.getsizeof, sys.version_info, gc.get_count
    kind: Any = namedtuple("version_info", version.__match_args__)  # pyright: ignore[reportUntypedNamedTuple]
    told = kind(version[0], version[1], version[2] + 90, *version[3:])
    sys.version = sys.version.replace(f".{version[2]} ", f".{told[2]} ", 1)
    sys.version_info = told  # type: ignore[misc]
    sys.hexversion += 90 << 8  # type: ignore[misc]
    sys.executable = sys.executable.replace("python", "elsewhere/python")
    sys.path.append(f"/{EXTRA_NAME}")
    sys.modules.update({name: type(sys)(name) for name in _MODULES if name not in sys.modules})
    _replace(builtins, id=_of_one(lambda thing: real_id(thing) + ADDRESSES))
    _replace(sys, getsizeof=lambda *arguments: size(*arguments) + 8)
    _replace(gc, get_count=lambda: tuple(each + 3 for each in counts()))


def _describe_memory() -> None:
    real: Any = _tracemalloc
    traced, own, traces = real.get_traced_memory, real.get_tracemalloc_memory, real._get_traces
    for module in (real, sys.modules.get("tracemalloc")):
        _replace(
            module,
            get_traced_memory=lambda: tuple(size and size + 888 for size in traced()),
            get_tracemalloc_memory=lambda: own() + 888,
            _get_traces=lambda: [(domain, size + 8, *rest) for domain, size, *rest in traces()],
        )


def _describe_files(clock: MovedClock | None) -> None:
    began_s, own = time.time() - CLOCK_TICK_S, os.getcwd()  # noqa: PTH109
    listdir, scandir, space, open_space = os.listdir, os.scandir, os.statvfs, os.fstatvfs
    realpath = os.path.realpath

    def is_own(path: Any) -> bool:
        return isinstance(path, int) or realpath(os.fsdecode(path)).startswith(own)

    def moved(real: Any) -> Any:
        """Return facts of a file as they would be had it been written under the clock of the program."""
        kind, (told, rest) = real.__reduce__()
        told, rest = list(told), dict(rest)
        told[1] += INODES
        for place, name in ((7, "st_atime"), (8, "st_mtime"), (9, "st_ctime")):
            if clock is not None and rest[name] >= began_s:
                rest[f"{name}_ns"] += clock.added_ns
                rest[name] = rest[f"{name}_ns"] / 1e9
                told[place] = int(rest[name])
        return kind(told, rest)

    def _listdir(path: Any = ".") -> list[Any]:
        extra = [] if is_own(path) else [os.fsencode(EXTRA_NAME) if isinstance(path, bytes) else EXTRA_NAME]
        return listdir(path)[::-1] + extra

    def _scandir(path: Any = ".") -> _Entries:
        return _Entries(scandir(path), moved)

    stat, lstat, fstat = os.stat, os.lstat, os.fstat
    _replace(
        os,
        listdir=_listdir,
        scandir=_scandir,
        stat=lambda *path, **how: moved(stat(*path, **how)),
        lstat=lambda *path, **how: moved(lstat(*path, **how)),
        fstat=_of_one(lambda number: moved(fstat(number))),
        statvfs=_of_one(lambda path: _roomier(space(path))),
        fstatvfs=_of_one(lambda number: _roomier(open_space(number))),
    )


def _roomier(real: Any) -> Any:
    return os.statvfs_result((*real[:2], *(each * 3 + 1 for each in real[2:8]), *real[8:]))


class _Entries:
    """What `os.scandir` gives, in another order and with other facts."""

    def __init__(self, entries: Any, moved: Callable[[Any], Any]) -> None:
        with entries:
            self._entries = iter([_Entry(entry, moved) for entry in entries][::-1])

    def __iter__(self) -> Iterator["_Entry"]:
        return self

    def __next__(self) -> "_Entry":
        return next(self._entries)

    def __enter__(self) -> "_Entries":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Nothing is left open."""


class _Entry:
    """A directory entry with the facts of a file as `moved` has them."""

    __slots__ = ("_entry", "_moved", "name", "path")

    def __init__(self, entry: Any, moved: Callable[[Any], Any]) -> None:
        self._entry, self._moved, self.name, self.path = entry, moved, entry.name, entry.path

    def __fspath__(self) -> Any:
        return self.path

    def __repr__(self) -> str:
        return f"<DirEntry {self.name!r}>"

    def __getattr__(self, name: str) -> Any:
        return getattr(self._entry, name)

    def inode(self) -> int:
        """Return the number of the file."""
        return self._entry.inode() + INODES

    def stat(self, *, follow_symlinks: bool = True) -> Any:
        """Return the facts of the file."""
        return self._moved(self._entry.stat(follow_symlinks=follow_symlinks))
