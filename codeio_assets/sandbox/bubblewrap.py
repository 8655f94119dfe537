"""The bubblewrap command line, and what to tell people whose machine does not allow it.

What lives here: which namespaces, mounts and variables a worker gets. What does not: the system call filters
(`seccomp`) and starting it (`workers`).
Source: bwrap(1), tried with 0.8.0.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from itertools import count
from pathlib import Path

from codeio_assets.sandbox.contract import SandboxUnavailable
from codeio_assets.sandbox.interpreters import Interpreter
from codeio_assets.sandbox.places import HERE, Place
from codeio_assets.sandbox.preloading import PACKAGES

INSIDE = "/sandbox/inside"
PYTHON = "/sandbox/python"
SITE_PACKAGES = "/sandbox/site-packages"
SYSTEM = Path("/usr")
DEVICES = ("null", "zero", "full", "random", "urandom")
PROBE_S = 30
ROOT_ENTRIES = frozenset({"usr", "lib", "lib32", "lib64", "libx32", "dev", "tmp", "sandbox", "work"})

_INSTALL = "install it: `apt install bubblewrap`, `dnf install bubblewrap` or `apk add bubblewrap`"
_NAMESPACES = ("user", "pid", "net", "ipc", "uts")
_TO_BECOME_ANOTHER = ("CAP_SETUID", "CAP_SETGID", "CAP_CHOWN")
_NEEDED_CAPABILITIES = 1 << 21 | 1 << 7 | 1 << 6 | 1 << 0
"""CAP_SYS_ADMIN, CAP_SETUID, CAP_SETGID, CAP_CHOWN."""
_ALL_USERS = 0xFFFF_FFFF
_FIRST_USER, _PROCESSES, _WORKERS = 2_000_000_000, 100_000, 1_000
"""Numbers far from those that people and services have."""
_users = count()


def find_bubblewrap() -> str:
    """Return the path of `bwrap`.

    Raises:
        SandboxUnavailable: it is not installed.
    """
    if not sys.platform.startswith("linux"):
        raise SandboxUnavailable(f"bubblewrap needs Linux, and this is {sys.platform}; {_no_isolation()}")
    path = shutil.which("bwrap")
    if path is None:
        raise SandboxUnavailable(f"bubblewrap (`bwrap`) is not on the PATH; {_INSTALL}; {_no_isolation()}")
    return path


def runtime_mounts(python: Interpreter) -> list[tuple[Path, str]]:
    """Return what of the host is visible inside, all read-only: source and place."""
    mounts = [
        (path, str(path)) for name in ("lib", "lib32", "lib64", "libx32") if (path := Path("/usr", name)).is_dir()
    ]
    mounts += [(path, str(path)) for path in (Path("/usr/share/zoneinfo"),) if path.is_dir()]
    mounts += _python_mounts(python)
    mounts.append((Path(__file__).with_name("inside"), INSIDE))
    names = dict.fromkeys([*PACKAGES, *(name for package in python.extras for name in package.entries)])
    mounts += [(path, f"{SITE_PACKAGES}/{name}") for name in names if (path := python.packages / name).exists()]
    return mounts


def _python_mounts(python: Interpreter) -> list[tuple[Path, str]]:
    if python.prefix == SYSTEM:  # its library lies in /usr/lib
        return [(python.executable, str(python.executable))]
    library = python.library.relative_to(python.prefix)
    shared = sorted((python.prefix / "lib").glob("libpython*.so*"))
    return [
        (python.executable, inside_interpreter(python)),
        (python.library, f"{PYTHON}/{library}"),
        *((path, f"{PYTHON}/lib/{path.name}") for path in shared),
    ]


def inside_interpreter(python: Interpreter) -> str:
    """Return where the interpreter lies inside: a system Python at its own place, any other at a neutral one."""
    return str(python.executable) if python.prefix == SYSTEM else f"{PYTHON}/bin/{python.executable.name}"


def command(
    bwrap: str,
    place: Place,
    python: Interpreter,
    *,
    scratch_bytes: int,
    hash_seed: int,
    filter_descriptor: int,
    host_user: int | None = None,
    info_descriptor: int | None = None,
) -> list[str]:
    """Return the command line up to what is to be run inside.

    With `host_user` the worker is to become that user of the machine by itself, and can; without, it is whoever we are,
    under another number in a user namespace. `info_descriptor` is told the worker's process, as JSON.
    """
    line = [bwrap, *_identity(place, host_user), "--hostname", place.host_name, "--unshare-cgroup-try"]
    line += ["--die-with-parent", "--new-session", "--as-pid-1", "--seccomp", str(filter_descriptor)]
    mounts = runtime_mounts(python)
    for folder in sorted({str(each) for _, inside in mounts for each in Path(inside).parents} - {"/"}):
        line += ["--perms", "0755", "--dir", folder]
    for source, inside in mounts:
        line += ["--ro-bind", str(source), inside]
    line += _links()
    line += ["--perms", "0755", "--tmpfs", "/dev"]
    for name in DEVICES:
        line += ["--dev-bind", f"/dev/{name}", f"/dev/{name}"]
    line += ["--symlink", place.scratch, "/dev/shm"]  # one place to write, one limit, one to be emptied
    line += ["--size", str(scratch_bytes), "--perms", "0700", "--tmpfs", place.scratch, "--chdir", place.scratch]
    if place.scratch != "/tmp":
        line += ["--symlink", place.scratch, "/tmp"]
    line += ["--remount-ro", "/dev", "--remount-ro", "/", "--clearenv"]
    if info_descriptor is not None:
        line += ["--info-fd", str(info_descriptor)]
    for name, value in {**environment(place, hash_seed), "LD_LIBRARY_PATH": f"{PYTHON}/lib"}.items():
        line += ["--setenv", name, value]
    return [*line, "--"]


def _identity(place: Place, host_user: int | None) -> list[str]:
    line = [f"--unshare-{name}" for name in _NAMESPACES if name != "user" or host_user is None]
    if host_user is None:
        return [*line, "--uid", str(place.user), "--gid", str(place.user), "--cap-drop", "ALL"]
    return [*line, "--cap-drop", "ALL", *(word for name in _TO_BECOME_ANOTHER for word in ("--cap-add", name))]


def host_user(processes: Path = Path("/proc/self")) -> int | None:
    """Return the unprivileged user of the machine that the next worker is to become, or None where we cannot choose.

    We can as root with its capabilities and all user numbers; each worker is then a user of its own.
    """
    if os.geteuid() != 0:
        return None
    try:
        numbers = (processes / "uid_map").read_text().split()
        effective = next(line for line in (processes / "status").read_text().splitlines() if line.startswith("CapEff"))
    except (OSError, StopIteration):
        return None
    can = int(effective.split()[1], 16)
    if numbers != ["0", "0", str(_ALL_USERS)] or can & _NEEDED_CAPABILITIES != _NEEDED_CAPABILITIES:
        return None
    return _FIRST_USER + (os.getpid() % _PROCESSES) * _WORKERS + next(_users) % _WORKERS


def environment(place: Place, hash_seed: int) -> dict[str, str]:
    """Return the variables that the worker starts with; it clears them before it serves."""
    return {
        "PYTHONHASHSEED": str(hash_seed),
        "LC_ALL": place.locale,
        "PYTHONCOERCECLOCALE": "0",
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "MALLOC_ARENA_MAX": "1",
        "LD_BIND_NOW": "1",  # what the loader looks up late, each leaf would look up again
    }


def _links() -> list[str]:
    line: list[str] = []
    for name in ("lib", "lib32", "lib64", "libx32"):
        path = Path("/", name)
        if path.is_symlink():
            line += ["--symlink", str(path.readlink()), str(path)]
        elif path.is_dir():
            line += ["--ro-bind", str(path), str(path)]
    return line


def explain_failure(bwrap: str, python: Interpreter, complaint: str) -> SandboxUnavailable:
    """Return the error that says why no worker came up, and what to install or set."""
    unreadable = next((path for path, _ in runtime_mounts(python) if not os.access(path, os.R_OK)), None)
    if unreadable is not None:
        return SandboxUnavailable(
            f"{unreadable} is needed inside the sandbox and user {os.getuid()} cannot read it; use a Python that this "
            "user can read, or give it access"
        )
    cause = namespace_trouble(bwrap)
    if cause is not None:
        return SandboxUnavailable(f"user namespaces cannot be had here: {cause}; {_no_isolation()}")
    return SandboxUnavailable(f"the sandbox did not start: {complaint or 'it said nothing'}; {_no_isolation()}")


def namespace_trouble(bwrap: str, settings: Path = Path("/proc/sys")) -> str | None:
    """Try an empty sandbox; return None if that works, else the cause and the remedy."""
    namespaces = [f"--unshare-{name}" for name in _NAMESPACES]
    line = [bwrap, *namespaces, "--uid", str(HERE.user), "--ro-bind", "/", "/", "--"]
    line += [os.path.realpath(sys.executable), "-S", "-c", "pass"]
    trial = subprocess.run(line, stdin=subprocess.DEVNULL, capture_output=True, timeout=PROBE_S, env={}, check=False)
    if trial.returncode == 0:
        return None
    said = trial.stderr.decode(errors="replace").strip() or f"exit code {trial.returncode}"
    return f"bubblewrap says {said!r}; {_remedy(settings, said)}"


_SWITCHES: Sequence[tuple[str, str, str]] = (
    ("kernel/unprivileged_userns_clone", "0", "`sysctl -w kernel.unprivileged_userns_clone=1`"),
    ("user/max_user_namespaces", "0", "`sysctl -w user.max_user_namespaces=10000`"),
    (
        "kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "`sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`, or an AppArmor profile for bwrap with `userns,`",
    ),
)


_POD_SETTINGS: Sequence[tuple[str, str]] = (
    ("mount proc", "`procMount: Unmasked`, and `hostUsers: false` on the pod"),
    ("namespace", "`seccompProfile: {type: Unconfined}`"),
    ("ermission denied", "`appArmorProfile: {type: Unconfined}`"),
)
"""What bubblewrap complains of, and the setting of a container's `securityContext` whose absence makes it do so."""


def _remedy(settings: Path, complaint: str) -> str:
    for name, bad, remedy in _SWITCHES:
        path = settings / name
        if path.is_file() and path.read_text().strip() == bad:
            return f"run {remedy}"
    if "KUBERNETES_SERVICE_HOST" in os.environ:
        setting = next((found for sign, found in _POD_SETTINGS if sign in complaint), None)
        wanted = setting or " and ".join(found for _, found in _POD_SETTINGS[1:])
        return f"set {wanted} in the container's securityContext, as deploy/kubernetes does"
    return (
        "in a container, allow it to make namespaces (docker: `--security-opt seccomp=unconfined "
        "--security-opt apparmor=unconfined`; Kubernetes: deploy/kubernetes)"
    )


def _no_isolation() -> str:
    return 'to run without any isolation, ask for it with isolation="none"'
