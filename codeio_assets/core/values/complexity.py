"""Which values are small enough to be predicted by reasoning.

What lives here: the complexity rule for one JSON value, input or output. What does not: outputs of null, duplicates
and reproduction (`core.method.io_pairs`).

Source: CodeI/O, appendix A, and the public repository.
"""

import sys
from collections.abc import Iterator
from typing import Final, Literal, cast

from codeio_assets.core.values.canonical import Json

Problem = Literal["too_large_bytes", "too_many_items", "string_too_long", "scalar_too_large"]

MAX_DEEP_BYTES: Final = 1024
MAX_ITEMS: Final = 20
MAX_STRING_CHARS: Final = 100
MAX_SCALAR_BYTES: Final = 128
"""Each limit is the first size that is too large."""


def check_complexity(value: Json) -> Problem | None:
    """Return why a value is too complex to be predicted, or None.

    Every key and element counts: containers have fewer than 20 items, strings fewer than 100 characters, other
    scalars take fewer than 128 bytes, and the whole value, with all it holds, takes fewer than 1,024 bytes of
    memory. The size is that of the value as `json.loads` returns it, so that equal texts have equal sizes.
    """
    for part in _parts(value):
        if isinstance(part, dict | list):
            if len(cast("list[Json]", part)) >= MAX_ITEMS:
                return "too_many_items"
        elif isinstance(part, str):
            if len(part) >= MAX_STRING_CHARS:
                return "string_too_long"
        elif _size_bytes(part) >= MAX_SCALAR_BYTES:
            return "scalar_too_large"
    return "too_large_bytes" if deep_size_bytes(value) >= MAX_DEEP_BYTES else None


def deep_size_bytes(value: Json) -> int:
    """Return the memory that a value takes with all it holds, an object held twice counted once.

    Equals `pympler.asizeof.asizeof`, which the public repository uses, at a fifth of its time.
    """
    distinct = {id(part): part for part in _parts(value)}
    return sum(_size_bytes(part) for part in distinct.values())


def _parts(value: Json) -> Iterator[Json]:
    """Yield a value and all its keys and elements, without recursion."""
    pending: list[Json] = [value]
    while pending:
        part = pending.pop()
        yield part
        if isinstance(part, dict):
            members = cast("dict[str, Json]", part)
            pending.extend(members)
            pending.extend(members.values())
        elif isinstance(part, list):
            pending.extend(cast("list[Json]", part))


def _size_bytes(value: Json) -> int:
    """Return an object's own size, in whole words of 8 bytes."""
    return (sys.getsizeof(value) + 7) & ~7
