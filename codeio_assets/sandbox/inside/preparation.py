"""From a fresh interpreter to a zygote that is ready to fork: modules loaded, limits set, streams silenced.

What does not live here: serving requests (`zygote`).
"""

import builtins
import gc
import importlib
import io
import json
import marshal
import os
import resource
import sys
import time
from _sitebuiltins import Quitter, _Helper  # pyright: ignore[reportPrivateUsage]
from contextlib import suppress
from typing import Any, NoReturn

from . import kernel, leaf, stack, surroundings, wire, zygote
from .moved_clock import MovedClock

REHEARSALS = 32
FEWER_FRAMES = 37
"""What programs have less of the stack elsewhere, so that a result at the limit of recursion shows."""
REHEARSED = """
import math
import random
from collections import defaultdict
from typing import Dict, List, Optional

LIMIT = 10

class Node:
    def __init__(self, value, children=None):
        self.value, self.children = value, children or []

    def total(self) -> int:
        return self.value + sum(child.total() for child in self.children)

def count(words: List[str]) -> Dict[str, int]:
    found = defaultdict(int)
    for word in words:
        found[word.strip().lower()] += 1
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))

def main_solution(a, words, flag: Optional[bool] = None):
    grid = [[0] * 3 for _ in range(3)]
    for i in range(3):
        for j, item in enumerate(a):
            if i != j and isinstance(item, int):
                grid[i][min(j, 2)] = max(item, grid[i][j - 1]) % LIMIT
    try:
        a[10]
    except IndexError as error:
        problem = f"{type(error).__name__}: {len(a)}"
    if flag is None:
        raise ValueError(problem)
    tree = Node(1, [Node(2), Node(3)])
    return {"grid": grid, "root": round(math.sqrt(sum(a)), 2), "words": count(words), "tree": tree.total(),
            "problem": problem, "parts": (words[0][::-1], set(a) == {1}, None, 1.5, "".join(words).split(","))}
"""
"""A program with what programs usually do."""


class QuietText(io.TextIOWrapper):
    """A standard stream whose text goes nowhere, and without being encoded first."""

    def write(self, text: str, /) -> int:
        """Take text and forget it."""
        if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        return len(text)


def _preload(names: list[str]) -> None:
    for name in names:
        with suppress(ImportError):
            importlib.import_module(name)


def _confinement(settings: dict[str, Any], clock: MovedClock | None) -> leaf.Confinement:
    open_files = leaf.OPEN_FILES - settings["elsewhere"]
    for which, limit in ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_NOFILE, open_files)):
        resource.setrlimit(which, (limit, limit))
    leaf_filter = bytes.fromhex(settings["leaf_filter"])
    own_session = os.getpid() != 1
    limits = {
        resource.RLIMIT_CPU: int(settings["cpu_s"]) + 2,  # a backstop behind the zygote, which watches the CPU clock
        resource.RLIMIT_AS: kernel.address_space_bytes() + settings["memory_bytes"],
        resource.RLIMIT_FSIZE: settings["file_bytes"],
    }
    if not own_session:  # outside a user namespace all processes of this user would count
        limits[resource.RLIMIT_NPROC] = settings["processes"]
    return leaf.Confinement(
        syscall_filter=kernel.SyscallFilter(leaf_filter) if leaf_filter else None,
        limits=tuple((which, (limit, limit)) for which, limit in limits.items()),
        own_session=own_session,
        clock=clock,
    )


def _rehearse() -> None:
    """Run a program of our own as a leaf would, so that what leaves share is settled before they copy it.

    The interpreter rewrites code that it has seen some times, and fills caches; each page that a leaf changes is one
    that it must copy first.
    """
    main, null = sys.modules["__main__"], os.open(os.devnull, os.O_WRONLY)
    limits = tuple((which, resource.getrlimit(which)) for which in (resource.RLIMIT_CPU, resource.RLIMIT_AS))
    nothing = leaf.Confinement(
        kernel.SyscallFilter(b""), limits, own_session=False, clock=None
    )  # the kernel takes no empty filter
    compiled = marshal.dumps(compile(REHEARSED, "<rehearsal>", "exec", 0, True))
    for turn in range(REHEARSALS):
        bytecode = b"" if turn % 2 else compiled
        task = wire.Task(
            nonce=bytes(wire.NONCE_BYTES),
            output_bytes=1 << 16,
            total_bytes=1 << 16,
            code=REHEARSED,
            bytecode=bytecode,
            keep_bytecode=not bytecode,
            entry="main_solution",
            calls=[{"a": [3, 1, 2], "words": ["b", "a", "b"], "flag": True}, {"a": [], "words": []}],
            first=0,
            random_seed=turn,
            clock_s=None,
            clock_leap_s=0.0,
        )
        leaf.serve(marshal.dumps(tuple(task)), null, None)
        with suppress(OSError):
            leaf.confine(nothing, null, leaf.OPEN_FILES - 1)
    os.close(null)
    os.close(leaf.OPEN_FILES - 1)
    sys.modules["__main__"] = main
    del sys.modules[leaf.MODULE_NAME]


def _is_isolated(scratch: str) -> bool:
    """Tell whether we are where we think, before anything is changed; if not, the host hears of it and ends us."""
    return os.getpid() == 1 and os.getcwd() == scratch and not os.listdir()  # noqa: PTH109, PTH208


def _become(user: int, shown: int) -> None:
    """Give up being root, for good, and show programs the user number that they find everywhere."""
    os.chown(os.getcwd(), user, user)  # noqa: PTH109  (pathlib stays out of all leaves)
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
    for name in ("getuid", "geteuid", "getgid", "getegid"):
        setattr(os, name, lambda: shown)
    os.getresuid = os.getresgid = lambda: (shown, shown, shown)


def _moved_clock() -> MovedClock | None:
    try:
        return MovedClock()
    except OSError:  # the host refuses what needs it
        return None


def _be_a_script(settings: dict[str, Any]) -> None:
    """Show programs what a script sees that is run alone: its name, its arguments, some variables, `exit`."""
    name = f"{os.getcwd()}/{leaf.MODULE_NAME}.py"  # noqa: PTH109  (pathlib stays out of all leaves)
    sys.argv, sys.orig_argv = [name], [sys.executable, name]
    os.environ.clear()
    os.environ.update({"HOME": os.getcwd(), **settings["variables"]})  # noqa: PTH109
    if settings["zone"]:
        os.putenv("TZ", settings["zone"])
        time.tzset()
    builtins.exit, builtins.quit = Quitter("exit", "Ctrl-D (i.e. EOF)"), Quitter("quit", "Ctrl-D (i.e. EOF)")
    builtins.help = _Helper()


def _user_number() -> int:
    """Return who we really are, whatever programs are shown."""
    import posix

    return posix.getuid()


def _silence() -> None:
    """Send all standard streams to nowhere, for the zygote and by inheritance for every leaf."""
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    os.close(null)


def _take(descriptor: int) -> int:
    """Return an inherited descriptor under the lowest free number.

    It has the number that it had in the host, which may be any, and a leaf closes the numbers below `OPEN_FILES`.
    """
    taken = os.dup(descriptor)
    os.close(descriptor)
    return taken


_other: dict[str, Any] = {}


def bring(arguments: list[str]) -> None:
    """Import what only some workers need, while this package can still be found (see `start`)."""
    if json.loads(arguments[-1])["elsewhere"]:
        from . import elsewhere, identity

        _other.update(elsewhere=elsewhere, identity=identity)


def main(arguments: list[str]) -> NoReturn:
    """Start from the command line: two descriptors and a JSON object of settings (see `workers`)."""
    commands, replies, settings = _take(int(arguments[0])), _take(int(arguments[1])), json.loads(arguments[2])
    if settings["become"] is not None and _is_isolated(settings["scratch"]):
        _become(settings["become"], settings["user"])
    clock = _moved_clock()
    if settings["elsewhere"]:
        _other["identity"].scatter()
    _preload(settings["preload"])
    surroundings.take_entropy()
    _be_a_script(settings)
    sys.stdout = sys.__stdout__ = QuietText(io.FileIO(1, "w", closefd=False), line_buffering=True)
    stderr = QuietText(io.FileIO(2, "w", closefd=False), line_buffering=True)
    root = os.listdir("/")  # noqa: PTH208  (pathlib stays out of all leaves)
    facts = json.dumps({"pid": os.getpid(), "uid": _user_number(), "root": root, "clock": clock is not None}).encode()
    stack.take_limit(fewer=FEWER_FRAMES * settings["elsewhere"])
    if settings["elsewhere"]:
        _other["elsewhere"].move(settings["number"], clock)
    _rehearse()
    limits = {"cpu_s": settings["cpu_s"], "wall_s": settings["wall_s"]}
    served = zygote.Zygote(commands, replies, _confinement(settings, clock), **limits)
    gc.collect()
    gc.freeze()
    wire.write_all(replies, wire.REPLY.pack(wire.READY, len(facts)), facts)
    _silence()
    sys.stderr = sys.__stderr__ = stderr
    with suppress(EOFError, BrokenPipeError):
        served.serve()
    sys.exit(0)
