"""The zygote: a long-lived process that never runs or even reads a program, and forks a leaf for every request.

What lives here: reading requests into one buffer that is wiped after each fork (so that no leaf finds the arguments
of another call in its memory), relaying the leaf's bytes unread, and telling the host how it ended. What does
not: when a leaf must be stopped (`watch`), confinement and the program (`leaf`), outcomes (the host).
"""

import os
import select
import signal
import time
from contextlib import suppress

from . import kernel, leaf, wire
from .watch import Watch

RELAY_BYTES = 1 << 16
KEPT_BODY_BYTES = 1 << 20
"""Room for a request, taken at the start: a later call has not less memory for what an earlier one was given."""
_scandir = os.scandir
SCRATCH_ENTRIES = 200
"""What one call may leave behind for us to remove; with more, a new worker is cheaper."""


class Zygote:
    """Serves requests until the host closes the pipe."""

    def __init__(
        self, commands: int, replies: int, confinement: leaf.Confinement, *, cpu_s: float, wall_s: float
    ) -> None:
        self._commands, self._replies, self._confinement = commands, replies, confinement
        self._cpu_s, self._wall_s = cpu_s, wall_s
        self._body = kernel.untouched_memory(KEPT_BODY_BYTES)
        self._relayed = bytearray(RELAY_BYTES)

    def serve(self) -> None:
        """Serve one request after the other."""
        while True:
            head = self._read_head()
            if head is None:
                return
            body_bytes, most_bytes = wire.REQUEST.unpack(head)
            self._run(self._read_body(body_bytes), most_bytes)

    def _read_head(self) -> bytes | None:
        head = b""
        while len(head) < wire.REQUEST.size:
            part = os.read(self._commands, wire.REQUEST.size - len(head))
            if not part:
                return None
            head += part
        return head

    def _read_body(self, size: int) -> memoryview:
        if len(self._body) < size:
            self._body = memoryview(bytearray(size))
        body = self._body[:size]
        got = 0
        while got < size:
            part = os.readv(self._commands, [body[got:]])
            if not part:
                raise EOFError
            got += part
        return body

    def _run(self, body: memoryview, most_bytes: int) -> None:
        results, into = os.pipe()
        try:
            pid = os.fork()
        except OSError as error:
            os.close(into)
            ending = wire.ENDING.pack(wire.NOT_STARTED, wire.BY_ITSELF, error.errno or 0, 0, 0, False, 0)
            self._finish(results, 0, ending)
            return
        if not pid:
            leaf.run(self._confinement, body, into)
        os.close(into)
        body[:] = bytes(len(body))
        watch = Watch(pid, self._cpu_s, self._wall_s)
        held = self._relay(results, watch, most_bytes)
        ending = self._bury(pid, watch)
        if watch.stopped_by == wire.BY_ITSELF and not watch.closed:
            held = self._relay_rest(results, held)
        self._finish(results, held, ending)

    def _finish(self, results: int, held: int, ending: bytes) -> None:
        os.close(results)
        head = wire.REPLY.pack(wire.DATA, held) if held else b""
        last = memoryview(self._relayed)[:held]
        wire.write_all(self._replies, head, last, wire.REPLY.pack(wire.END, len(ending)), ending)
        self._wipe_relayed(held)

    def _wipe_relayed(self, held: int) -> None:
        self._relayed[:held] = bytes(held)

    def _relay(self, results: int, watch: Watch, most_bytes: int) -> int:
        """Relay the leaf's bytes until it closes its pipe or must be stopped; return how many are still held."""
        poll = select.poll()
        poll.register(results, select.POLLIN)
        poll.register(self._commands, 0)  # which still tells that the host is gone
        buffer = memoryview(self._relayed)
        held = total = 0
        while True:
            wait_s = watch.wait_s()
            if wait_s <= 0:
                if watch.must_stop():
                    return held
                wire.write_all(self._replies, wire.REPLY.pack(wire.ALIVE, 0))
                continue
            ready = poll.poll(wait_s * 1000)
            if any(descriptor == self._commands for descriptor, _ in ready):
                raise EOFError
            if not ready:
                continue
            part = os.readv(results, [buffer[held:]])
            held, total = held + part, total + part
            if not part:
                watch.closed = True
                return held
            if total > most_bytes:
                watch.stopped_by = wire.BY_FLOOD
                return held
            held = self._sent_if_full(held)

    def _sent_if_full(self, held: int) -> int:
        """Send what is held when the buffer is full; return how many bytes are held then."""
        if held < len(self._relayed):
            return held
        wire.write_all(self._replies, wire.REPLY.pack(wire.DATA, held), memoryview(self._relayed))
        self._wipe_relayed(held)
        return 0

    def _relay_rest(self, results: int, held: int) -> int:
        """Relay what a leaf said that ended by itself just before it was stopped; return how many bytes are held."""
        os.set_blocking(results, False)
        buffer = memoryview(self._relayed)
        try:
            while part := os.readv(results, [buffer[held:]]):
                held = self._sent_if_full(held + part)
        except BlockingIOError:
            pass
        return held

    def _bury(self, pid: int, watch: Watch) -> bytes:
        if not watch.closed:
            os.kill(pid, signal.SIGKILL)
        _, status, usage = watch.reap()
        wall_s = time.monotonic() - watch.started
        self._kill_stragglers(pid)
        how, code = (
            (wire.SIGNALLED, os.WTERMSIG(status)) if os.WIFSIGNALED(status) else (wire.EXITED, os.WEXITSTATUS(status))
        )
        cpu_s = usage.ru_utime + usage.ru_stime
        peak_bytes = usage.ru_maxrss * 1024
        kernel.forget_flags(0)  # 1 and 2 are the same open file; locks on it do nothing
        is_clean = _wipe_scratch() and len(self._body) == KEPT_BODY_BYTES
        return wire.ENDING.pack(how, watch.stopped_by, code, cpu_s, wall_s, not is_clean, peak_bytes)

    def _kill_stragglers(self, pid: int) -> None:
        with suppress(OSError):
            if self._confinement.own_session:
                os.killpg(pid, signal.SIGKILL)
            else:
                os.kill(-1, signal.SIGKILL)  # all but ourselves: we are the first process of our namespace
                while os.waitpid(-1, 0)[0]:
                    pass


def _wipe_scratch() -> bool:
    """Empty the working directory and forget when it changed; return whether that was possible with little work."""
    try:
        with _scandir() as entries:
            for count, entry in enumerate(entries):
                os.unlink(entry)  # noqa: PTH108  (pathlib stays out of all leaves)
                if count > SCRATCH_ENTRIES:
                    return False
        os.utime(".", (0, 0))
    except OSError:  # a directory, for one
        return False
    return True
