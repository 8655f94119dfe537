"""The form of one journal line.

What lives here: request and response to one line of bytes, and back. A line is canonical JSON with the
fields `checksum`, `key`, `request`, `response`, `version`, in this (sorted) order, so that checksum and
key stand at fixed columns: an index needs no JSON parsing. The checksum covers the line without it.
What does not: files (`journal`).
"""

from dataclasses import dataclass
from typing import Any

from codeio_assets.core.values.canonical import canonical_json, sha256_hex
from codeio_assets.core.values.decoding import Undecodable, decode_json
from codeio_assets.llm.contract import ChatRequest, ChatResponse

LINE_VERSION = 1

_CHECKSUM_DIGITS = 16
_PREFIX = b'{"checksum":"'
_BODY_AT = len(_PREFIX) + _CHECKSUM_DIGITS + len(b'",')
_KEY_PREFIX = b'"key":"'
_KEY_AT = _BODY_AT + len(_KEY_PREFIX)
_KEY_END = _KEY_AT + 64


class CorruptLine(Exception):  # noqa: N818
    """A complete line that is not what was written: wrong checksum, wrong form, or an unknown version."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """One recorded exchange."""

    request: ChatRequest
    response: ChatResponse


def encode_line(request: ChatRequest, response: ChatResponse) -> bytes:
    """Return the line of an exchange, newline included; equal exchanges give equal bytes."""
    record = {
        "key": response.key,
        "request": request.as_json(),
        "response": response.as_json(),
        "version": LINE_VERSION,
    }
    body = canonical_json(record).encode()[1:]
    return _head(body) + body + b"\n"


def line_key(line: bytes) -> str:
    """Return the key of a line whose checksum holds.

    Raises:
        CorruptLine: the checksum or the form is wrong.
    """
    body = line[_BODY_AT:].rstrip(b"\n")
    if not body.startswith(_KEY_PREFIX) or line[_KEY_END : _KEY_END + 1] != b'"':
        raise CorruptLine("not a journal line")
    if line[:_BODY_AT] != _head(body):
        raise CorruptLine("the checksum does not hold")
    return line[_KEY_AT:_KEY_END].decode("ascii", "replace")


def decode_line(line: bytes) -> Recorded:
    """Return the exchange that a line holds.

    Raises:
        CorruptLine: the checksum or the form is wrong, or a newer version wrote the line.
    """
    key = line_key(line)
    try:
        record: Any = decode_json(line)
    except Undecodable as error:
        raise CorruptLine(str(error)) from None
    if record.get("version") != LINE_VERSION:
        raise CorruptLine(f"version {record.get('version')} is not {LINE_VERSION}")
    try:
        request = ChatRequest.from_json(record["request"])
        answer = record["response"]
        answer["alternatives"] = tuple(answer.get("alternatives", ()))
        return Recorded(request, ChatResponse(key=key, **answer))
    except (KeyError, TypeError) as error:
        raise CorruptLine(f"the fields are not those of version {LINE_VERSION}: {error}") from None


def _head(body: bytes) -> bytes:
    """Return what stands before the body."""
    return _PREFIX + sha256_hex(body)[:_CHECKSUM_DIGITS].encode() + b'",'
