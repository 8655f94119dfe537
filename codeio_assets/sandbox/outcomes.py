"""From a leaf's frames and its ending to typed outcomes, decided by the host alone.

A leaf is believed about its own value or exception, and that only if it ended as it should. How it ended, and what it
used, is the zygote's word. What does not live here: reading the pipes (`protocol`), retrying (`pool`).
"""

import signal
from dataclasses import replace

from codeio_assets.core.values.canonical import Json, written_json
from codeio_assets.core.values.decoding import Undecodable, decode_json
from codeio_assets.sandbox.contract import Limits, Outcome
from codeio_assets.sandbox.inside import wire
from codeio_assets.sandbox.protocol import MEBIBYTE, Ending, Frame, MalformedFrames, Request, split_frames

MESSAGE_CHARACTERS = 1000
ERROR_TYPE_CHARACTERS = 100
FULL_RATIO = 0.75
_MEMORY_SIGNALS = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS)
"""How libraries end that do not look at what malloc returns; with most of the limit in use, memory was the cause."""
_CRASHED = Outcome("crashed", message="the program's process did not say what came of the call")
_FORGED = Outcome("crashed", message="the program's process wrote what is no outcome")
_TIMEOUTS = {
    wire.BY_CPU: "no CPU time left",
    wire.BY_WALL: "no wall time left",
}


def judge(request: Request, stream: bytes, ending: Ending, limits: Limits) -> tuple[list[Outcome], bytes]:
    """Return one outcome per turn of the request, and the program's bytecode if the leaf gave it.

    The figures of CPU and wall time are those of the whole leaf, on its last outcome.
    """
    told: list[Outcome] = []
    bytecode = b""
    fault: Outcome | None = None
    try:
        frames, whole = split_frames(stream, request.nonce)
        if request.asks_bytecode and frames:
            bytecode = _bytecode(frames.pop(0))
        told = [_told(frame) for frame in frames]
    except MalformedFrames:
        whole = False
    if not whole or len(told) > request.turns:
        told, fault = ([] if request.turns == 1 else told[: request.turns - 1]), _FORGED
    fault = _ended_badly(ending, limits) or fault
    if fault is None and len(told) < request.turns:
        fault = _CRASHED
    if fault is not None:
        # With one turn the ending outweighs what was said; with several, what was said before it stands.
        said = [] if request.turns == 1 else told
        told = said + [fault] * (request.turns - len(said))
    told[-1] = replace(told[-1], cpu_s=round(ending.cpu_s, 6), wall_s=round(ending.wall_s, 6))
    return told, bytecode


def _bytecode(frame: Frame) -> bytes:
    """Return what a leaf compiled, said in its first frame, before any of the program has run."""
    if frame.kind != wire.BYTECODE:
        raise MalformedFrames
    return frame.payload


def _ended_badly(ending: Ending, limits: Limits) -> Outcome | None:
    """Return the outcome of a leaf that did not end by its own will, or None."""
    if ending.how == wire.NOT_STARTED:
        return Outcome("infrastructure", message=f"no process could be started (errno {ending.code})")
    if ending.stopped_by in _TIMEOUTS:
        return Outcome("timeout", message=_TIMEOUTS[ending.stopped_by])
    if ending.cpu_s > limits.cpu_s:
        return Outcome("timeout", message=_TIMEOUTS[wire.BY_CPU])
    if ending.stopped_by == wire.BY_FLOOD:
        return _FORGED
    if ending.how == wire.SIGNALLED:
        return _ended_by_signal(ending, limits)
    if ending.how != wire.EXITED or ending.code:
        return Outcome("crashed", message=f"the program's process ended with exit code {ending.code}")
    return None


def _ended_by_signal(ending: Ending, limits: Limits) -> Outcome:
    if ending.code == signal.SIGKILL:
        return Outcome(
            "infrastructure", message="the program's process was killed from outside, as when memory runs out"
        )
    if ending.code == signal.SIGUSR1:
        return Outcome("infrastructure", message="the program's process could not be confined")
    if ending.code == signal.SIGXCPU:
        return Outcome("timeout", message=_TIMEOUTS[wire.BY_CPU])
    if ending.code in _MEMORY_SIGNALS and ending.peak_bytes > limits.memory_mib * MEBIBYTE * FULL_RATIO:
        return Outcome("out_of_memory")
    try:
        name = signal.Signals(ending.code).name
    except ValueError:
        name = f"signal {ending.code}"
    return Outcome("crashed", message=f"the program's process ended by {name}")


def _told(frame: Frame) -> Outcome:
    match frame.kind:
        case wire.VALUE:
            return _value(frame.payload)
        case wire.EXCEPTION:
            return _exception(frame.payload)
        case wire.UNSERIALISABLE:
            return Outcome("not_serialisable", message=_text(_parsed(frame.payload), MESSAGE_CHARACTERS))
        case wire.TOO_LARGE:
            return Outcome("output_too_large")
        case wire.NO_MEMORY:
            return Outcome("out_of_memory")
        case _:
            raise MalformedFrames


def _parsed(payload: bytes) -> Json:
    try:
        return decode_json(payload)
    except Undecodable:
        raise MalformedFrames from None


def _value(payload: bytes) -> Outcome:
    return Outcome("ok", value_json=written_json(_parsed(payload)))


def _exception(payload: bytes) -> Outcome:
    match _parsed(payload):
        case [str(name), message] if message is None or isinstance(message, str):
            return Outcome(
                "exception", error_type=_text(name, ERROR_TYPE_CHARACTERS), message=_text(message, MESSAGE_CHARACTERS)
            )
        case _:
            raise MalformedFrames


def _text(value: object, characters: int) -> str | None:
    return value[:characters].encode(errors="replace").decode() if isinstance(value, str) else None
