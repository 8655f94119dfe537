"""Grounding of a chain of thought: whether the execution ever had the values that its text says.

What lives here: finding statements of the kind "`total` is 7" about names of the code, and looking them up in a trace.
Prose has more ways to speak of values than can be read, and statements that look wrong and are not, so that the result
is a score and a warning, and never decides whether a response is taken; a labelled sample holds how far it is to be
trusted (docs/verifiable_tasks.md). Lines that a prompt asks for and that name a state exactly (`state_lines`) have no
such doubt.
What does not live here: making traces (`sandbox.tracing`), whether the answer is right (`verdicts`).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, cast

from codeio_assets.core.method.traces import Trace, values_by_name
from codeio_assets.core.values.canonical import Json, canonical_json
from codeio_assets.core.values.comparison import equal_values
from codeio_assets.core.values.notations import Unreadable, read_json, read_notation

LONGEST_VALUE: Final = 400
_QUOTES: Final = "`*'\"“”"
_SAYS: Final = (
    r"(?:==?|:=|→|->|⇒|becomes|equals|remains|stays|has\s+the\s+value|(?:is|are|was)"
    r"(?:\s+(?:now|then|set\s+to|equal\s+to|updated\s+to|initiali[sz]ed\s+(?:to|as|with)))?)"
)
_VALUE: Final = re.compile(
    r"""[`*]*(?:(?P<number>[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)|(?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')"""
    r"""|(?P<word>True|False|None|true|false|null)\b|(?P<open>[\[{(]))"""
)
_LONE_BACKSLASH: Final = re.compile(r"""(['"])\\\1""")
"""Texts write one backslash as they please, and where such a value ends cannot be said."""
_GOES_ON: Final = re.compile(
    r"[`*]*\s*(?:[-+*/%×÷^|&<>=\[(]|\.\w|(?<=\d)\w|\\[a-z]|'|,\s*\d|(?:x\s+\d|plus|minus|times|or|to|if|times|more|less)\b)"
)
"""What tells that the value was only the beginning of an expression, a range or a list without brackets."""
_HYPOTHETICAL: Final = re.compile(
    r"\b(?:if|when|whenever|whether|unless|until|suppose|assume|where|while|would|should|could|might|must|for each|"
    r"for every|not|never|checks?|condition|return(?:s|ed)? \w+ (?:if|when)|e\.g\.|example|say|let)\b[^.;\n]*$",
    re.IGNORECASE,
)
_PART_OF: Final = re.compile(
    r"\b(?:of|in|for|from|to|at|with|by|than|into|on|between|through|over|each|every|as|its|their|another)"
    r"(?: (?:the|a|an|our|this))?(?: (?:list|string|array|text|number|variable|word|value|dictionary|input)s?)?"
    r"\s*[`'\"*]*$",
    re.IGNORECASE,
)
"""Before a name: the value is then that of something about it, as in "the length of text is 3"."""
_BEFORE_PLAIN: Final = re.compile(
    r"(?:^|[\n.,;:(=>-]|\b(?:the|so|then|now|thus|that|variable|hence|initially|and|have|get|gives?|makes?|means))\s*$",
    re.IGNORECASE,
)
"""Before a name that is not marked as one: with other words before it, it may be a word of the language."""
_ARTICLES: Final = frozenset({"a", "i", "A", "I"})
_COMMON: Final = frozenset(
    {
        "text", "string", "length", "result", "digits", "list", "array", "dictionary", "number", "numbers", "value",
        "values", "character", "characters",
    }
)  # fmt: skip
"""Names that prose takes as words, of whatever it speaks of: "the text becomes ..." may mean any text on the way."""
_AND_ANOTHER: Final = re.compile(r"\b(?:and|or)\s*$")
_INSIDE_A_CALL: Final = re.compile(r"\w\([^()\n]*$")
_STATE_LINE: Final = re.compile(r"^\s*\[state\]\s*(?P<states>.+?)\s*$", re.MULTILINE)
_CLOSING: Final = {"[": "]", "{": "}", "(": ")"}


@dataclass(frozen=True, slots=True)
class Statement:
    """What a text says of a name: the value, the words as they stand, and where they begin in the text."""

    name: str
    value: Json
    words: str
    place: int


@dataclass(frozen=True, slots=True)
class Grounding:
    """How many statements could be checked, and which of them the execution never bore out."""

    statements: int
    ungrounded: tuple[Statement, ...]

    @property
    def grounded(self) -> int:
        """Statements whose name had the value at some time."""
        return self.statements - len(self.ungrounded)


def ground(prose: str, trace: Trace) -> Grounding:
    """Look up all statements of a text about the names of a trace."""
    known = values_by_name(trace)
    return _looked_up(list(statements(prose, known)), known)


def ground_state_lines(text: str, trace: Trace) -> Grounding:
    """Look up the states that lines of the form `[state] name = value; name = value` name."""
    return _looked_up(list(state_lines(text)), values_by_name(trace))


def state_lines(text: str) -> Iterator[Statement]:
    """Yield what the state lines of a text say; a value that cannot be read is a statement of what it says as text."""
    for line in _STATE_LINE.finditer(text):
        for part in line["states"].split("; "):
            name, _, said = part.partition("=")
            yield Statement(name.strip().strip("`"), _read(said.strip()), part, line.start())


def statements(prose: str, names: Mapping[str, object]) -> Iterator[Statement]:
    """Yield the statements that a text makes about some names, each value read as JSON or as a Python literal."""
    if not names:
        return
    alternatives = "|".join(sorted(map(re.escape, names), key=len, reverse=True))
    named = rf"(?<![\w.\[(])(?P<before>[{_QUOTES}]*)(?P<name>{alternatives})(?P<after>[{_QUOTES}]*)"
    pattern = re.compile(rf"{named}\s*(?P<says>{_SAYS})\s*")
    for match in pattern.finditer(prose):
        before = prose[max(0, match.start() - 120) : match.start()]
        if _PART_OF.search(before) or not (match["before"] or _BEFORE_PLAIN.search(before)):
            continue
        if match["name"] in _ARTICLES and "`" not in match["before"] and match["says"] not in ("=", ":=", "=="):
            continue
        if _HYPOTHETICAL.search(before) or match["says"] == "==" or _is_of_more(match, before):
            continue
        if match["name"] in _COMMON and not match["before"] and match["says"][0].isalpha():
            continue
        found = _value_at(prose, match.end())
        if found is not None:
            value, end = found
            yield Statement(match["name"], value, prose[match.start() : end], match.start())


def _is_of_more(match: re.Match[str], before: str) -> bool:
    """Tell whether the name is a part of what the value is said of: an expression, two things, an argument."""
    ends_code = "`" in match["after"] and "`" not in match["before"]
    are_two = match["says"].startswith("are") and _AND_ANOTHER.search(before) is not None
    return ends_code or are_two or (match["says"] == "=" and _INSIDE_A_CALL.search(before) is not None)


def _value_at(prose: str, place: int) -> tuple[Json, int] | None:
    match = _VALUE.match(prose, place)
    if match is None:
        return None
    end = _closed_at(prose, match.start("open")) if match["open"] else match.end()
    if end is None or end - place > LONGEST_VALUE or _LONE_BACKSLASH.match(prose, match.start(match.lastgroup or 0)):
        return None
    start = match.start(match.lastgroup or 0)
    if _GOES_ON.match(prose, end):
        return None
    try:
        return _literal(prose[start:end]), end
    except Unreadable:
        return None


def _closed_at(prose: str, start: int) -> int | None:
    """Return where the bracket that opens at `start` has closed, strings aside; None where it does not soon."""
    expected: list[str] = []
    quote = ""
    for place in range(start, min(len(prose), start + LONGEST_VALUE)):
        sign = prose[place]
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "\"'":
            quote = sign
        elif sign in _CLOSING:
            expected.append(_CLOSING[sign])
        elif expected and sign == expected[-1]:
            expected.pop()
            if not expected:
                return place + 1
    return None


def _literal(text: str) -> Json:
    try:
        return read_json(text)
    except Unreadable:
        return read_notation(text)


def _read(text: str) -> Json:
    try:
        return _literal(text)
    except Unreadable:
        return text


def _looked_up(found: list[Statement], known: Mapping[str, set[str]]) -> Grounding:
    held = {name: [read_json(text) for text in sorted(known.get(name, ()))] for name in {each.name for each in found}}
    missing = [each for each in found if not any(_is(value, each.value) for value in held[each.name])]
    return Grounding(len(found), tuple(missing))


def _is(held: Json, said: Json) -> bool:
    """Tell whether a value of a trace is what was said; a set in any order, a mapping with its keys as texts."""
    if isinstance(held, dict):
        if "~set" in held and isinstance(said, list):
            members = cast("list[Json]", held["~set"])
            return sorted(map(canonical_json, members)) == sorted(map(canonical_json, said))
        if "~deque" in held:
            return equal_values(held["~deque"], said)
        if "~dict" in held and "length" not in held:
            entries = cast("list[tuple[Json, Json]]", held["~dict"])
            return equal_values({_key(key): value for key, value in entries}, said)
    return equal_values(held, said)


def _key(key: Json) -> str:
    return key if isinstance(key, str) else canonical_json(key)
