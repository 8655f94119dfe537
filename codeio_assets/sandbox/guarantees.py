"""What the sandbox guarantees, and which of it this machine gives, found by trying.

What lives here: the list that `codeio check-isolation` prints. What does not: what is guaranteed nowhere (the
docstring of `codeio_assets.sandbox`).
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from codeio_assets.sandbox import bubblewrap, cgroups
from codeio_assets.sandbox.contract import Job, Limits, Outcome, SandboxUnavailable, Variant
from codeio_assets.sandbox.pool import WorkerPool
from codeio_assets.sandbox.workers import WorkerKey

THREADS = 4
LIMITS = Limits(cpu_s=2.0, wall_s=1.0, memory_mib=128, processes=THREADS)
PATIENT = replace(LIMITS, cpu_s=30.0, wall_s=60.0)
"""For the start of a container, when a machine that is busy must not look like one that does not isolate."""
ADDRESSES = Path("/proc/sys/kernel/randomize_va_space")
PROBES: dict[str, tuple[str, str]] = {
    "no network, no host files, no other process, no environment": (
        """
import os
def main_solution():
    import socket
    try:
        socket.socket()
    except PermissionError:
        return sorted(set(os.listdir("/")) - {"dev", "lib", "lib32", "lib64", "libx32", "sandbox", "tmp", "usr"})
""",
        "[]",
    ),
    "no new process, no signal": (
        """
import os
def main_solution():
    refused = 0
    for attempt in (os.fork, lambda: os.kill(1, 0)):
        try:
            attempt()
        except PermissionError:
            refused += 1
    return refused
""",
        "2",
    ),
    "limits on memory, files and threads of a call": (
        """
import threading, time
def main_solution():
    held = []
    try:
        held.append(bytes(1 << 30))
    except MemoryError:
        held.append("memory")
    try:
        open("x", "wb").write(bytes(64 << 20))
    except OSError:
        held.append("files")
    threads = []
    try:
        for _ in range(40):
            threads.append(threading.Thread(target=time.sleep, args=(0.2,)))
            threads[-1].start()
    except RuntimeError:
        held.append("threads")
    return held
""",
        '["memory","files","threads"]',
    ),
    "devices keep no state: locks, flags and times are a call's own": (
        """
import fcntl, os
def main_solution():
    fcntl.flock(0, fcntl.LOCK_EX)
    fcntl.fcntl(0, fcntl.F_SETFL, os.O_NONBLOCK)
    try:
        os.utime("/dev/null", (1, 1))
    except PermissionError:
        return "kept"
""",
        '"kept"',
    ),
    "the clock is set below Python": ("import time\ndef main_solution(): return int(time.time())", "1000000000"),
    "pairs are confirmed on what looks like another machine": (
        "import os, sys\ndef main_solution(): return [os.getcwd(), os.uname().machine, hash(int) == id(int) >> 4]",
        '["/work","riscv64",false]',
    ),
}
"""Programs, and what each returns where the guarantee holds."""
VARIANT = Variant(clock_s=1e9)
AS_USER = "workers run as a user without rights on this machine"
REQUIRED = {*PROBES, AS_USER}
"""What a container has to give before it takes work."""
OTHERWISE = "pairs are confirmed on what looks like another machine"


@dataclass(frozen=True, slots=True)
class Guarantee:
    """One guarantee, whether this machine gives it, and if not why."""

    name: str
    holds: bool
    detail: str = ""


def check(limits: Limits = LIMITS) -> Iterator[Guarantee]:
    """Try each guarantee, and yield what came of it.

    Raises:
        SandboxUnavailable: there is no sandbox at all; the message says what to do.
    """
    with WorkerPool(limits, 1, "bubblewrap") as sandbox:
        sandbox.warm(WorkerKey("light", 0))
        for name, (code, right) in PROBES.items():
            variant = Variant(1, 1, 1e9, 1.7, elsewhere=True) if name == OTHERWISE else VARIANT
            yield _tried(name, right, lambda job: sandbox.run(job)[0], Job("", code, calls=["{}"], variant=variant))
    yield _user()
    place = cgroups.place()
    yield Guarantee("memory and processes of a worker are limited together", isinstance(place, Path), str(place))
    yield _addresses()


def refusal() -> str | None:
    """Return in one line why untrusted code must not run here, None where it may.

    Memory and processes of a worker limited together, and other addresses in each, are told by `check` and asked of no
    machine: most containers cannot give the first, and the second guards against nothing by itself.
    """
    try:
        found = [guarantee for guarantee in check(PATIENT) if guarantee.name in REQUIRED]
    except SandboxUnavailable as reason:
        return str(reason)
    lost = next((guarantee for guarantee in found if not guarantee.holds), None)
    if lost is None:
        return None
    remedy = "; set `runAsNonRoot: true` and a `runAsUser`" if lost.name == AS_USER else ""
    return f"the sandbox does not hold here: not given is {lost.name!r} ({lost.detail}){remedy}"


def _tried(name: str, right: str, run: Callable[[Job], Outcome], job: Job) -> Guarantee:
    try:
        outcome = run(job)
    except SandboxUnavailable as reason:
        return Guarantee(name, holds=False, detail=str(reason))
    told = outcome.value_json or outcome.error_type or outcome.message or outcome.status
    return Guarantee(name, outcome.value_json == right, "" if outcome.value_json == right else f"a program got {told}")


def _user() -> Guarantee:
    name = AS_USER
    if os.geteuid() != 0:
        return Guarantee(name, holds=True, detail=f"user {os.getuid()}, ours")
    if bubblewrap.host_user() is not None:
        return Guarantee(name, holds=True, detail="a user of its own for each")
    return Guarantee(name, holds=False, detail="we are root in a container that cannot give its processes other users")


def _addresses() -> Guarantee:
    name = "memory lies at another address in each worker"
    setting = ADDRESSES.read_text().strip() if ADDRESSES.is_file() else "unknown"
    return Guarantee(name, setting == "2", f"kernel.randomize_va_space is {setting}")
