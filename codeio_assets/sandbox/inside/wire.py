"""Byte layouts on the three pipes: host to zygote, zygote to host, leaf to host (relayed unread by the zygote).

What does not live here: reading them with distrust (`codeio_assets.sandbox.protocol`).
"""

import builtins
import os
from struct import Struct
from typing import NamedTuple

globals()["__builtins__"] = dict(vars(builtins))  # ours, whatever the program does to the real ones

REQUEST = Struct("<IIddQQQ")
"""Text bytes, bytecode bytes, CPU s, wall s, memory bytes, stream bytes, file bytes; the two bodies follow."""

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


class Request(NamedTuple):
    """The header of a request, in the order of `REQUEST`."""

    text_bytes: int
    bytecode_bytes: int
    cpu_s: float
    wall_s: float
    memory_bytes: int
    stream_bytes: int
    file_bytes: int


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
