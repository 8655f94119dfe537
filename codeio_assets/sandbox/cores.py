"""How many cores this process may use: those that it may run on, and no more than its control group's quota grants.

A container sees all cores of its node, and is stopped for the rest of each period once it has used its quota: workers
beyond it would only wait for each other, and their programs run into time limits.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from math import floor
from pathlib import Path

CGROUP = Path("/proc/self/cgroup")
MOUNT = Path("/sys/fs/cgroup")
_V1_FOLDERS = ("cpu,cpuacct", "cpu", "cpuacct,cpu")


def usable_cores(cgroup: Path = CGROUP, mount: Path = MOUNT) -> int:
    """Return how many cores this process may keep busy, at least 1."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cpu_quota(cgroup, mount)
    return cores if quota is None else max(1, min(cores, floor(quota)))


def cpu_quota(cgroup: Path = CGROUP, mount: Path = MOUNT) -> float | None:
    """Return the cores that the quotas of a process's control groups grant, the least of all; None without a quota.

    Args:
        cgroup: the file that names the groups of the process, as in `/proc/<pid>/cgroup`.
        mount: where control groups are mounted, of version 2 (`cpu.max`) or 1 (`cpu.cfs_quota_us`).
    """
    found: list[float] = []
    with suppress(OSError):
        for line in cgroup.read_text("utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            if not controllers:
                found += _quotas(mount, path, _of_v2)
            elif "cpu" in controllers.split(","):
                for folder in _V1_FOLDERS:
                    found += _quotas(mount / folder, path, _of_v1)
    return min(found, default=None)


def _quotas(mount: Path, path: str, read: Callable[[Path], float | None]) -> list[float]:
    """Return the quotas of a group and of those above it; in a container its own group is the mount itself."""
    own = mount / path.lstrip("/")
    groups = [own, *(parent for parent in own.parents if parent.is_relative_to(mount)), mount]
    found: list[float] = []
    for group in dict.fromkeys(groups):
        with suppress(OSError, ValueError, ZeroDivisionError):
            quota = read(group)
            found += [] if quota is None else [quota]
    return found


def _of_v2(group: Path) -> float | None:
    quota, period = (group / "cpu.max").read_text("ascii").split()
    return None if quota == "max" else int(quota) / int(period)


def _of_v1(group: Path) -> float | None:
    quota = int((group / "cpu.cfs_quota_us").read_text("ascii"))
    return None if quota <= 0 else quota / int((group / "cpu.cfs_period_us").read_text("ascii"))
