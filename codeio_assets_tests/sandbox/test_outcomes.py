"""What the host makes of a leaf's frames and its ending."""

import json
import signal
from dataclasses import replace
from typing import Any

import pytest

from codeio_assets.sandbox import STATUSES, Limits, Outcome
from codeio_assets.sandbox.inside import wire
from codeio_assets.sandbox.outcomes import judge
from codeio_assets.sandbox.protocol import Ending, Request

NONCE = bytes(wire.NONCE_BYTES)
LIMITS = Limits(cpu_s=1.0, memory_mib=100)
MEBIBYTE = 1 << 20


def ending(**changes: Any) -> Ending:
    usual: dict[str, Any] = {"how": wire.EXITED, "stopped_by": wire.BY_ITSELF, "code": 0, "cpu_s": 0.5, "wall_s": 0.6}
    return Ending(**(usual | {"must_replace_worker": False, "peak_bytes": 0} | changes))


def frame(kind: bytes, payload: bytes) -> bytes:
    return wire.LEAF.pack(NONCE, kind, len(payload)) + payload


def request(turns: int) -> Request:
    return Request(NONCE, turns, b"", 1 << 20)


def judged(stream: bytes, end: Ending | None = None, turns: int = 1) -> list[Outcome]:
    outcomes, _ = judge(request(turns), stream, end or ending(), LIMITS)
    assert len(outcomes) == turns
    assert all(outcome.status in STATUSES for outcome in outcomes)
    return outcomes


VALUE = frame(wire.VALUE, b'{"b": 1.50, "a": [NaN]}')


def test_a_value_is_made_compact_and_keeps_its_order() -> None:
    assert judged(VALUE) == [Outcome("ok", value_json='{"b":1.5,"a":[NaN]}', cpu_s=0.5, wall_s=0.6)]


def test_bytecode_comes_apart_from_the_value() -> None:
    asked = replace(request(1), asks_bytecode=True)
    outcomes, bytecode = judge(asked, frame(wire.BYTECODE, b"abc") + VALUE, ending(), LIMITS)
    assert (outcomes[0].status, bytecode) == ("ok", b"abc")


BYTECODE = frame(wire.BYTECODE, b"abc")


@pytest.mark.parametrize(
    ("asked", "stream"),
    [
        (False, BYTECODE + VALUE),
        (True, VALUE + BYTECODE),
        (True, VALUE),
        (True, BYTECODE + BYTECODE + VALUE),
        (True, BYTECODE + VALUE + BYTECODE),
    ],
    ids=["unasked", "too late", "missing", "twice", "again at the end"],
)
def test_bytecode_is_taken_when_asked_for_once_in_its_place(asked: bool, stream: bytes) -> None:
    [outcome], _ = judge(replace(request(1), asks_bytecode=asked), stream, ending(), LIMITS)
    assert outcome.status == "crashed"


@pytest.mark.parametrize(
    ("stream", "status"),
    [
        (b"", "crashed"),
        (b"{}", "crashed"),
        (VALUE + b"x", "crashed"),
        (VALUE + VALUE, "crashed"),
        (VALUE[:-1], "crashed"),
        (VALUE + frame(wire.BYTECODE, b""), "crashed"),
        (frame(b"?", b""), "crashed"),
        (frame(b"\x00", b"1"), "crashed"),
        (frame(wire.VALUE, b""), "crashed"),
        (frame(wire.VALUE, b"ok"), "crashed"),
        (frame(wire.VALUE, b'"\xff"'), "crashed"),
        (frame(wire.VALUE, b"[" * 100_000), "crashed"),
        (frame(wire.VALUE, b"1" * 5000), "crashed"),
        (frame(wire.EXCEPTION, b"[]"), "crashed"),
        (frame(wire.EXCEPTION, b"[1, 2]"), "crashed"),
        (frame(wire.EXCEPTION, b'["E", {}]'), "crashed"),
        (frame(wire.EXCEPTION, b'["E", "x"]'), "exception"),
        (frame(wire.EXCEPTION, b'["E", null]'), "exception"),
        (frame(wire.UNSERIALISABLE, b'"why"'), "not_serialisable"),
        (frame(wire.TOO_LARGE, b""), "output_too_large"),
        (frame(wire.NO_MEMORY, b""), "out_of_memory"),
    ],
)
def test_what_a_leaf_says(stream: bytes, status: str) -> None:
    assert judged(stream)[0].status == status


@pytest.mark.parametrize(
    ("end", "status"),
    [
        (ending(stopped_by=wire.BY_CPU, how=wire.SIGNALLED, code=9), "timeout"),
        (ending(stopped_by=wire.BY_WALL, how=wire.SIGNALLED, code=9), "timeout"),
        (ending(stopped_by=wire.BY_FLOOD, how=wire.SIGNALLED, code=9), "crashed"),
        (ending(cpu_s=1.01), "timeout"),
        (ending(how=wire.SIGNALLED, code=signal.SIGXCPU), "timeout"),
        (ending(how=wire.SIGNALLED, code=signal.SIGKILL), "infrastructure"),
        (ending(how=wire.SIGNALLED, code=signal.SIGUSR1), "infrastructure"),
        (ending(how=wire.NOT_STARTED, code=11), "infrastructure"),
        (ending(how=wire.SIGNALLED, code=signal.SIGSEGV), "crashed"),
        (ending(how=wire.SIGNALLED, code=signal.SIGSYS), "crashed"),
        (ending(how=wire.SIGNALLED, code=signal.SIGSEGV, peak_bytes=99 * MEBIBYTE), "out_of_memory"),
        (ending(how=wire.SIGNALLED, code=200), "crashed"),
        (ending(code=70), "crashed"),
        (ending(how=b"?"), "crashed"),
    ],
)
def test_the_ending_outweighs_a_good_value(end: Ending, status: str) -> None:
    [outcome] = judged(VALUE, end)
    assert outcome.status == status
    assert outcome.value_json is None


def test_draws_before_a_bad_end_stand_and_the_rest_get_the_reason() -> None:
    end = ending(stopped_by=wire.BY_CPU, how=wire.SIGNALLED, code=9)
    statuses = [outcome.status for outcome in judged(VALUE + VALUE, end, turns=4)]
    assert statuses == ["ok", "ok", "timeout", "timeout"]


def test_more_draws_than_asked_for_are_a_forgery() -> None:
    assert [outcome.status for outcome in judged(VALUE * 3, turns=2)] == ["ok", "crashed"]


def test_one_foreign_frame_spoils_all_draws() -> None:
    stream = VALUE + wire.LEAF.pack(b"x" * 16, wire.VALUE, 1) + b"1"
    assert {outcome.status for outcome in judged(stream, turns=2)} == {"crashed"}


def test_texts_can_be_stored() -> None:
    said = json.dumps(["E\ud800" * 100, "m\ud800" * 1000]).encode()
    [outcome] = judged(frame(wire.EXCEPTION, said))
    assert outcome.error_type
    assert outcome.message
    (outcome.error_type + outcome.message).encode()
    assert (len(outcome.error_type), len(outcome.message)) == (100, 1000)
