"""From a fresh interpreter to a zygote that is ready to fork: modules loaded, limits set, streams silenced.

What does not live here: serving requests (`zygote`).
"""

import gc
import importlib
import io
import json
import marshal
import os
import resource
import sys
from contextlib import suppress
from typing import Any, NoReturn

from . import kernel, leaf, surroundings, wire, zygote

REHEARSALS = 32
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


def _confinement(settings: dict[str, Any]) -> leaf.Confinement:
    for which, limit in ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_NOFILE, leaf.OPEN_FILES)):
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
    )


def _rehearse() -> None:
    """Run a program of our own as a leaf would, so that what leaves share is settled before they copy it.

    The interpreter rewrites code that it has seen some times, and fills caches; each page that a leaf changes is one
    that it must copy first.
    """
    main, null = sys.modules["__main__"], os.open(os.devnull, os.O_WRONLY)
    limits = tuple((which, resource.getrlimit(which)) for which in (resource.RLIMIT_CPU, resource.RLIMIT_AS))
    nothing = leaf.Confinement(kernel.SyscallFilter(b""), limits, own_session=False)  # the kernel takes no empty filter
    compiled = marshal.dumps(compile(REHEARSED, "<rehearsal>", "exec", 0, True))
    for turn in range(REHEARSALS):
        code, bytecode = (REHEARSED, b"") if turn % 2 else ("", compiled)
        task = wire.Task(
            nonce=bytes(wire.NONCE_BYTES),
            output_bytes=1 << 16,
            total_bytes=1 << 16,
            code=code,
            bytecode=bytecode,
            keep_bytecode=not bytecode,
            entry="main_solution",
            calls=[{"a": [3, 1, 2], "words": ["b", "a", "b"], "flag": True}, {"a": [], "words": []}],
            first=0,
            random_seed=turn,
            clock_s=None,
        )
        leaf.serve(marshal.dumps(tuple(task)), null)
        with suppress(OSError):
            leaf.confine(nothing, null, leaf.OPEN_FILES - 1)
    os.close(null)
    os.close(leaf.OPEN_FILES - 1)
    sys.modules["__main__"] = main
    del sys.modules[leaf.MODULE_NAME]


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


def main(arguments: list[str]) -> NoReturn:
    """Start from the command line: two descriptors and a JSON object of settings (see `workers`)."""
    commands, replies, settings = _take(int(arguments[0])), _take(int(arguments[1])), json.loads(arguments[2])
    _preload(settings["preload"])
    surroundings.take_entropy()
    os.environ.clear()
    sys.stdout = sys.__stdout__ = QuietText(io.FileIO(1, "w", closefd=False), line_buffering=True)
    stderr = QuietText(io.FileIO(2, "w", closefd=False), line_buffering=True)
    root = os.listdir("/")  # noqa: PTH208  (pathlib stays out of all leaves)
    facts = json.dumps({"pid": os.getpid(), "uid": os.getuid(), "root": root}).encode()
    _rehearse()
    limits = {"cpu_s": settings["cpu_s"], "wall_s": settings["wall_s"]}
    served = zygote.Zygote(commands, replies, _confinement(settings), **limits)
    gc.collect()
    gc.freeze()
    wire.write_all(replies, wire.REPLY.pack(wire.READY, len(facts)), facts)
    _silence()
    sys.stderr = sys.__stderr__ = stderr
    with suppress(EOFError, BrokenPipeError):
        served.serve()
    sys.exit(0)
