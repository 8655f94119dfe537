"""A command can be stopped wherever it was started: a background shell hands it an ignored SIGINT."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

COMMAND = """
import time
from codeio_assets.cli.app import main
from dagster._utils.interrupts import capture_interrupts

def run():
    with capture_interrupts():  # as a run of dagster does, which then gives SIGTERM what SIGINT had
        pass
    print("ready", flush=True)
    time.sleep(60)

main(run)
"""


@contextmanager
def background_shell() -> Iterator[None]:
    """Ignore SIGINT here, as a shell without job control does for what it starts with `&`; children inherit it."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_command_of_a_background_shell_is_stopped(how: signal.Signals) -> None:
    with background_shell():
        running = subprocess.Popen(
            [sys.executable, "-c", COMMAND], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
    with running:
        assert running.stdout is not None
        assert running.stdout.readline() == "ready\n"
        running.send_signal(how)
        try:
            assert running.wait(60) != 0
        finally:
            running.kill()
