"""A process that runs a command and ends it, with everything that started, when whoever asked for it is gone.

Started as a script: `python -I guard.py COMMAND...` with a pipe as standard input, which the asker keeps open. The
kernel closes that pipe however the asker ends, kill -9 included. Orphans of the command are handed to this process
(PR_SET_CHILD_SUBREAPER), so that workers of a server or a training that crashed are found and ended too.
What does not live here: what is run (`guarded`, `llm.vllm.server`, ...). Imports only what is quick to load.
"""

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time

import psutil

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
GRACE_S = 8.0
LOOK_EVERY_S = 0.5


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def end_all(processes: list[psutil.Process], grace_s: float = GRACE_S) -> None:
    """Ask processes to end, and kill those that have not after the grace period."""
    for process in processes:
        _signal(process, signal.SIGTERM)
    _, stubborn = psutil.wait_procs(processes, timeout=grace_s)
    for process in stubborn:
        _signal(process, signal.SIGKILL)
    psutil.wait_procs(stubborn, timeout=grace_s)


def _signal(process: psutil.Process, number: int) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(number)


def _leave(number: int, _frame: object) -> None:
    sys.exit(128 + number)


def _wait(command: subprocess.Popen[bytes], asker: int) -> None:
    """Return when the command has ended or the asker is gone or says so by closing the pipe."""
    while command.poll() is None and os.getppid() == asker:
        readable, _, _ = select.select([sys.stdin], [], [], LOOK_EVERY_S)
        if readable and not os.read(sys.stdin.fileno(), 4096):
            return


def main(command: list[str]) -> int:
    """Run a command to its end, or to that of the asker; return its exit code, as a shell does."""
    asker = os.getppid()
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the asker decides
    running = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=lambda: _prctl(PR_SET_PDEATHSIG, signal.SIGKILL),
    )
    try:
        _wait(running, asker)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        deadline = time.monotonic() + 3 * GRACE_S
        while (left := psutil.Process().children(recursive=True)) and time.monotonic() < deadline:
            end_all(left)
    code = running.wait()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
