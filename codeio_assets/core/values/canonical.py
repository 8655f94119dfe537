"""Canonical JSON and content ids: the one identity of values, rows and requests.

What lives here: turning a JSON value into its one canonical text, or into a text that keeps the order of keys (what is
executed and shown is as it was written; only identity sorts), and texts into ids.
What does not: comparing values with a tolerance (`comparison`).
"""

import hashlib
import json
from collections.abc import Mapping, Sequence

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
"""A JSON value as `json.loads` returns it; NaN and the infinities are allowed, as in Python's `json`."""
JsonLike = None | bool | int | float | str | Sequence["JsonLike"] | Mapping[str, "JsonLike"]
"""A value that `json.dumps` writes, for functions that only read it: a `list[str]` is one, though it is no `Json`."""


def canonical_json(value: JsonLike) -> str:
    """Return the one text of a JSON value: sorted keys, no blanks, unescaped Unicode where it is encodable.

    Raises:
        TypeError: the value holds something that JSON has no form for.
        ValueError: the value contains itself.
    """
    return _compact(value, sort_keys=True)


def written_json(value: JsonLike) -> str:
    """Return the text of a JSON value with its keys in their own order, else as `canonical_json` does.

    Raises:
        TypeError: the value holds something that JSON has no form for.
        ValueError: the value contains itself.
    """
    return _compact(value, sort_keys=False)


def canonical_text(text: str) -> str:
    """Return the canonical form of a compact JSON text."""
    return canonical_json(json.loads(text)) if "{" in text else text


def same_json(one: str | None, other: str | None) -> bool:
    """Tell whether two compact JSON texts hold the same value, whatever the order of their keys."""
    if one is None or other is None or one == other:
        return one == other
    return len(one) == len(other) and canonical_text(one) == canonical_text(other)


def _compact(value: JsonLike, *, sort_keys: bool) -> str:
    text = json.dumps(value, sort_keys=sort_keys, separators=(",", ":"), ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:  # lone surrogates have no UTF-8 form; their \u escapes do
        return json.dumps(value, sort_keys=sort_keys, separators=(",", ":"), ensure_ascii=True)
    return text


def sha256_hex(data: bytes | str) -> str:
    """Return the sha256 of bytes, or of a text's UTF-8 form, as 64 hex digits."""
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()


def content_id(**fields: JsonLike) -> str:
    """Return the id of a record: the sha256 of the canonical JSON of its identifying fields."""
    return sha256_hex(canonical_json(fields))
