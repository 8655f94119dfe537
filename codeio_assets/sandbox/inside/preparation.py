"""From a fresh interpreter to a zygote that is ready to fork: modules loaded, limits set, streams silenced.

What does not live here: serving requests (`zygote`).
"""

import gc
import importlib
import io
import json
import os
import resource
import sys
from contextlib import suppress
from typing import NoReturn

from . import kernel, leaf, surroundings, wire, zygote


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


def _confinement(leaf_filter: str, processes: int) -> leaf.Confinement:
    for which, limit in ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_NOFILE, leaf.OPEN_FILES)):
        resource.setrlimit(which, (limit, limit))
    syscall_filter = kernel.SyscallFilter(bytes.fromhex(leaf_filter)) if leaf_filter else None
    return leaf.Confinement(syscall_filter, kernel.address_space_bytes(), processes, own_session=os.getpid() != 1)


def _silence() -> None:
    """Send all standard streams to nowhere, for the zygote and by inheritance for every leaf."""
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    os.close(null)


def main(arguments: list[str]) -> NoReturn:
    """Start from the command line: two descriptors and a JSON object of settings (see `workers`)."""
    commands, replies, settings = int(arguments[0]), int(arguments[1]), json.loads(arguments[2])
    _preload(settings["preload"])
    surroundings.take_entropy()
    os.environ.clear()
    sys.stdout = sys.__stdout__ = QuietText(io.FileIO(1, "w", closefd=False), line_buffering=True)
    stderr = QuietText(io.FileIO(2, "w", closefd=False), line_buffering=True)
    root = os.listdir("/")  # noqa: PTH208  (pathlib stays out of all leaves)
    facts = json.dumps({"pid": os.getpid(), "uid": os.getuid(), "root": root}).encode()
    served = zygote.Zygote(commands, replies, _confinement(settings["leaf_filter"], settings["processes"]))
    gc.collect()
    gc.freeze()
    wire.write_all(replies, wire.REPLY.pack(wire.READY, len(facts)), facts)
    _silence()
    sys.stderr = sys.__stderr__ = stderr
    with suppress(EOFError, BrokenPipeError):
        served.serve()
    sys.exit(0)
