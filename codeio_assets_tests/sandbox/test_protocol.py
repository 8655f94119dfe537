"""The host's end of the pipes against peers that break every rule."""

import os
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codeio_assets.sandbox import Job, Limits, protocol
from codeio_assets.sandbox.inside import wire
from codeio_assets.sandbox.protocol import (
    Channel,
    Frame,
    MalformedFrames,
    Request,
    WorkerDied,
    pack_request,
    split_frames,
)

NONCE = bytes(range(wire.NONCE_BYTES))
GOOD_END = wire.ENDING.pack(wire.EXITED, wire.BY_ITSELF, 0, 0.1, 0.2, False, 1)


def frame(kind: bytes, payload: bytes, nonce: bytes = NONCE) -> bytes:
    return wire.LEAF.pack(nonce, kind, len(payload)) + payload


def reply(kind: bytes, payload: bytes) -> bytes:
    return wire.REPLY.pack(kind, len(payload)) + payload


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([b"V", b"X", b"S"]), st.binary(max_size=50))))
def test_frames_are_split_as_they_were_written(frames: list[tuple[bytes, bytes]]) -> None:
    stream = b"".join(frame(kind, payload) for kind, payload in frames)
    assert split_frames(stream, NONCE) == ([Frame(*each) for each in frames], True)


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=200))
def test_garbage_is_never_a_frame(garbage: bytes) -> None:
    try:
        frames, whole = split_frames(garbage, NONCE)
    except MalformedFrames:
        return
    assert not frames
    assert whole == (garbage == b"")


@pytest.mark.parametrize("cut", [1, 5, 20, 21, 24])
def test_a_cut_stream_gives_the_whole_frames_only(cut: int) -> None:
    stream = frame(b"V", b"1234") + frame(b"V", b"1234")[:cut]
    assert split_frames(stream, NONCE) == ([Frame(b"V", b"1234")], False)


def test_another_nonce_is_malformed() -> None:
    with pytest.raises(MalformedFrames):
        split_frames(frame(b"V", b"1") + frame(b"V", b"1", bytes(16)), NONCE)


def test_a_length_beyond_the_stream_asks_for_no_memory() -> None:
    assert split_frames(wire.LEAF.pack(NONCE, b"V", 0xFFFFFFFF), NONCE) == ([], False)


class Peer:
    """A worker that answers whatever it is told to."""

    def __init__(self) -> None:
        self.requests, commands = os.pipe()
        replies, self.answers = os.pipe()
        self.channel = Channel(commands, replies)

    def say(self, data: bytes) -> None:
        os.write(self.answers, data)

    def hang_up(self) -> None:
        os.close(self.answers)
        self.answers = -1

    def close(self) -> None:
        self.channel.close()
        os.close(self.requests)
        if self.answers >= 0:
            self.hang_up()


@pytest.fixture
def peer() -> Iterator[Peer]:
    made = Peer()
    yield made
    made.close()


def packed(code: str = "") -> Request:
    return pack_request(Job("j", code), Limits(output_bytes=10), [{}])


REQUEST = packed()


def test_data_and_ending_come_back(peer: Peer) -> None:
    peer.say(reply(wire.ALIVE, b"") + reply(wire.DATA, b"ab") + reply(wire.DATA, b"c") + reply(wire.END, GOOD_END))
    stream, ending = peer.channel.exchange(REQUEST)
    assert stream == b"abc"
    assert (ending.how, ending.code, ending.cpu_s, ending.must_replace_worker) == (wire.EXITED, 0, 0.1, False)


@pytest.mark.parametrize(
    "said",
    [
        reply(wire.END, GOOD_END + b"x"),
        reply(wire.END, b""),
        reply(b"?", b""),
        reply(wire.READY, b"{}"),
        wire.REPLY.pack(wire.DATA, 0xFFFFFFFF),
        b"",
        b"D",
    ],
    ids=["long ending", "short ending", "unknown kind", "ready again", "4 GiB of data", "nothing", "half a head"],
)
def test_a_peer_that_breaks_the_protocol_is_dead(peer: Peer, said: bytes) -> None:
    peer.say(said)
    peer.hang_up()
    with pytest.raises(WorkerDied):
        peer.channel.exchange(REQUEST)


def test_more_data_than_asked_for_is_refused(peer: Peer) -> None:
    def flood() -> None:
        while True:
            try:
                peer.say(reply(wire.DATA, bytes(60_000)))
            except OSError:
                return

    thread = threading.Thread(target=flood)
    thread.start()
    with pytest.raises(WorkerDied, match="more than"):
        peer.channel.exchange(REQUEST)
    peer.channel.close()
    thread.join()


def test_silence_is_death(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "STALL_S", 0.05)
    with pytest.raises(WorkerDied, match="silent"):
        peer.channel.exchange(REQUEST)


def test_a_peer_that_takes_no_request_is_dead(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "STALL_S", 0.05)
    large = packed("x" * 10**6)
    with pytest.raises(WorkerDied, match="takes no request"):
        peer.channel.exchange(large)


@pytest.mark.parametrize("facts", [b"", b"[]", b"{", b"\xff", b"[" * 100])
def test_facts_that_are_no_object_are_refused(peer: Peer, facts: bytes) -> None:
    peer.say(reply(wire.READY, facts))
    with pytest.raises(WorkerDied):
        peer.channel.read_facts(1.0)
