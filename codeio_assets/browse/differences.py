"""What differs: two values side by side, and two texts as what was taken out and what was put in.

What does not live here: whether an answer is right (`core.method.verdicts`); a number within the tolerance of the rule
is no difference here either.
"""

import difflib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from codeio_assets.core.values.canonical import Json
from codeio_assets.core.values.comparison import Rule, equal_values

INDENT = 2
NARROW = 60
"""A value whose text is no longer stands on one line."""
MOST_WORDS = 6_000
"""Beyond that texts are compared by line: comparing words would take seconds."""
_WORDS = re.compile(r"\s+|\w+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a text; `what` says whether it is the same on both sides."""

    text: str
    what: Literal["same", "differs", "added", "removed"] = "same"


Pieces = list[Piece]


def compare_values(one_json: str | None, other_json: str | None, rule: Rule = "default") -> tuple[Pieces, Pieces]:
    """Return two JSON values as texts whose parts say where they differ. Of a missing value nothing is returned."""
    if one_json is None or other_json is None:
        whole = [[Piece(pretty(text))] if text is not None else [] for text in (one_json, other_json)]
        return whole[0], whole[1]
    one, other = json.loads(one_json), json.loads(other_json)
    return list(_beside(one, other, "", rule)), list(_beside(other, one, "", rule))


def pretty(value_json: str) -> str:
    """Return a JSON value over several lines where one would be long."""
    return "".join(piece.text for piece in _whole(json.loads(value_json), ""))


def _beside(value: Json, other: Json, indent: str, rule: Rule) -> Iterator[Piece]:
    """Yield the text of a value; what the other has differently is marked."""
    if _equal(value, other, rule):
        yield from _whole(value, indent)
    elif isinstance(value, dict) and isinstance(other, dict):
        items = [(f"{_text(name)}: ", each, name in other, other.get(name)) for name, each in value.items()]
        yield from _nested("{", "}", items, indent, rule)
    elif isinstance(value, list) and isinstance(other, list):
        beside = [*other, *([None] * (len(value) - len(other)))]
        items = [("", each, place < len(other), beside[place]) for place, each in enumerate(value)]
        yield from _nested("[", "]", items, indent, rule)
        if len(other) > len(value):
            yield Piece(f" ({len(other) - len(value)} missing)", "differs")
    else:
        yield Piece("".join(piece.text for piece in _whole(value, indent)), "differs")


def _nested(
    opening: str, closing: str, items: list[tuple[str, Json, bool, Json]], indent: str, rule: Rule
) -> Iterator[Piece]:
    inner = indent + " " * INDENT
    is_short = sum(len(_text(each)) + len(name) for name, each, _, _ in items) <= NARROW
    start, between, end = ("", ", ", "") if is_short else (f"\n{inner}", f",\n{inner}", f"\n{indent}")
    yield Piece(opening + (start if items else ""))
    for place, (name, each, has_other, other) in enumerate(items):
        if place:
            yield Piece(between)
        if has_other:
            yield Piece(name)
            yield from _beside(each, other, inner, rule)
        else:
            yield Piece(name + "".join(piece.text for piece in _whole(each, inner)), "differs")
    yield Piece((end if items else "") + closing)


def _whole(value: Json, indent: str) -> Iterator[Piece]:
    yield Piece(_laid_out(value, indent))


def _laid_out(value: Json, indent: str) -> str:
    """Return the text of a value: what is short on one line, else one line per part."""
    text = _text(value)
    if len(text) <= NARROW or not isinstance(value, dict | list) or not value:
        return text
    inner = indent + " " * INDENT
    if isinstance(value, dict):
        parts = [f"{_text(name)}: {_laid_out(each, inner)}" for name, each in value.items()]
        opening, closing = "{", "}"
    else:
        parts = [_laid_out(each, inner) for each in value]
        opening, closing = "[", "]"
    return f"{opening}\n{inner}" + f",\n{inner}".join(parts) + f"\n{indent}{closing}"


def _text(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False)


def _equal(one: Json, other: Json, rule: Rule) -> bool:
    return (type(one) is type(other) and one == other) or bool(equal_values(one, other, rule))


def compare_texts(before: str, after: str) -> Pieces:
    """Return the text after, with what was taken out of the text before."""
    old, new = _cut(before), _cut(after)
    if len(old) > MOST_WORDS or len(new) > MOST_WORDS:
        old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    pieces: Pieces = []
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=len(old) > 500)
    for what, start, end, new_start, new_end in matcher.get_opcodes():
        if what == "equal":
            pieces.append(Piece("".join(old[start:end])))
            continue
        if end > start:
            pieces.append(Piece("".join(old[start:end]), "removed"))
        if new_end > new_start:
            pieces.append(Piece("".join(new[new_start:new_end]), "added"))
    return pieces


def _cut(text: str) -> list[str]:
    return _WORDS.findall(text)
