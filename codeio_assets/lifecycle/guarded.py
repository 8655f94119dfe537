"""Running a command that ends with us: with the block, with this process however that ends, and all it started too.

What does not live here: how they are ended (`guard`), servers that are watched and started again (`llm.vllm.server`).
"""

import contextlib
import subprocess
import sys
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path

from codeio_assets.lifecycle.guard import GRACE_S

GUARD = Path(__file__).with_name("guard.py")
"""The script that a guarded command is started by."""


@contextlib.contextmanager
def guarded(
    command: Sequence[str], environment: Mapping[str, str], folder: Path | None = None
) -> Generator["subprocess.Popen[bytes]"]:
    """Run a command for the time of the block and yield its guard, which ends when it does, with its exit code.

    One that was killed by a signal ends with 128 and the signal's number, as in a shell.
    """
    line = [sys.executable, "-I", str(GUARD), *command]
    guard = subprocess.Popen(line, stdin=subprocess.PIPE, env=environment, cwd=folder)
    try:
        yield guard
    finally:
        assert guard.stdin is not None
        guard.stdin.close()  # the guard takes that for the end of whoever asked
        with contextlib.suppress(subprocess.TimeoutExpired):
            guard.wait(4 * GRACE_S)
