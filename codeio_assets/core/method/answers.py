"""Finding the answer object in a model's response (design: the last complete object that has the key wins).

What lives here: where in a response the answer object is. The first object, or the last member of that name, is
read at once when no brace follows it; otherwise one pass over the response matches braces, outside strings, and
the objects that have the key as a member of their own are read from the last to the first, outer before inner.
What does not: the notations in which such an object may be written (`literals`); whether the answer is right
(`core.values.comparison`, `verdicts`).

Source: answer format of CodeI/O, sec. 2.3.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Literal, cast

from codeio_assets.core.values import literals
from codeio_assets.core.values.canonical import Json
from codeio_assets.core.values.literals import Unreadable, scan_json

How = Literal["json", "python", "lenient", "member", "none"]
"""Notation that was read; `member`: only the answer's own member was, the rest of its object may be broken."""

OBJECT_KEYS: Final = frozenset({"input"})
"""Keys whose value must be an object: arguments by name."""
MAX_CANDIDATES: Final = 16
"""Unreadable objects looked at before giving up; keeps the cost linear in the length of the response."""
MAX_ANCHORS: Final = 8
"""Members looked at where no object was readable; bounds the cost likewise."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a response answers. `value` is plain JSON, and None when nothing was found."""

    found: bool
    value: Json
    how: How


@dataclass(slots=True)
class _Span:
    """A brace or bracket, where it opens and closes, and what was seen directly inside."""

    bracket: str
    start: int
    end: int = -1
    height: int = 1
    value_starts: list[int] = field(default_factory=list[int])
    inner: list["_Span"] = field(default_factory=list["_Span"])


_NOTHING: Final = Answer(found=False, value=None, how="none")
# A string counts as one only right after punctuation, where a value or key can begin: an apostrophe in prose,
# or a quotation mark that a model forgot to escape, must not hide the braces after it.
_MARK: Final = re.compile(
    r"""([{\[(,:])\s*+("(?:[^"\\]|\\.)*+"|'(?:[^'\\]|\\.)*+'|“[^“”]*+”|[^\W\d]\w*+(?=\s*+:))?+|([}\])])""",
    re.DOTALL,
)
_COLON: Final = re.compile(r"\s*+:\s*+")
_NEXT_MEMBER: Final = re.compile(r"""\s*+,\s*+["'“]?\w[^"'“”:,{}\[\]]*+["'”]?\s*+:""")
_END: Final = re.compile(r"\s*+,?\s*+\\?\}")


def extract_answer(response: str, key: str) -> Answer:
    """Return the value of `key` in the last complete object of a response that has this key.

    An object inside another counts only where the outer one has no such key; text in strings never counts.
    An object that cannot be read (`{"output": <value>}`, an expression, a call) is passed over. With the key
    `input` the last readable object decides: if its value is no object, there is no answer.
    """
    if key not in response:
        return _NOTHING
    answer = _first_object(response, key) or _last_member(response, key) or _search(response, key)
    if answer is None or (key in OBJECT_KEYS and not isinstance(answer.value, dict)):
        return _NOTHING
    return answer


def _first_object(response: str, key: str) -> Answer | None:
    """Read the first object, if no brace after it can change the answer."""
    try:
        value, end = scan_json(response, response.find("{"))
    except Unreadable:
        return None
    if type(value) is dict and key in value and response.find("}", end) < 0:
        return Answer(found=True, value=cast("Json", value[key]), how="json")
    return None


def _last_member(response: str, key: str) -> Answer | None:
    """Read the last member of this name, if the response's last brace ends its object right after the value."""
    name = f'"{key}"'
    start = response.rfind(name)
    colon = _COLON.match(response, start + len(name))
    if start < 0 or colon is None or response[max(0, start - 100) : start].rstrip()[-1:] not in ("{", ","):
        return None
    try:
        value, end = scan_json(response, colon.end())
    except Unreadable:
        return None
    closing = _END.match(response, end)
    if closing is None or response.find("}", closing.end()) >= 0:
        return None
    return Answer(found=True, value=value, how="member")


def _search(response: str, key: str) -> Answer | None:
    """Look at every complete object that may have the key, and then at members outside of any."""
    if re.compile(rf"""{re.escape(key)}["'”]?\s*+:""").search(response, 0, response.rfind("}") + 1) is None:
        return None
    return _from_spans(response, key) or _from_anchor(response, key)


def _from_spans(response: str, key: str) -> Answer | None:
    """Read complete objects from the last to the first, outer before inner."""
    tries = MAX_CANDIDATES
    waiting = _complete_objects(response, key)
    while waiting and tries:
        span = waiting.pop()
        if span.height <= literals.MAX_DEPTH:
            tries -= 1
            answer = _read_object(response, span, key)
            if answer is not None:
                return answer
        waiting.extend(span.inner)
    return None


def _from_anchor(response: str, key: str) -> Answer | None:
    """Read a member where quotation marks that should have been escaped misled the matching of braces.

    The object's own brace must follow the value, or the object must begin with the key and be strict JSON.
    """
    anchors = list(_anchor_pattern(key).finditer(response))
    for match in reversed(anchors[-MAX_ANCHORS:]):
        try:
            if match[0][0] == "{":
                value, _ = scan_json(response, match.start())
                return Answer(found=True, value=value[key], how="json")
            value, end = scan_json(response, match.end())
        except Unreadable:
            continue
        if _END.match(response, end):
            return Answer(found=True, value=value, how="member")
    return None


@lru_cache(maxsize=64)
def _anchor_pattern(key: str) -> re.Pattern[str]:
    return re.compile(rf'[{{,]\s*+"{re.escape(key)}"\s*+:\s*+')


def _complete_objects(response: str, key: str) -> list[_Span]:
    """Return the outermost closed braces with the key directly inside, in order; the rest are their `inner`."""
    root = _Span("", 0)
    stack = [root]
    position, n_braces = 0, 0
    while (match := _MARK.search(response, position)) is not None:
        mark = match[1]
        position = match.end()
        if mark is None:
            n_braces -= _close(stack, match[3], position, n_braces)
            continue
        if mark in "{[(":
            stack.append(_Span(mark, match.start()))
            n_braces += mark == "{"
        if n_braces == 0:
            position = match.end(1)  # no strings in prose
        elif mark in "{," and match[2] and _names(match[2], key):
            colon = _COLON.match(response, position)
            if colon is not None and stack[-1].bracket == "{":
                stack[-1].value_starts.append(colon.end())
    return [inner for span in stack for inner in span.inner]


def _names(lexeme: str, key: str) -> bool:
    """Return whether a string or word is the key."""
    return lexeme == key or (len(lexeme) == len(key) + 2 and lexeme[1:-1] == key)


def _close(stack: list[_Span], bracket: str, end: int, n_braces: int) -> int:
    """Close the span that a closing mark belongs to; return how many braces that closed (0 or 1)."""
    if bracket == "}":
        if n_braces == 0:
            return 0
        while stack[-1].bracket != "{":
            _leave(stack, -1)
        _leave(stack, end)
        return 1
    if stack[-1].bracket in ("[", "("):
        _leave(stack, end)
    return 0


def _leave(stack: list[_Span], end: int) -> None:
    """Take the innermost span off the stack and hand what it holds to the one around it."""
    span = stack.pop()
    span.end = end
    around = stack[-1]
    around.height = max(around.height, span.height + 1)
    around.inner.extend([span] if span.value_starts else span.inner)


def _read_object(response: str, span: _Span, key: str) -> Answer | None:
    """Read a closed object as a whole, or else its answer's own member."""
    text = response[span.start : span.end]
    for how, read in _READERS:
        try:
            value = read(text)
        except Unreadable:
            continue
        if isinstance(value, dict) and key in value:
            return Answer(found=True, value=value[key], how=how)
    for start in reversed(span.value_starts[-4:]):
        for value in _member_values(response, start, span.end):
            return Answer(found=True, value=value, how="member")
    return None


_READERS: Final[tuple[tuple[How, Callable[[str], Json]], ...]] = (
    ("json", literals.read_json),
    ("python", literals.read_python),
    ("lenient", literals.read_lenient),
)


def _member_values(response: str, start: int, end: int) -> Iterator[Json]:
    """Yield readings of a member's value in an object damaged elsewhere (unescaped quotes, mostly)."""
    try:
        value, value_end = scan_json(response, start)
    except Unreadable:
        pass
    else:
        closing = _END.match(response, value_end)
        if (closing is not None and closing.end() == end) or _NEXT_MEMBER.match(response, value_end):
            yield value
    rest = response[start : end - 1].removesuffix("\\")
    for read in (literals.read_python, literals.read_lenient):
        try:
            yield read(f'{{"value": {rest}}}')["value"]
        except (Unreadable, KeyError):
            continue
    try:
        yield literals.read_quoted_text(rest)
    except Unreadable:
        return
