"""Telling that long work goes on: in place on a terminal, elsewhere in a line every half a minute.

What does not live here: what is told (`running.progress`, `running.training_progress`, `batch.lines`).
"""

import contextlib
import shutil
import threading
import time
from collections.abc import Callable
from typing import Self, TextIO

EVERY_S = 30.0
IN_PLACE_S = 0.5
"""How often a line is written anew on a terminal."""


class Heartbeat:
    """Tells, for the time of a block, who is at work, how far it is by its last word, and for how long.

    A thread tells it, so that waiting for a slow server or a long query is told as well.
    """

    def __init__(
        self, who: str, stream: TextIO | None, log: Callable[[str], None] | None = None, every_s: float | None = None
    ) -> None:
        """Prepare to tell.

        Args:
            who: what is at work.
            stream: where people look; None when nobody does.
            log: told besides, every so often, wherever the stream leads.
            every_s: seconds between lines; default `EVERY_S`.
        """
        self._who, self._stream, self._log = who, stream, log
        self._every_s = EVERY_S if every_s is None else every_s
        self._is_terminal = stream is not None and stream.isatty()
        self._state = "at work"
        self._started = time.monotonic()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def tell(self, state: str) -> None:
        """Say how far the work is; it is told when it is time."""
        self._state = state

    def line(self) -> str:
        """Return what is told now."""
        return f"{self._who}: {self._state}; {duration(time.monotonic() - self._started)} so far"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        if self._is_terminal:
            self._write("\r\033[K")

    def _beat(self) -> None:
        due = self._started + self._every_s
        while not self._ended.wait(min(IN_PLACE_S, self._every_s) if self._is_terminal else self._every_s):
            if self._is_terminal:
                self._write(f"\r\033[K{self.line()[: shutil.get_terminal_size().columns - 1]}")
            else:
                self._write(f"  {self.line()}\n")
            if self._log and time.monotonic() >= due:
                self._log(self.line())
                due += self._every_s

    def _write(self, text: str) -> None:
        if self._stream is not None:
            with contextlib.suppress(OSError, ValueError):  # nobody reads any more
                self._stream.write(text)
                self._stream.flush()


def duration(seconds: float) -> str:
    """Return a time for people: `1 h 5 min`, `2 min 3 s`, `4 s`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
