"""When a leaf must be stopped, and waiting for its end.

What lives here: CPU time as the verdict, and wall time as the backstop that only counts against a leaf that waits for
nothing: one that is starved on a busy machine keeps moving, slowly. Which of both it is, the zygote feels itself: it
works for a moment beside the leaf, and sees whether both get on alike. What does not: what the leaf says (`zygote`).
"""

import os
import resource
import signal
import time

from . import kernel, wire

TICK_S = 1.0
"""The host hears from a healthy zygote at least this often."""
SHORTEST_WAIT_S = 0.02
SHORTEST_PAUSE_S = 0.00005
LAST_RITES_S = 0.5
"""A leaf that has closed its pipe is at its end, and one that is not by then is stopped."""
MOST_WINDOWS = 10
FEELING_S, LONGEST_FEELING_S = 0.2, 3.0
"""How much CPU time the zygote spends to feel which share there is to have: many turns of the scheduler.

On a busy machine they are rare, and it stops at the second.
"""
STARVED_RATIO = 0.25
"""A leaf that has less than this part of our share, while we both could work, sleeps."""


class Watch:
    """Decides when a leaf has used up its CPU time, or waits for nothing."""

    __slots__ = (
        "_cpu_limit_s", "_due", "_window_ends", "_window_s", "_windows_left",
        "closed", "pid", "started", "stopped_by",
    )  # fmt: skip

    def __init__(self, pid: int, cpu_s: float, wall_s: float) -> None:
        self.pid, self.started = pid, time.monotonic()
        self.stopped_by, self.closed = wire.BY_ITSELF, False
        self._cpu_limit_s, self._window_s = cpu_s, wall_s
        self._window_ends = self.started + wall_s
        self._windows_left = MOST_WINDOWS
        self._plan(cpu_s)

    def _plan(self, cpu_left_s: float) -> None:
        now = time.monotonic()
        until = min(cpu_left_s, self._window_ends - now, TICK_S)
        self._due = now + max(until, SHORTEST_WAIT_S)

    def wait_s(self) -> float:
        """Return how long nothing can be due."""
        return self._due - time.monotonic()

    def must_stop(self) -> bool:
        """Return whether the leaf is out of CPU time, or idle for a whole wall window."""
        cpu_s = kernel.cpu_seconds(self.pid)
        if cpu_s >= self._cpu_limit_s:
            self.stopped_by = wire.BY_CPU
        elif time.monotonic() >= self._window_ends:
            self._end_window()
        self._plan(self._cpu_limit_s - cpu_s)
        return self.stopped_by != wire.BY_ITSELF

    def _end_window(self) -> None:
        """Give a leaf that is starved another window, and one that sleeps none."""
        self._windows_left -= 1
        if not self._windows_left or not self._is_starved():
            self.stopped_by = wire.BY_WALL
        self._window_ends = time.monotonic() + self._window_s

    def _is_starved(self) -> bool:
        """Work for a moment beside the leaf; if it works too, it gets about as much of a CPU as we."""
        until = time.monotonic() + LONGEST_FEELING_S
        ours_s, theirs_s = time.process_time(), kernel.cpu_seconds(self.pid)
        while time.process_time() - ours_s < FEELING_S and time.monotonic() < until:
            pass
        ours_s, theirs_s = time.process_time() - ours_s, kernel.cpu_seconds(self.pid) - theirs_s
        return theirs_s >= ours_s * STARVED_RATIO

    def reap(self) -> tuple[int, int, resource.struct_rusage]:
        """Wait for the end of the leaf, which may have closed its pipe and gone on."""
        pause_s, last_s = SHORTEST_PAUSE_S, time.monotonic() + LAST_RITES_S
        while True:
            reaped = os.wait4(self.pid, os.WNOHANG)
            if reaped[0]:
                if self.stopped_by == wire.BY_WALL and os.WIFEXITED(reaped[1]):  # what we sent came too late
                    self.stopped_by = wire.BY_ITSELF
                return reaped
            if self.stopped_by == wire.BY_ITSELF:
                if time.monotonic() > last_s:
                    self.stopped_by = wire.BY_WALL
                if self.must_stop():
                    os.kill(self.pid, signal.SIGKILL)
            time.sleep(pause_s)
            pause_s = min(pause_s * 2, SHORTEST_WAIT_S)
