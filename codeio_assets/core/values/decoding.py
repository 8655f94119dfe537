"""JSON from outside: one bounded decoder for every place where bytes of strangers become values.

What lives here: bytes or text to a value, within bounds on size, depth, items and digits; every other text ends as
`Undecodable`, never as another error. Also what makes a text storable, and counts that a server reports.
What does not: notations that are almost JSON (`notations`), the canonical text (`canonical`), reading files and pipes.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal, cast

from codeio_assets.core.values.canonical import Json

MAX_DEPTH: Final = 200
"""Containers around a scalar. Python's `json` gives up some hundreds deeper, depending on who calls it."""
MAX_DIGITS: Final = 4_300
"""Python refuses longer integers, in either direction."""
MAX_COUNT: Final = 2**53
"""Counts from here on are no counts: no table holds them, and floats cannot tell them apart."""
TOO_DEEP: Final = f"<nested deeper than {MAX_DEPTH}>"
TOO_LONG: Final = f"<a number of more than {MAX_DIGITS} digits>"

Reason = Literal["too_large", "not_utf8", "not_json", "too_deep", "too_many_items", "number_too_long"]


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one JSON text may take: bytes of its UTF-8 form, depth of its containers, and members and elements."""

    max_bytes: int = 64 << 20
    max_depth: int = MAX_DEPTH
    max_items: int = 4_000_000


BOUNDS: Final = Bounds()
"""For a line of a file, or the body of a response (the largest real ones hold log-probabilities)."""


class Undecodable(ValueError):  # noqa: N818  (a finding about a text)
    """The text is no JSON value within the bounds; the message says why in a few words, `reason` as a code."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason: Reason = reason


def decode_json(data: bytes | bytearray | str, bounds: Bounds = BOUNDS, *, storable: bool = False) -> Json:
    """Return the value of a whole JSON text.

    NaN and the infinities are allowed, as in Python's `json`; a byte order mark is passed over; UTF-8 is the only
    encoding.

    Args:
        data: the text, or its bytes.
        bounds: what it may take.
        storable: replace what no table or database holds (lone surrogates, NUL) by U+FFFD in every string.

    Raises:
        Undecodable: it is no JSON, or beyond the bounds.
    """
    text = _text(data, bounds)
    if text.count(",") + text.count("[") + text.count("{") > bounds.max_items and _items(text) > bounds.max_items:
        raise Undecodable("too_many_items", f"holds more than {bounds.max_items:,} items")
    try:
        value: Json = json.loads(text)
    except json.JSONDecodeError as error:
        raise Undecodable("not_json", f"{error.msg} (character {error.pos})") from None
    except ValueError:  # Python's limit on the digits of an integer
        raise Undecodable("number_too_long", f"holds an integer of more than {MAX_DIGITS:,} digits") from None
    except RecursionError:
        raise _too_deep(bounds) from None
    if text.count("[") + text.count("{") > bounds.max_depth and is_deeper(value, bounds.max_depth):
        raise _too_deep(bounds)
    return _storable_value(value) if storable and ("\\u" in text or isinstance(data, str)) else value


def _text(data: bytes | bytearray | str, bounds: Bounds) -> str:
    """Return the text, without a byte order mark."""
    if len(data) > bounds.max_bytes:
        raise Undecodable("too_large", f"takes {len(data):,} bytes, more than {bounds.max_bytes:,}")
    if isinstance(data, str):
        return data.removeprefix("\ufeff")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Undecodable("not_utf8", f"not UTF-8 at byte {error.start}") from None


def _too_deep(bounds: Bounds) -> Undecodable:
    return Undecodable("too_deep", f"is nested deeper than {bounds.max_depth}")


_STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\Z)', re.DOTALL)


def _items(text: str) -> int:
    """Return how many members, elements and containers a text has at most, strings left out."""
    bare = _STRING.sub("", text)
    return bare.count(",") + bare.count("[") + bare.count("{")


def is_deeper(value: Json, depth: int) -> bool:
    """Return whether containers are nested deeper than so many levels, without recursion."""
    level = _containers([value])
    for _ in range(depth):
        if not level:
            return False
        level = [part for node in level for part in _containers(_parts(node))]
    return bool(level)


def _containers(values: Iterable[Json]) -> list[Json]:
    return [value for value in values if type(value) in (dict, list)]


def _parts(node: Json) -> Iterable[Json]:
    return node.values() if isinstance(node, dict) else cast("list[Json]", node)


# -- texts and counts ---------------------------------------------------------------------------------------------

_UNSTORABLE: Final = re.compile("[\ud800-\udfff\0]")


def storable_text(text: str) -> str:
    """Return a text with lone surrogates, which UTF-8 cannot hold, as escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


_UNPRINTABLE: Final = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    """Return a text in which nothing steers a terminal: control characters and marks of direction as escapes."""
    return _UNPRINTABLE.sub(lambda mark: f"\\u{ord(mark[0]):04x}", storable_text(text))


def _storable_value(value: Json) -> Json:
    """Return a value whose strings hold no lone surrogate and no NUL; recursion is safe within the depth bound."""
    if isinstance(value, str):
        return _UNSTORABLE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_storable_value(item) for item in value]
    if isinstance(value, dict):
        return {_UNSTORABLE.sub("\ufffd", key): _storable_value(item) for key, item in value.items()}
    return value


def object_of(value: Json) -> dict[str, Json]:
    """Return a value that must be an object.

    Raises:
        TypeError: it is none.
    """
    if not isinstance(value, dict):
        raise TypeError(f"an object expected, found {type(value).__name__}")
    return value


def list_of(value: Json) -> list[Json]:
    """Return a value that must be a list.

    Raises:
        TypeError: it is none.
    """
    if not isinstance(value, list):
        raise TypeError(f"a list expected, found {type(value).__name__}")
    return value


def count_of(value: Json) -> int:
    """Return a count that somebody reports, 0 for none.

    Raises:
        ValueError: it is no whole number from 0 to 2**53.
    """
    if value is None:
        return 0
    if type(value) is float and value.is_integer():
        value = int(value)
    if type(value) is not int or not 0 <= value <= MAX_COUNT:
        raise ValueError(f"not a count: {str(value)[:40]}")
    return value


# -- what is out of bounds, cut out ---------------------------------------------------------------------------------

_MARK: Final = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\Z)|[\[{]|[\]}]|(?<![.eE+\d-])-?\d{4301,}+(?![.eE])', re.DOTALL)


def within_bounds(text: str) -> str:
    """Return a JSON text with what is nested too deep, and integers that are too long, replaced by `TOO_DEEP` etc.

    The rest of the text stays as it is, so that a line can be named and answered for, whatever one value in it is.
    """
    kept: list[str] = []
    depth, place = 0, 0
    for match in _MARK.finditer(text):
        mark = match[0][0]
        if mark in "[{":
            depth += 1
            if depth == MAX_DEPTH + 1:
                kept += [text[place : match.start()], json.dumps(TOO_DEEP)]
        elif mark in "]}":
            depth -= 1
            if depth == MAX_DEPTH:
                place = match.end()
        elif mark != '"' and depth <= MAX_DEPTH:
            kept += [text[place : match.start()], json.dumps(TOO_LONG)]
            place = match.end()
    return "".join([*kept, text[place:] if depth <= MAX_DEPTH else ""])
