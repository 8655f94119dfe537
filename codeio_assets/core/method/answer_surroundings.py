"""What stands around an object in a response: whether it may be a part of something that cannot be read.

What lives here: the marks that brackets and strings are told by, what objects begin with, what parts them from prose.
What does not: finding and reading the object itself (`answers`).
"""

import re
from typing import Final

from codeio_assets.core.values.canonical import Json, canonical_json
from codeio_assets.core.values.notations import BARE_WORD, PLAIN, STRING, WRAPPED, Unreadable, read_notation, scan_json

# A string counts as one only right after punctuation, where a value or key can begin: an apostrophe in prose,
# or a quotation mark that a model forgot to escape, must not hide the braces after it.
MARK: Final = re.compile(
    rf"([{{\[(,:｛［（，：])\s*+({STRING}|{WRAPPED}|{BARE_WORD}(?=\s*+[:：]))?+|([}}\])｝］）])", re.DOTALL | re.VERBOSE
)
_TEXT: Final = r'"(?:[^"\\\n]|\\.)*+"'
_BEGINS: Final = re.compile(
    rf"""
      \{{\s*+(?: (?!{_TEXT}(?:\s*+,\s*+{_TEXT})*+\s*+\}}) {_TEXT} | "[^":\n]*+:
             | '[^'\n]*+'\s*+: | “[^”\n]*+”\s*+: | {WRAPPED} )
    | "\s*+:
    """,
    re.VERBOSE,
)
"""What an object that has a member begins with, though a mark may be lost; or a member's name outside of any object."""
_APART: Final = re.compile(
    r"""
      ^\s*+``` [^\n"]*+ $
    | ^(?=[^\n]{0,60}?[^\W\d_]{2}[^\n]{0,60}?(?:[:.]|\b[^\S\n]++[^\W\d_])) [^"{}\[\]\n]++(?:(?<!,)$|(?=\{))
    """,
    re.VERBOSE | re.MULTILINE,
)
"""A fence, or a line of words without quotation marks and brackets: no JSON goes on across these."""
_FREE: Final = re.compile(r"(?:[^\W\d_]{2}\s++|[`*$]\s*+|(?:[=-]>|=)\s++)(?:\\(?:left\s*+\\?+)?+)?+\Z")
"""Prose right before an object: a word, a mark of emphasis or code, an arrow."""
_GOES_ON: Final = re.compile(
    r"""
      \s*+(?: [,}\]]\s*+(?:[^\n{]|\{(?!\s*+["']))*?"\s*+: | \}\s*+[:"] )
    | [^\s"]{0,8}"\s*+: | [^\s"]{1,8}"\s*+[}\]]
    """,
    re.VERBOSE,
)
"""After an object: more members, or the rest of a string."""


def may_be_part(response: str, start: int, end: int, key: str, found: Json) -> bool:
    """Tell whether the object that begins here, with what was found in it, may be a part of something else.

    It may if it stands after the beginning of something that cannot be read, without anything between the two that only
    prose has, or in something that can, but has the key with another value, or if members go on after it.
    """
    place = max((match.end() for match in _APART.finditer(response, 0, start)), default=0)
    while (match := _BEGINS.search(response, place)) is not None and match.start() < start:
        whole = _readable(response, match.start())
        if whole is None:
            return not follows(_FREE, response, start)
        value, place = whole
        if place > start:
            inner = _last_member(value, key)
            end = place
            if inner is None or canonical_json(inner[0]) != canonical_json(found):
                return True
    return _GOES_ON.match(response, end) is not None


def follows(pattern: re.Pattern[str], response: str, start: int) -> bool:
    """Tell whether a pattern, which ends where its text does, is found right before a place, within 60 characters."""
    return pattern.search(response[max(0, start - 60) : start]) is not None


def _last_member(value: Json, key: str) -> tuple[Json] | None:
    """Return the value of the key in the last object that has it, outer before inner."""
    if isinstance(value, dict) and key in value:
        return (value[key],)
    parts = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    return next((found for part in reversed(parts) if (found := _last_member(part, key)) is not None), None)


def _readable(response: str, start: int) -> tuple[Json, int] | None:
    """Return the object that begins here and where it ends, or None if it cannot be read."""
    if response[start] != "{":
        return None
    try:
        return scan_json(response, start)
    except Unreadable:
        pass
    depth = 0
    for match in MARK.finditer(response, start):
        mark = (match[1] or match[3]).translate(PLAIN)
        depth += 1 if mark in "{[(" else -1 if mark in "}])" else 0
        if depth == 0:
            try:
                return read_notation(response[start : match.end()]), match.end()
            except Unreadable:
                return None
    return None
