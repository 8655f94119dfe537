"""Canonical JSON and content ids: the one identity of values, rows and requests.

What lives here: turning a JSON value into its one canonical text, and texts into ids.
What does not: comparing values with a tolerance (`comparison`).
"""

import hashlib
import json
from typing import Any

Json = Any
"""A JSON value as `json.loads` returns it; NaN and the infinities are allowed, as in Python's `json`."""


def canonical_json(value: Json) -> str:
    """Return the one text of a JSON value: sorted keys, no blanks, unescaped Unicode where it is encodable.

    Raises:
        TypeError: the value holds something that JSON has no form for.
        ValueError: the value contains itself.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:  # lone surrogates have no UTF-8 form; their \\u escapes do
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return text


def sha256_hex(data: bytes | str) -> str:
    """Return the sha256 of bytes, or of a text's UTF-8 form, as 64 hex digits."""
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()


def content_id(**fields: Json) -> str:
    """Return the id of a record: the sha256 of the canonical JSON of its identifying fields."""
    return sha256_hex(canonical_json(fields))
