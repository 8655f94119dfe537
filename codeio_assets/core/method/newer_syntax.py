"""Telling code of a newer Python from what is no Python: by the parts that newer versions brought.

What lives here: rewriting those parts in older words, so that this interpreter can say whether the rest is code; what
a newer one is asked.
What does not: parsing, and what becomes of such a file (`raw_code`).
"""

import re
from collections.abc import Callable
from typing import Final

COMPUTATION: Final = (
    "FunctionDef", "AsyncFunctionDef", "ClassDef", "For", "AsyncFor", "While",
    "Lambda", "ListComp", "SetComp", "DictComp", "GeneratorExp",
)  # fmt: skip
"""The kinds of nodes, by name, that compute something."""
Elsewhere = Callable[[str], bool | None]
"""Whether another Python finds a computation in a text; None where it cannot read it."""

_PARAMETERS = r"\[(?P<inside>[^\[\]\n]*+(?:\[[^\[\]\n]*+\][^\[\]\n]*+)*+)\]"
_PARTS: Final[tuple[tuple[str, str, re.Pattern[str], str], ...]] = (
    (
        "defaults of type parameters",
        "3.13",
        re.compile(
            rf"^(?P<head>[ \t]*+(?:class|(?:async[ \t]++)?+def)[ \t]++\w++)[ \t]*+(?=\[[^\]\n]*=){_PARAMETERS}", re.M
        ),
        r"\g<head>",
    ),
    (
        "type parameters",
        "3.12",
        re.compile(rf"^(?P<head>[ \t]*+(?:class|(?:async[ \t]++)?+def)[ \t]++\w++)[ \t]*+{_PARAMETERS}", re.M),
        r"\g<head>",
    ),
    (
        "the `type` statement",
        "3.12",
        re.compile(rf"^(?P<head>[ \t]*+)type[ \t]++(?P<name>\w++)[ \t]*+(?:{_PARAMETERS})?+[ \t]*+=", re.M),
        r"\g<head>\g<name> =",
    ),
    ("template strings", "3.14", re.compile(r"(?<![\w\"'])[tT](?=[rR]?[\"'])"), "f"),
)
"""What it is, the version that brought it, how it looks, and what takes its place."""
_F_STRING: Final = re.compile(r"""(?<![\w"'])[fF](?P<quote>["'])(?P<text>(?:[^"'\\\n{}]|\{[^{}\n]*+\})*+)(?P=quote)""")
_MAX_CHARS: Final = 200_000


def newer_part(code: str, is_python: Callable[[str], bool]) -> tuple[str, str] | None:
    """Return what of a text only a newer Python reads, and the version that brought it; None when that is not all.

    Args:
        code: a text that this interpreter does not parse.
        is_python: whether this interpreter parses a text.
    """
    if len(code) > _MAX_CHARS:
        return None
    found: tuple[str, str] | None = None
    for name, version, pattern, older in _PARTS:
        code, count = pattern.subn(older, code)
        if count and (found is None or version > found[1]):
            found = name, version
    if found is not None and is_python(code):
        return found
    changed = _F_STRING.sub(_with_other_quotes, code)
    if changed != code and is_python(changed):
        return found if found and found[1] > "3.12" else ("quotes or backslashes inside an f-string's braces", "3.12")
    return None


def _with_other_quotes(match: re.Match[str]) -> str:
    """Return an f-string that reuses its own quotes in braces, or a backslash, as older versions could have it."""
    quote = match["quote"]
    parts = re.split(r"(\{[^{}\n]*+\})", match["text"])
    plain = ["{0}" if part.startswith("{") and (quote in part or "\\" in part) else part for part in parts]
    return f"f{quote}{''.join(plain)}{quote}"
