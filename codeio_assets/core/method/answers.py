"""Finding the answer object in a model's response (design: the last complete object that has the key wins).

What lives here: where in a response the answer object is. Reasoning is set apart first. The first object, or the only
member of that name, is read at once when no brace follows it; otherwise one pass over the response matches braces,
outside strings, and the objects that have the key as a member of their own are read from the last to the first, outer
before inner.
What does not: what is reasoning (`core.values.reasoning`); what stands around an object (`answer_surroundings`); the
notations of an object (`core.values.notations`), and mending it (`core.values.repair`); whether the answer is right
(`core.values.comparison`, `verdicts`).

Source: answer format of CodeI/O, sec. 2.3.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from typing import Final, Literal, cast

from codeio_assets.core.method.answer_surroundings import MARK, follows, may_be_part
from codeio_assets.core.values.canonical import Json
from codeio_assets.core.values.notations import (
    MAX_DEPTH,
    PLAIN,
    Unreadable,
    read_json,
    read_notation,
    scan_json,
    unescape,
    unwrap,
)
from codeio_assets.core.values.reasoning import split_reasoning
from codeio_assets.core.values.repair import read_repaired

How = Literal["json", "notation", "repaired", "member", "none"]
"""How it was read; `member`: only the answer's own member was, the rest of its object may be broken."""

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
_COLON: Final = re.compile(r"\s*+[:：]\s*+")
_NEXT_MEMBER: Final = re.compile(
    r"""\s*+,\s*+(?:"\w[^"\\:,{}\[\]]*+"|'\w[^'\\:,{}\[\]]*+'|“\w[^“”:,{}\[\]]*+”|\w++)\s*+:"""
)
_STRAY_CLOSE: Final = re.compile(r'\s*+(?:[}\]]|,\s*+["{\[\d])')
_STRAY_QUOTE: Final = re.compile(r'"\s*+[}\]]')
_END: Final = re.compile(r"\s*+,?\s*+\\?\}")


def extract_answer(response: str, key: str) -> Answer:
    """Return the value of `key` in the last complete object of a response that has this key.

    What the response marks as reasoning does not count. An object inside another counts only where the outer one has
    no such key; text in strings never counts. An object that cannot be read (`{"output": <value>}`, an expression, a
    call) is passed over. With the key `input` the last readable object decides: if its value is no object, there is
    no answer.
    """
    response = split_reasoning(response)[0]
    answer = _first_object(response, key) or _only_member(response, key) or _search(response, key)
    if answer is None or (key in OBJECT_KEYS and not isinstance(answer.value, dict)):
        return _NOTHING
    return answer


def _first_object(response: str, key: str) -> Answer | None:
    """Read the first object, if no brace after it can change the answer."""
    try:
        value, end = scan_json(response, response.find("{"))
    except Unreadable:
        return None
    if isinstance(value, dict) and key in value and _last_brace(response) < end:
        return Answer(found=True, value=value[key], how="json")
    return None


def _last_brace(response: str) -> int:
    return max(response.rfind("}"), response.rfind("｝"))


def _only_member(response: str, key: str) -> Answer | None:
    """Read the only member of this name, if the response's last brace ends its object right after the value."""
    name = json.dumps(key, ensure_ascii=False)
    start = response.find(name)
    colon = _COLON.match(response, start + len(name))
    if start < 0 or colon is None or response[max(0, start - 100) : start].rstrip()[-1:] not in ("{", ","):
        return None
    if not _is_named_once(response, key):
        return None
    try:
        value, end = scan_json(response, colon.end())
    except Unreadable:
        return None
    closing = _END.match(response, end)
    if closing is None or _last_brace(response) >= closing.end():
        return None
    return Answer(found=True, value=value, how="member")


def _search(response: str, key: str) -> Answer | None:
    """Look at every complete object that may have the key, then at members outside of any, then at escaped ones."""
    last = _last_brace(response) + 1
    if _name_pattern(key).search(response, 0, last):
        answer = _from_spans(response, key) or _from_anchor(response, key)
        if answer is not None:
            return answer
    return _from_escaped(response, key) if '\\"' in response else None


@lru_cache(maxsize=64)
def _name_pattern(key: str) -> re.Pattern[str]:
    written = re.escape(key).replace("_", r"(?:\\?_)")
    return re.compile(rf"""{written}(?:''|["'“”„‟‘’‚‛«»＂])?+\s*+(?:\}}\s*+)?+[:：]""")


def _from_spans(response: str, key: str) -> Answer | None:
    """Read complete objects from the last to the first, outer before inner."""
    tries = MAX_CANDIDATES
    waiting, is_damaged = _complete_objects(response, key)
    is_sound = not is_damaged and _damaged_name(key).search(response) is None
    while waiting and tries:
        span = waiting.pop()
        if span.height <= MAX_DEPTH:
            tries -= 1
            answer = _read_object(response, span, key, is_sound=is_sound)
            if answer is not None and (
                (answer.how == "notation" and _is_last_text(response, span))
                or not may_be_part(response, span.start, span.end, key, answer.value)
            ):
                return answer
        waiting.extend(span.inner)
    return None


def _from_anchor(response: str, key: str) -> Answer | None:
    """Read a member where quotation marks that should have been escaped misled the matching of braces.

    The object must begin with the key and be strict JSON, or the member is the only one of this name, and its object's
    own brace follows the value. An object that is itself a value of something is not looked at.
    """
    anchors = list(_anchor_pattern(key).finditer(response))
    for match in reversed(anchors[-MAX_ANCHORS:]):
        try:
            if match[0][0] == "{":
                value, end = scan_json(response, match.start())
                found = cast("dict[str, Json]", value)[key]
                if _closes_in_a_string(response, match.start(), end):
                    continue
                if may_be_part(response, match.start(), end, key, found):
                    continue
                return Answer(found=True, value=found, how="json")
            value, end = scan_json(response, match.end())
        except Unreadable:
            continue
        if _is_named_once(response, key) and _END.match(response, end):
            return Answer(found=True, value=value, how="member")
    return None


_LAST_TEXT: Final = re.compile(r'"\s*+\}\s*+(?:```\s*+)?\Z')
_NAMED: Final = re.compile(r'"\s*+:\s*+\Z')


def _is_last_text(response: str, span: _Span) -> bool:
    """Tell whether an object in Python's notation is the text that ends the response's last object."""
    return response[span.start - 1 : span.start] == '"' and _LAST_TEXT.match(response, span.end) is not None


def _closes_in_a_string(response: str, start: int, end: int) -> bool:
    """Tell whether what seems to end here ends in a string that lost its beginning: a quotation mark comes too many."""
    return _STRAY_QUOTE.match(response, end) is not None and response[start - 1 : start] != '"'


@lru_cache(maxsize=64)
def _anchor_pattern(key: str) -> re.Pattern[str]:
    return re.compile(rf'[{{,]\s*+"{re.escape(key)}"\s*+:\s*+')


_ESCAPED: Final = re.compile(r'"?\\?\{\s*+\\"(?:[^"\\]|\\.)*+', re.DOTALL)
_AFTER_MARK: Final = re.compile(r"[:,\[]\s*+\Z")
_LEVEL: Final = re.compile(r'\\(["\\])')


def _from_escaped(response: str, key: str) -> Answer | None:
    """Read an object whose quotation marks are all escaped, as one that stands in a JSON string is."""
    for match in reversed(list(_ESCAPED.finditer(response))):
        quoted = match[0][0] == '"'
        before = response[: match.start()]
        in_string = (before.count('"') - before.count('\\"')) % 2
        if f'\\"{key}\\"' not in match[0] or in_string or (quoted and follows(_AFTER_MARK, response, match.start())):
            continue
        text = match[0][quoted:]
        try:
            text = str(read_json(f'"{text}"'))
        except Unreadable:  # an escape that JSON does not know
            text = _LEVEL.sub(r"\1", text)
        return _first_object(text, key) or _from_spans(text, key)
    return None


def _complete_objects(response: str, key: str) -> tuple[list[_Span], bool]:
    """Return the outermost closed braces with the key directly inside, in order; the rest are their `inner`.

    And whether a brace closes that never opened, or a member stands in a list or outside of any brace.
    """
    root = _Span("", 0)
    stack = [root]
    position, n_braces, is_damaged = 0, 0, False
    while (match := MARK.search(response, position)) is not None:
        position = match.end()
        if match[1] is None:
            bracket = match[3].translate(PLAIN)
            is_damaged = is_damaged or (bracket == "}" and n_braces == 0)
            n_braces -= _close(stack, bracket, position, n_braces)
            continue
        mark = match[1].translate(PLAIN)
        if mark in "{[(":
            is_damaged = is_damaged or (n_braces == 0 and mark == "{" and follows(_NAMED, response, match.start()))
            stack.append(_Span(mark, match.start()))
            n_braces += mark == "{"
        if n_braces == 0:
            position = match.end(1)  # no strings in prose
        elif mark in "{," and match[2] and _names(match[2], key):
            start = _value_start(response, match)
            if start is not None and stack[-1].bracket == "{":
                stack[-1].value_starts.append(start)
            elif start is not None:
                is_damaged = True
    return [inner for span in stack for inner in span.inner], is_damaged


@lru_cache(maxsize=64)
def _damaged_name(key: str) -> re.Pattern[str]:
    """A member's name that lost a quotation mark, the comma or brace before it, or the colon after it."""
    name = re.escape(key)
    return re.compile(
        rf"""(?<!["\w]){name}"\s*+: | "{name}\s*+: | (?:[^{{,\s]|\A)\s*+"{name}"\s*+: | "{name}"\s*+(?=[\[{{"\w-])""",
        re.VERBOSE,
    )


@lru_cache(maxsize=64)
def _member_pattern(key: str) -> re.Pattern[str]:
    """A member's name before its value; it may have lost a quotation mark, or the colon before a bracket."""
    name = re.escape(key)
    return re.compile(rf'(?:"{name}"?|{name}")\s*+(?::\s*+|(?=[{{\["\d-]|true|false|null))')


def _is_named_once(response: str, key: str) -> bool:
    return len(list(islice(_member_pattern(key).finditer(response), 2))) == 1


def _value_start(response: str, name: re.Match[str]) -> int | None:
    """Return where the value begins whose name a mark is followed by, or None if no colon follows."""
    if name[2][0] == "\\" and unwrap(name[2])[1]:
        return name.end()
    colon = _COLON.match(response, name.end())
    return None if colon is None else colon.end()


def _names(lexeme: str, key: str) -> bool:
    """Return whether a string or word, or what a text command of LaTeX holds, is the key."""
    if lexeme[0] == "\\":
        lexeme = unwrap(lexeme)[0]
    if "\\" in lexeme:
        lexeme = lexeme.replace("\\_", "_")
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


def _read_object(response: str, span: _Span, key: str, *, is_sound: bool) -> Answer | None:
    """Read a closed object as a whole, or else, where braces and names are sound, mended or by its answer's member."""
    if _closes_in_a_string(response, span.start, span.end):
        return None
    text = response[span.start : span.end]
    is_sound = is_sound and _STRAY_CLOSE.match(response, span.end) is None
    for how, read in _READERS if is_sound else _READERS[:2]:
        try:
            value = read(text)
        except Unreadable:
            continue
        if isinstance(value, dict) and key in value:
            return Answer(found=True, value=value[key], how=how)
    if not is_sound or len(span.value_starts) > 1:
        return None
    for start in reversed(span.value_starts[-4:]):
        for value in _member_values(response, start, span.end):
            return Answer(found=True, value=value, how="member")
    return None


_READERS: Final[tuple[tuple[How, Callable[[str], Json]], ...]] = (
    ("json", read_json),
    ("notation", read_notation),
    ("repaired", read_repaired),
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
    try:
        found = read_notation(f'{{"value": {rest}}}')
        if isinstance(found, dict) and "value" in found:
            yield found["value"]
    except Unreadable:
        pass
    try:
        yield _quoted_text(rest)
    except Unreadable:
        return


_QUOTED_TEXT: Final = re.compile(r'\s*+"((?:[^"\\]|\\.|"\w[^"\\]*+")*+)"\s*+,?\s*+', re.DOTALL)


def _quoted_text(text: str) -> str:
    """Read a text in double quotes that has unescaped, but paired, double quotes inside.

    Raises:
        Unreadable: the inner quotes are not pairs around words, as in `"a" + "b"` or `"5" pipe"`.
    """
    match = _QUOTED_TEXT.fullmatch(text)
    if match is None:
        raise Unreadable
    return unescape(match[1])
