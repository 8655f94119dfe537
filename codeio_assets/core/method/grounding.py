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

from codeio_assets.core.method.traces import Event, Trace, values_by_name
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
_STATE_LINE: Final = re.compile(r"^[ \t]*[-*>`]*[ \t]*\[state\](?P<states>.*)$", re.MULTILINE)
_NAME: Final = re.compile(r"`?(?P<name>[^\W\d]\w*)`?")
MOST_STATE_LINES: Final = 1_000
"""Of a text; lines beyond count as wrong, so that no text takes long."""
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


@dataclass(frozen=True, slots=True)
class StateLines:
    """How many lines of a text name a state, and which of them the execution never had, as they stand."""

    lines: int
    wrong: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _State:
    """What the names of one call held from the event `start` to before the event `end`."""

    start: int
    end: int
    held: Mapping[str, Json]

    def shows(self, said: Mapping[str, Json], since: int) -> bool:
        """Tell whether this is what was said, and still was so at the event `since`."""
        return self.end > since and all(
            name in self.held and (_is(self.held[name], value) or _is_shortened(self.held[name]))
            for name, value in said.items()
        )


def ground(prose: str, trace: Trace) -> Grounding:
    """Look up all statements of a text about the names of a trace."""
    known = values_by_name(trace)
    return _looked_up(list(statements(prose, known)), known)


def check_state_lines(text: str, trace: Trace) -> StateLines:
    """Look up the lines of the form `[state] name = value; name = value` of a text.

    A line is right where one call had all its values at one moment, not before the moment of the line above. What a
    trace has only the beginning of is taken to be as said. A line that cannot be read is wrong.
    """
    states = _states(trace)
    wrong: list[str] = []
    now, lines = 0, 0
    for lines, line in enumerate(_STATE_LINE.finditer(text), start=1):
        said = _state_said(line["states"]) if lines <= MOST_STATE_LINES else None
        start = None if said is None else next((max(now, at.start) for at in states if at.shows(said, now)), None)
        if start is None:
            wrong.append(line.group().strip())
        else:
            now = start
    return StateLines(lines, tuple(wrong))


def count_state_lines(text: str) -> int:
    """Return how many lines of a text begin as state lines do."""
    return sum(1 for _ in _STATE_LINE.finditer(text))


def without_state_lines(text: str) -> str:
    """Return a text without its state lines."""
    return _STATE_LINE.sub("", text)


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


def _state_said(text: str) -> Mapping[str, Json] | None:
    """Return name -> value of a state line, None where it is not exactly one, or says two things of a name."""
    said: dict[str, Json] = {}
    for part in _parts(text.strip().rstrip("`*;")):
        name, _, value = part.partition("=")
        found = _NAME.fullmatch(name.strip())
        if found is None or found["name"] in said:
            return None
        try:
            said[found["name"]] = _literal(value.strip())
        except Unreadable:
            return None
    return said


def _parts(text: str) -> list[str]:
    """Split at semicolons that are in no string."""
    parts, quote, is_escaped = [""], "", False
    for sign in text:
        if sign == ";" and not quote:
            parts.append("")
            continue
        parts[-1] += sign
        if quote:
            quote = "" if sign == quote and not is_escaped else quote
            is_escaped = sign == "\\" and not is_escaped
        elif sign in "\"'":
            quote = sign
    return parts


def _states(trace: Trace) -> list[_State]:
    """Return every state of every call, in the order in which they began.

    An event has what its line changed, and stands where the line began: the change is there at the call's next event.
    """
    states: list[_State] = []
    began: dict[int, tuple[int, Mapping[str, Json]]] = {}
    pending: dict[int, Event] = {}

    def change(frame: int, place: int) -> None:
        event = pending.pop(frame, None)
        if event is not None and (event.set or event.unset or event.kind == "call"):
            end(frame, place)
            _, held = began.get(frame, (place, {}))
            kept = {name: value for name, value in held.items() if name not in event.unset}
            began[frame] = (place, {**kept, **event.set})

    def end(frame: int, place: int) -> None:
        if frame in began:
            states.append(_State(began[frame][0], place, began[frame][1]))

    for place, event in enumerate(trace.events):
        change(event.frame, place)
        pending[event.frame] = event
        if event.kind == "call":
            change(event.frame, place)
        if event.kind == "return":
            end(event.frame, place + 1)
            began.pop(event.frame, None)
    for frame in list(pending):
        change(frame, len(trace.events))
        end(frame, len(trace.events) + 1)
    return sorted(states, key=lambda state: state.start)


def _is_shortened(held: Json) -> bool:
    """Tell whether a value of a trace is, or has in it, one that the trace does not show whole."""
    if isinstance(held, dict):
        members = cast("dict[str, Json]", held)
        is_one = any(name.startswith("~") for name in members) and "length" in members
        return is_one or "~int" in members or "~object" in members or any(map(_is_shortened, members.values()))
    return isinstance(held, list) and any(map(_is_shortened, held))


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
