"""Which Python runs the programs: ours, or another one that a setting names.

What lives here: finding an interpreter, whether the sandbox can work with it, and whether it reads a text that ours
does not. What does not: what of it a worker
sees (`bubblewrap`), starting one (`workers`).
"""

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from codeio_assets.core.method.newer_syntax import COMPUTATION, Elsewhere
from codeio_assets.core.values.decoding import decode_json
from codeio_assets.sandbox.contract import SandboxUnavailable
from codeio_assets.sandbox.packages import Package, find_packages

OLDEST = (3, 11)
"""`-P`, which keeps a program's folder out of its path, and the syntax of `inside`."""
PROBE_S = 30
MODULES = ("ctypes", "marshal", "mmap", "resource", "select", "signal", "threading", "_sitebuiltins")
_PROBE = """
import importlib.util, json, os, sys, sysconfig
missing = [name for name in sys.argv[1:] if importlib.util.find_spec(name) is None]
print(json.dumps({"implementation": sys.implementation.name, "version": list(sys.version_info[:3]), "missing": missing,
    "executable": os.path.realpath(sys.executable), "prefix": sys.base_prefix,
    "library": sysconfig.get_path("stdlib"), "packages": sysconfig.get_path("purelib")}))
"""
_READ = """
import ast, resource, symtable, sys, warnings
resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
warnings.simplefilter("ignore")
text = sys.stdin.buffer.read().decode("utf-8", "surrogatepass")
tree = ast.parse(text)
symtable.symtable(text, "<code>", "exec")
print(any(type(node).__name__ in sys.argv[1:] for node in ast.walk(tree)))
"""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python and where its parts lie; `packages` are those of the virtual environment, where it is named by one.

    `extras` are the packages that programs may import besides the usual ones.
    """

    executable: Path
    prefix: Path
    library: Path
    packages: Path
    version: tuple[int, int, int]
    extras: tuple[Package, ...] = ()

    @property
    def minor(self) -> str:
        """Its version as far as the results of programs are held to depend on it, such as 3.11."""
        return f"{self.version[0]}.{self.version[1]}"

    @property
    def computes(self) -> Elsewhere:
        """What tells whether it finds a computation in a text: a process of its own for each, which nothing runs in."""
        return partial(_computes, self.executable)


def _computes(executable: Path, text: str) -> bool | None:
    command, data = [executable, "-I", "-c", _READ, *COMPUTATION], text.encode("utf-8", "surrogatepass")
    try:
        done = subprocess.run(command, input=data, capture_output=True, timeout=PROBE_S, env={}, cwd="/", check=False)
    except subprocess.TimeoutExpired:
        return None
    return done.stdout.strip() == b"True" if done.returncode == 0 else None


def own_interpreter() -> Interpreter:
    """Return the interpreter behind the virtual environment that we run in."""
    library, packages = Path(sysconfig.get_path("stdlib")), Path(sysconfig.get_path("purelib"))
    version = sys.version_info[0], sys.version_info[1], sys.version_info[2]
    return Interpreter(Path(sys.executable).resolve(), Path(sys.base_prefix), library, packages, version)


def find_interpreter(named: str | None, packages: Iterable[str] = ()) -> Interpreter:
    """Return an interpreter by its path or by its name on the PATH, such as `python3.12`; ours where none is named.

    Args:
        named: the path or name.
        packages: what programs must be able to import besides the usual packages.

    Raises:
        SandboxUnavailable: there is none, it lacks a package, or the sandbox cannot work with it; one line that says
            why.
    """
    found = _find(named)
    return replace(found, extras=find_packages(packages, found.packages))


def _find(named: str | None) -> Interpreter:
    if named is None:
        return own_interpreter()
    path = shutil.which(os.path.expanduser(named))  # noqa: PTH111  (a name stays a name)
    if path is None:
        raise _unusable(named, "there is no such program; give a path, or a name on the PATH such as python3.12")
    return _probed(named, path, os.stat(path).st_mtime_ns)  # noqa: PTH116


@lru_cache(maxsize=16)
def _probed(named: str, path: str, _changed_ns: int) -> Interpreter:
    command = [path, "-I", "-c", _PROBE, *MODULES]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=PROBE_S, env={}, cwd="/", check=False
        )
        told: Any = decode_json(done.stdout)
        major, minor, patch = (int(part) for part in told["version"])
        executable, prefix, library, packages = (
            Path(told[name]) for name in ("executable", "prefix", "library", "packages")
        )
    except (OSError, subprocess.SubprocessError, ValueError, TypeError, KeyError):
        raise _unusable(named, "it does not answer as a Python 3 does") from None
    shown = f"{major}.{minor}.{patch}"
    if told["implementation"] != "cpython" or (major, minor) < OLDEST:
        what = told["implementation"] if told["implementation"] != "cpython" else "Python"
        raise _unusable(named, f"it is {what} {shown}, and CPython {OLDEST[0]}.{OLDEST[1]} or newer is needed")
    if told["missing"]:
        raise _unusable(named, f"Python {shown} there lacks {', '.join(told['missing'])}")
    return Interpreter(executable, prefix, library, packages, (major, minor, patch))


def _unusable(named: str, why: str) -> SandboxUnavailable:
    return SandboxUnavailable(f"`sandbox.python` {named!r} cannot run programs: {why}")
