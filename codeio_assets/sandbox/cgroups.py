"""Limits on a worker with all it starts, where this machine lets us have groups of control (cgroup v2).

The limits of a call are those of one process (`resource`); a group adds what only the kernel can add up: memory in
files, pipes and page tables, and all processes and threads. What lives here: finding a place for groups, making and
removing one. What does not: the limits of one call (`inside.preparation`). Source: the kernel's admin-guide/cgroup-v2;
a group that holds processes can have no limited ones below it, so that the place is beside our own group where ours is
no root.
"""

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from codeio_assets.sandbox.contract import Limits

ROOT = Path("/sys/fs/cgroup")
CONTROLLERS = {"memory", "pids"}
WORKER_MIB = 512
"""What a worker may have beside its call: the interpreter with the heaviest modules, and bubblewrap."""
WORKER_PROCESSES = 8
PREFIX = "codeio-"
REMOVING_S = 1.0
JOIN = ("/bin/sh", "-c", 'echo $$ > "$0" && exec "$@"')
"""Puts a process into the group whose list of processes is the first argument, before it becomes the rest."""
_numbers = count()


@dataclass(frozen=True, slots=True)
class Group:
    """One worker's group."""

    path: Path

    def joining(self, line: list[str]) -> list[str]:
        """Return a command line that joins the group first."""
        return [*JOIN, str(self.path / "cgroup.procs"), *line]

    def ran_out_of_memory(self) -> bool:
        """Tell whether the kernel has ended a process because the group had no memory left."""
        try:
            events = (self.path / "memory.events").read_text().split()
        except OSError:
            return False
        counts = dict(zip(events[::2], events[1::2], strict=True))
        return counts.get("oom_kill", "0") != "0"

    def remove(self) -> None:
        """Remove the group, whose processes are at their end."""
        last_s = time.monotonic() + REMOVING_S
        while True:
            try:
                self.path.rmdir()
            except FileNotFoundError:
                return
            except OSError:
                if time.monotonic() > last_s:  # the next sandbox removes it
                    return
                time.sleep(0.01)
            else:
                return


def place(root: Path = ROOT, own: Path = Path("/proc/self/cgroup")) -> Path | str:
    """Return where groups can be made, or in words why nowhere."""
    if not (root / "cgroup.controllers").is_file():
        return "this machine has no cgroup v2"
    try:
        name = next(line[3:] for line in own.read_text().splitlines() if line.startswith("0::"))
    except (OSError, StopIteration):
        return "the group of this process is not known"
    ours = root / name.lstrip("/")
    for folder in dict.fromkeys((ours, ours.parent if ours != root else root)):
        if _can_hold_groups(folder):
            return folder
    return f"neither {ours} nor the group above it is delegated to this user (systemd: `Delegate=yes`)"


def _can_hold_groups(folder: Path) -> bool:
    try:
        enabled = set((folder / "cgroup.subtree_control").read_text().split())
    except OSError:
        return False
    return enabled >= CONTROLLERS and all(os.access(each, os.W_OK) for each in (folder, folder / "cgroup.procs"))


def make(folder: Path, limits: Limits) -> Group | None:
    """Make a group with the limits of one worker, None where the kernel refuses after all."""
    path = folder / f"{PREFIX}{os.getpid()}-{next(_numbers)}"
    memory_bytes = (limits.memory_mib + limits.scratch_mib + WORKER_MIB) << 20
    try:
        path.mkdir()
        (path / "memory.max").write_text(str(memory_bytes))
        (path / "pids.max").write_text(str(limits.processes + WORKER_PROCESSES))
        with suppress(OSError):  # a kernel without swap accounting
            (path / "memory.swap.max").write_text("0")
    except OSError:
        Group(path).remove()
        return None
    return Group(path)


def remove_left(folder: Path) -> None:
    """Remove groups of ours that nothing is in any more: their host ended without doing so."""
    for path in folder.glob(f"{PREFIX}*"):
        with suppress(OSError):
            path.rmdir()
