"""What two files of code have in common: tokens without comments and layout, and their shingles.

What does not live here: signatures, groups and where they are kept (`sources.kinship`).
"""

import re

_TOKEN = re.compile(
    r"""
    (?P<comment>\#[^\n]*)
    | [rRbBuUfF]{0,2}(?:
        \"{3}(?:[^\\]|\\.)*?(?:\"{3}|\Z) | '{3}(?:[^\\]|\\.)*?(?:'{3}|\Z)
        | "(?:[^"\\\n]|\\.)*"? | '(?:[^'\\\n]|\\.)*'?
    )
    | \w+
    | [^\w\s]
    """,
    re.VERBOSE | re.DOTALL,
)
"""A string that is never closed ends with its line or the file, so that each character is looked at once."""


def code_tokens(code: str) -> list[str]:
    """Return the tokens of a Python text, whether it parses or not; comments, blanks and indentation do not count."""
    return [match.group() for match in _TOKEN.finditer(code) if match.lastgroup != "comment"]


def shingles(tokens: list[str], size: int) -> set[str]:
    """Return the runs of `size` tokens that follow each other; a shorter text is one run."""
    if len(tokens) <= size:
        return {" ".join(tokens)}
    return {" ".join(tokens[start : start + size]) for start in range(len(tokens) - size + 1)}
