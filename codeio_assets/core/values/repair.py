"""Texts that lack a bracket, or have one too many: read only where a single change gives a single value.

What lives here: all values within one change of punctuation, and whether they are one and the same. A character that
was lost is among these changes, so that what is read is what was there, or nothing is.
What does not: lexemes and grammar (`notations`). Numbers or strings that stand side by side are never separated: they
may be one number with blanks in it, or one string.
"""

from collections.abc import Iterator
from typing import Final

from codeio_assets.core.values.canonical import Json, canonical_json
from codeio_assets.core.values.notations import SCALARS, Token, Unreadable, begins_member, parse, tokens_of

MAX_TOKENS: Final = 150
"""Every change is tried at every place, which takes work with the square of this."""
_MARKS: Final = tuple(map(Token, "{}[](),:"))


def read_repaired(text: str) -> Json:
    """Return the only value that a text is within one change of its punctuation.

    Raises:
        Unreadable: it is none, or might be several.
    """
    tokens = tokens_of(text)
    if len(tokens) > MAX_TOKENS or any(_run_together(tokens, place) for place in range(1, len(tokens))):
        raise Unreadable
    found: dict[str, Json] = {}
    is_likely = False
    for changed, likely in _changes(tokens):
        try:
            value = parse(changed, distinct_keys=True)
        except Unreadable:
            continue
        found[canonical_json(value)] = value
        is_likely = is_likely or likely
        if len(found) > 1:
            raise Unreadable
    if not is_likely:
        raise Unreadable
    return found.popitem()[1]


def _run_together(tokens: list[Token], place: int) -> bool:
    """Tell whether two scalars stand side by side, other than a value and the next member's name."""
    both = tokens[place - 1].kind in SCALARS and tokens[place].kind in SCALARS
    return both and not begins_member(tokens, place)


def _changes(tokens: list[Token]) -> Iterator[tuple[list[Token], bool]]:
    """Yield the lexemes with one mark put in, left out, or put in another's place.

    Each with whether it is what writers do: forget a comma or to close, or close with the wrong bracket. Any other
    change only shows that the text may mean something else.
    """
    for place in range(len(tokens) + 1):
        before, after = tokens[:place], tokens[place:]
        for mark in _MARKS:
            yield [*before, mark, *after], mark.kind in "}]),"
        if after and after[0].kind not in SCALARS:
            yield before + after[1:], False
            for mark in _MARKS:
                if mark != after[0]:
                    yield [*before, mark, *after[1:]], mark.kind in "}])" and after[0].kind in "}])"
