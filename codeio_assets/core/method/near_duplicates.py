"""What two files of code have in common: tokens without comments and layout, and their shingles.

What does not live here: signatures, groups and where they are kept (`sources.kinship`).
"""

import re

_TOKEN = re.compile(
    r"""
    (?P<comment>\#[^\r\n]*)
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


def structure_tokens(code: str) -> list[str]:
    """Return the tokens of a Python text, and where its blocks begin and end.

    Two texts that have them all alike do the same, whatever the width of their indentation and their comments.
    """
    tokens: list[str] = []
    widths = [0]
    depth, end = 0, 0
    for match in _TOKEN.finditer(code):
        if match.lastgroup == "comment":
            continue  # the line ends after it, which the next token sees
        token = match.group()
        before = code[end : match.start()]
        is_first = "\n" in before or "\r" in before or not tokens
        if is_first and depth == 0 and not (tokens and tokens[-1] == "\\"):
            line = re.split(r"[\r\n]", before)[-1]
            tokens += _layout(len(line.expandtabs(8)), widths)
        depth = max(0, depth + (token in "([{") - (token in ")]}"))
        tokens.append(token)
        end = match.end()
    return tokens


def _layout(width: int, widths: list[int]) -> list[str]:
    """Return the marks for a line of this indentation, and bring the open blocks up to date."""
    if width > widths[-1]:
        widths.append(width)
        return ["<indent>"]
    closed = 0
    while width < widths[-1]:
        widths.pop()
        closed += 1
    return ["<dedent>"] * closed


def shingles(tokens: list[str], size: int) -> set[str]:
    """Return the runs of `size` tokens that follow each other; a shorter text is one run."""
    if len(tokens) <= size:
        return {" ".join(tokens)}
    return {" ".join(tokens[start : start + size]) for start in range(len(tokens) - size + 1)}
