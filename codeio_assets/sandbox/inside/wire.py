"""Byte layouts on the three pipes: host to zygote, zygote to host, leaf to host (relayed unread by the zygote).

What does not live here: reading them with distrust (`codeio_assets.sandbox.protocol`).
"""

import builtins
import os
from struct import Struct
from typing import Any, NamedTuple

globals()["__builtins__"] = dict(vars(builtins))  # ours, whatever the program does to the real ones

REQUEST = Struct("<IQ")
"""Bytes of the task that follows, and the most bytes that its leaf may say."""

REPLY = Struct("<cI")
"""Kind and length of what follows: `READY`, `DATA`, `ALIVE` or `END`."""
READY, DATA, ALIVE, END = b"R", b"D", b"A", b"E"

ENDING = Struct("<ccidd?Q")
"""How the leaf ended, why it was stopped, exit code or signal, CPU s, wall s, if the worker must be replaced, and the
most memory the leaf had in use, in bytes."""
EXITED, SIGNALLED, NOT_STARTED = b"x", b"s", b"n"
BY_ITSELF, BY_CPU, BY_WALL, BY_FLOOD = b"-", b"c", b"w", b"f"

NONCE_BYTES = 16
LEAF = Struct(f"<{NONCE_BYTES}scI")
"""Nonce, kind and length of what the leaf says."""
BYTECODE, VALUE, EXCEPTION, UNSERIALISABLE, TOO_LARGE, NO_MEMORY = b"B", b"V", b"X", b"S", b"L", b"M"


class Task(NamedTuple):
    """What a leaf is to do; it travels as `marshal` has it, from the host to the leaf and past the zygote unread.

    `bytecode` is what an earlier leaf compiled of `code`, or nothing; with `keep_bytecode` the leaf says first of all
    what it compiled, or an empty frame where that is too large. The entry is called
    once per mapping of keyword arguments in `calls`, with seeds that count from `first`.
    """

    nonce: bytes
    output_bytes: int
    total_bytes: int
    code: str
    bytecode: bytes
    keep_bytecode: bool
    entry: str
    calls: list[dict[str, Any]]
    first: int
    random_seed: int
    clock_s: float | None
    clock_leap_s: float


_write, _write_vector = os.write, os.writev


def write_all(descriptor: int, *parts: bytes | bytearray | memoryview) -> None:
    """Write all parts, whatever the pipe takes at once."""
    left = sum(map(len, parts))
    written = _write_vector(descriptor, parts)
    if written == left:
        return
    rest = memoryview(b"".join(parts))[written:]
    while rest:
        rest = rest[_write(descriptor, rest) :]
