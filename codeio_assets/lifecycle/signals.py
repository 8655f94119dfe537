"""Signals that end a command: the first one interrupts it, a second one ends it at once.

Handlers change hands while a command runs (dagster, asyncio and uvicorn have their own), so what came is read from
Python's wakeup descriptor, which knows of each signal. What does not live here: what is told of it (`cli.app`).
"""

import os
import signal
import sys
import threading
import time

ENDS = (signal.SIGINT, signal.SIGTERM)
TOGETHER_S = 0.5
"""Signals that come within this time are one: a terminal and whoever started the command may both send it."""


class Signals:
    """What has come since `listen`."""

    def __init__(self) -> None:
        self._first: int | None = None
        self._came = threading.Event()

    def listen(self) -> None:
        """Have SIGINT and SIGTERM raise KeyboardInterrupt in the main thread, and a second of them end the process.

        SIGINT counts even where a background shell had it ignored.
        """
        for each in ENDS:
            signal.signal(each, signal.default_int_handler)
        read, write = os.pipe()
        os.set_blocking(write, False)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        threading.Thread(target=self._watch, args=(read,), name="signals", daemon=True).start()

    def came(self) -> bool:
        """Tell whether one of them came, even if nobody was interrupted by it."""
        return self._came.is_set()

    def exit_code(self) -> int:
        """Return the exit code of a command that was ended: 128 and the signal's number, 130 for Ctrl-C."""
        self._came.wait(TOGETHER_S)
        return 128 + (self._first or signal.SIGINT)

    def _watch(self, read: int) -> None:
        since = 0.0
        while number := os.read(read, 1):
            if number[0] not in ENDS:
                continue
            if self._first is None:
                self._first, since = number[0], time.monotonic()
                self._came.set()
            elif time.monotonic() - since > TOGETHER_S:
                sys.stderr.write("codeio: ended at once\n")
                sys.stderr.flush()
                os._exit(128 + number[0])


signals = Signals()
"""Those of this process; nothing comes before a command listens."""
