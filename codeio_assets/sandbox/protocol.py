"""The host's end of the pipes: requests out, replies in; nothing is believed but the number of bytes.

What lives here: packing requests, reading a worker's replies within limits, and splitting a leaf's bytes into frames.
What does not: what the frames mean (`outcomes`).
"""

import json
import marshal
import os
import secrets
import select
import time
from dataclasses import dataclass
from typing import NamedTuple

from codeio_assets.core.values.canonical import Json
from codeio_assets.sandbox.contract import Job, Limits
from codeio_assets.sandbox.inside import wire

MEBIBYTE = 1 << 20
STALL_S = 60.0
"""A zygote that says nothing for this long is taken for dead; a healthy one speaks every second."""
FRAME_ROOM_BYTES = 1 << 13
"""What a frame may hold besides a value: an exception's type and message, and the frame's head."""
BYTECODE_ROOM_BYTES = 1 << 20
TOTAL_OUTPUT_FACTOR = 16
"""All calls of one process together may return this many times the output limit of one call."""
MAX_REPLY_BYTES = 1 << 20
READ_BYTES = 1 << 16


class WorkerDied(Exception):  # noqa: N818  (an event that the pool answers)
    """The worker is gone, silent, or speaks nonsense; the message says which."""


class MalformedFrames(Exception):  # noqa: N818
    """A leaf wrote something that is not a sequence of whole frames with the right nonce."""


class Frame(NamedTuple):
    """One thing a leaf said."""

    kind: bytes
    payload: bytes


@dataclass(frozen=True, slots=True)
class Ending:
    """How a leaf ended, as its zygote saw it."""

    how: bytes
    stopped_by: bytes
    code: int
    cpu_s: float
    wall_s: float
    must_replace_worker: bool
    peak_bytes: int


@dataclass(frozen=True, slots=True)
class Request:
    """The work of one leaf, packed for the pipe; `turns` is the number of its calls.

    With `asks_bytecode` the leaf is to say first what it compiled, and at no other time.
    """

    nonce: bytes
    turns: int
    data: bytes
    stream_bytes: int
    asks_bytecode: bool = False
    sets_clock: bool = False


def pack_request(
    job: Job, limits: Limits, calls: list[dict[str, Json]], *, first: int = 0, bytecode: bytes = b"", keep: bool = False
) -> Request:
    """Return the request for a leaf.

    Args:
        job: the program, and how it is to be run.
        limits: what one call may use.
        calls: keyword arguments of each call that the leaf is to make.
        first: which call of the job is the first of them.
        bytecode: the program compiled by an earlier leaf, or nothing.
        keep: whether the leaf is to give the compiled program back.

    Raises:
        ValueError: the arguments are nested too deep.
    """
    task = wire.Task(
        nonce=secrets.token_bytes(wire.NONCE_BYTES),
        output_bytes=limits.output_bytes,
        total_bytes=limits.output_bytes * min(len(calls), TOTAL_OUTPUT_FACTOR),
        code=job.code,
        bytecode=bytecode,
        keep_bytecode=keep,
        entry=job.entry,
        calls=calls,
        first=first,
        random_seed=job.variant.random_seed,
        clock_s=job.variant.clock_s,
        clock_leap_s=job.variant.clock_leap_s,
    )
    body = marshal.dumps(tuple(task))
    stream_bytes = task.total_bytes + len(calls) * FRAME_ROOM_BYTES + BYTECODE_ROOM_BYTES
    data = wire.REQUEST.pack(len(body), stream_bytes) + body
    sets_clock = job.variant.clock_s is not None
    return Request(task.nonce, len(calls), data, stream_bytes, asks_bytecode=keep, sets_clock=sets_clock)


class Channel:
    """Both pipes of a worker, seen from the host."""

    def __init__(self, commands: int, replies: int) -> None:
        self._commands, self._replies = commands, replies
        self._unread = bytearray()
        self._poll = select.poll()
        self._poll.register(replies, select.POLLIN)
        os.set_blocking(commands, False)

    def close_commands(self) -> None:
        """Tell the zygote to end."""
        if self._commands >= 0:
            os.close(self._commands)
            self._commands = -1

    def close(self) -> None:
        """Close both pipes."""
        self.close_commands()
        if self._replies >= 0:
            os.close(self._replies)
            self._replies = -1

    def read_facts(self, stall_s: float = STALL_S) -> dict[str, Json]:
        """Return what the zygote says of itself when it is ready.

        Raises:
            WorkerDied: it is not going to be.
        """
        kind, payload = self._read_reply(stall_s)
        try:
            facts: Json = json.loads(payload)
        except ValueError:
            facts = None
        if kind != wire.READY or not isinstance(facts, dict):
            raise WorkerDied("the worker did not start as it should")
        return facts

    def exchange(self, request: Request) -> tuple[bytes, Ending]:
        """Send a request and return the leaf's bytes and its ending.

        Raises:
            WorkerDied: the worker died or broke the protocol.
        """
        self._send(request)
        stream = bytearray()
        while True:
            kind, payload = self._read_reply(STALL_S)
            if kind == wire.DATA:
                stream += payload
                if len(stream) > request.stream_bytes + MAX_REPLY_BYTES:
                    raise WorkerDied("the worker relayed more than was asked for")
            elif kind == wire.END and len(payload) == wire.ENDING.size:
                return bytes(stream), Ending(*wire.ENDING.unpack(payload))
            elif kind != wire.ALIVE:
                raise WorkerDied("the worker broke the protocol")

    def _send(self, request: Request) -> None:
        data = memoryview(request.data)
        deadline = time.monotonic() + STALL_S
        while data:
            try:
                data = data[os.write(self._commands, data) :]
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise WorkerDied("the worker takes no request") from None
                select.select([], [self._commands], [], 1.0)
            except OSError as error:
                raise WorkerDied(f"the worker is gone ({error.strerror})") from None

    def _read_reply(self, stall_s: float) -> tuple[bytes, bytes]:
        kind, size = wire.REPLY.unpack(self._read(wire.REPLY.size, stall_s))
        if size > MAX_REPLY_BYTES:
            raise WorkerDied("the worker sent a reply that is too long")
        return kind, self._read(size, stall_s)

    def _read(self, size: int, stall_s: float) -> bytes:
        while len(self._unread) < size:
            if not self._poll.poll(stall_s * 1000):
                raise WorkerDied(f"the worker was silent for {stall_s:.0f} s")
            part = os.read(self._replies, READ_BYTES)
            if not part:
                raise WorkerDied("the worker is gone")
            self._unread += part
        data = bytes(self._unread[:size])
        del self._unread[:size]
        return data


def split_frames(stream: bytes, nonce: bytes) -> tuple[list[Frame], bool]:
    """Return the whole frames in a leaf's bytes, and whether nothing was left over after them.

    Raises:
        MalformedFrames: a frame does not bear the nonce.
    """
    frames: list[Frame] = []
    place = 0
    while place + wire.LEAF.size <= len(stream):
        given, kind, size = wire.LEAF.unpack_from(stream, place)
        if given != nonce:
            raise MalformedFrames
        if place + wire.LEAF.size + size > len(stream):
            break
        place += wire.LEAF.size
        frames.append(Frame(kind, stream[place : place + size]))
        place += size
    return frames, place == len(stream)
