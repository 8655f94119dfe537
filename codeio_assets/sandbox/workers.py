"""One worker: a zygote process, with or without bubblewrap around it, and the pipes to it.

What does not live here: how many there are and what happens when one dies (`pool`).
"""

import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from codeio_assets.sandbox import bubblewrap, cgroups, seccomp
from codeio_assets.sandbox.contract import Limits, SandboxUnavailable
from codeio_assets.sandbox.interpreters import Interpreter
from codeio_assets.sandbox.places import ELSEWHERE, HERE, Place
from codeio_assets.sandbox.preloading import preloads
from codeio_assets.sandbox.protocol import MEBIBYTE, Channel, Ending, Request, WorkerDied

START_S = 60.0
TELLING_S = 10.0
COMPLAINT_CHARACTERS = 2000
_PYTHON_FLAGS = ("-s", "-S", "-P", "-B", "-W", "ignore")

IsolationName = Literal["bubblewrap", "none"]
Process = subprocess.Popen[bytes]

Launch = Callable[[Callable[[], Process]], Process]
"""Calls a function in the thread that lives as long as the sandbox: bubblewrap dies with the thread that started it."""


@dataclass(frozen=True, slots=True)
class WorkerKey:
    """What tells workers apart: the modules they have loaded, their hash seed, and which machine they pretend to be."""

    kind: str
    hash_seed: int
    elsewhere: bool = False

    @property
    def place(self) -> Place:
        """What programs find around them."""
        return ELSEWHERE if self.elsewhere else HERE


class Worker:
    """A running zygote."""

    def __init__(
        self,
        process: Process,
        channel: Channel,
        complaints: IO[bytes],
        scratch: Path | None,
        *,
        zygote: int | None = None,
        group: cgroups.Group | None = None,
    ) -> None:
        self._process, self._channel, self._complaints, self._scratch = process, channel, complaints, scratch
        self.moves_clock = False
        self._group = group
        self._zygote = zygote
        """A descriptor of the process that is another user's, and so does not end with bubblewrap."""

    @property
    def pid(self) -> int:
        """Process id on the host: bubblewrap's, if there is one."""
        return self._process.pid

    def check_ready(self, user: int, *, isolated: bool) -> None:
        """Wait until the zygote is ready, and believe in its isolation only if it looks like it.

        Raises:
            WorkerDied: it is not; the message has what it said on stderr.
        """
        try:
            facts = self._channel.read_facts(START_S)
        except WorkerDied as death:
            complaint = self._complaint()
            self.stop()
            raise WorkerDied(complaint or str(death)) from None
        self.moves_clock = facts.get("clock") is True
        root = facts.get("root")
        if isolated and not (
            (facts.get("pid"), facts.get("uid")) == (1, user)
            and isinstance(root, list)
            and bubblewrap.ROOT_ENTRIES.issuperset(root)  # pyright: ignore[reportUnknownArgumentType]
        ):
            self.stop()
            raise WorkerDied(f"the worker runs, and is not isolated: {facts}")

    def exchange(self, request: Request) -> tuple[bytes, Ending]:
        """Have a leaf serve the request; return its bytes and its ending.

        Raises:
            WorkerDied: the worker died or broke the protocol.
        """
        return self._channel.exchange(request)

    def ran_out_of_memory(self) -> bool:
        """Tell whether the kernel ended something of it for the memory of all together."""
        return self._group is not None and self._group.ran_out_of_memory()

    def kill(self) -> None:
        """End the process while another thread talks to it; that thread sees it gone, and stops it."""
        if self._zygote is not None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._zygote, signal.SIGKILL)
        self._process.kill()

    def ask_to_stop(self) -> None:
        """Let the zygote end by itself; `stop` then finds it gone."""
        self._channel.close_commands()

    def stop(self, patience_s: float = 0.0) -> None:
        """End the process, after some patience by force, and remove what it left."""
        self._channel.close_commands()
        try:
            self._process.wait(patience_s)
        except subprocess.TimeoutExpired:
            self.kill()
            self._process.wait()
        if self._zygote is not None:
            os.close(self._zygote)
            self._zygote = None
        self._channel.close()
        self._complaints.close()
        if self._group is not None:
            self._group.remove()
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)

    def _complaint(self) -> str:
        self._complaints.seek(0)
        return self._complaints.read().decode(errors="replace").strip()[-COMPLAINT_CHARACTERS:]


@dataclass(frozen=True, slots=True)
class _Walls:
    """What is around an isolated worker; nothing but the interpreter is there without isolation."""

    python: Interpreter
    bwrap: str = ""
    syscall_filter: int | None = None
    user: int | None = None
    told: int | None = None
    telling: int | None = None
    group: cgroups.Group | None = None

    def around(self, line: list[str], key: WorkerKey, limits: Limits) -> list[str]:
        """Return the command line that runs another one behind the walls."""
        if self.syscall_filter is None:
            return line
        bubblewrapped = bubblewrap.command(
            self.bwrap,
            key.place,
            self.python,
            scratch_bytes=limits.scratch_mib * MEBIBYTE,
            hash_seed=key.hash_seed,
            filter_descriptor=self.syscall_filter,
            host_user=self.user,
            info_descriptor=self.telling,
        )
        line = [*bubblewrapped, *line]
        return line if self.group is None else self.group.joining(line)


def start_worker(
    isolation: IsolationName,
    key: WorkerKey,
    limits: Limits,
    python: Interpreter,
    *,
    launch: Launch,
    groups: Path | None = None,
) -> Worker:
    """Start a worker and wait until it is ready, in a control group of its own if there is a place for `groups`.

    Raises:
        SandboxUnavailable: it does not become ready; the message says what to do.
    """
    if isolation == "none":
        return _start(key, limits, launch, _Walls(python))
    bwrap = bubblewrap.find_bubblewrap()
    try:
        return _start(key, limits, launch, _build_walls(bwrap, limits, python, groups))
    except WorkerDied as death:
        raise bubblewrap.explain_failure(bwrap, python, str(death)) from None


def _build_walls(bwrap: str, limits: Limits, python: Interpreter, groups: Path | None) -> _Walls:
    user = bubblewrap.host_user()
    told, telling = os.pipe() if user is not None else (None, None)
    group = cgroups.make(groups, limits) if groups is not None else None
    return _Walls(python, bwrap, _in_memory(seccomp.zygote_filter()), user, told, telling, group)


def _start(key: WorkerKey, limits: Limits, launch: Launch, walls: _Walls) -> Worker:
    isolated = walls.syscall_filter is not None
    theirs, commands = os.pipe()
    replies, theirs_too = os.pipe()
    passed = [each for each in (theirs, theirs_too, walls.syscall_filter, walls.telling) if each is not None]
    scratch = None if isolated else Path(tempfile.mkdtemp(prefix="codeio-scratch-"))
    line = walls.around(_python_line(key, limits, theirs, theirs_too, walls), key, limits)
    complaints = tempfile.TemporaryFile()  # noqa: SIM115  (lives as long as the worker)
    environment = {} if isolated else bubblewrap.environment(key.place, key.hash_seed)
    try:
        process = launch(
            lambda: subprocess.Popen(
                line,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=complaints,
                pass_fds=passed,
                env=environment,
                cwd=scratch or "/",
                start_new_session=True,  # a Ctrl-C at the terminal is ours to answer
            )
        )
    except (OSError, SandboxUnavailable) as error:
        for descriptor in (commands, replies, walls.told):
            if descriptor is not None:
                os.close(descriptor)
        complaints.close()
        raise SandboxUnavailable(f"no worker could be started: {error}") from None
    finally:
        for descriptor in passed:
            os.close(descriptor)
    zygote = _process_told_of(walls.told) if walls.told is not None else None
    worker = Worker(process, Channel(commands, replies), complaints, scratch, zygote=zygote, group=walls.group)
    worker.check_ready(key.place.user if walls.user is None else walls.user, isolated=isolated)
    return worker


def _process_told_of(told: int) -> int | None:
    """Return a descriptor of the process that bubblewrap started, None where it told of none."""
    with os.fdopen(told, "rb") as file, suppress(ValueError, KeyError, OSError):
        said = b""
        while not said.endswith(b"}\n") and select.select([file], [], [], TELLING_S)[0]:
            part = os.read(told, 1 << 10)
            if not part:
                break
            said += part
        return os.pidfd_open(json.loads(said)["child-pid"])
    return None


def _python_line(key: WorkerKey, limits: Limits, commands: int, replies: int, walls: _Walls) -> list[str]:
    place, isolated = key.place, walls.syscall_filter is not None
    settings = {
        "elsewhere": key.elsewhere,
        "number": key.hash_seed,
        "variables": place.variables,
        "zone": place.zone,
        "user": place.user,
        "scratch": place.scratch,
        "become": walls.user,
        "preload": preloads(key.kind),
        "leaf_filter": seccomp.leaf_filter().hex() if isolated else "",
        "cpu_s": limits.cpu_s,
        "wall_s": limits.wall_s,
        "memory_bytes": limits.memory_mib * MEBIBYTE,
        "file_bytes": limits.scratch_mib * MEBIBYTE,
        "processes": limits.processes,
    }
    inside = bubblewrap.INSIDE if isolated else str(Path(__file__).with_name("inside"))
    site_packages = bubblewrap.SITE_PACKAGES if isolated else str(walls.python.packages)
    start = f"{inside}/start.py"
    arguments = [site_packages, str(commands), str(replies), json.dumps(settings)]
    python = bubblewrap.inside_interpreter(walls.python) if isolated else str(walls.python.executable)
    return [python, *_PYTHON_FLAGS, start, *arguments]


def _in_memory(data: bytes) -> int:
    descriptor = os.memfd_create("filter", 0)
    os.write(descriptor, data)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor
