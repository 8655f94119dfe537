"""Flaws of a chain of thought that can be seen in its text: one function from a response to a record of flags.

What lives here: reading one response. What does not: how often a flaw may occur (`core.settings.quality`), whether the
answer is right (`verdicts`), rates over tables (`steps.cot_flaws`).

Source: the prompt asks for reasoning in natural language, no code, and one answer object at the end (CodeI/O, sec.
2.3); the flags are ours.
"""

import ast
import re
from dataclasses import dataclass
from typing import Final, cast

from codeio_assets.core.method.answers import extract_answer
from codeio_assets.core.method.raw_code import parse_quietly
from codeio_assets.core.settings.quality import CotRules
from codeio_assets.core.values.canonical import Json
from codeio_assets.core.values.comparison import equal_values
from codeio_assets.core.values.notations import Unreadable, read_notation


@dataclass(frozen=True, slots=True)
class Cot:
    """A response with what it is read against. `previous` is the response of the turn before, if there was one."""

    text: str
    direction: str
    status: str = "answered"
    finish_reason: str | None = "stop"
    reference_code: str = ""
    previous: str | None = None


@dataclass(frozen=True, slots=True)
class CotFlaws:
    """Which flaws a response has; named and explained in `core.settings.quality.FLAWS`."""

    answer_missing: bool
    cut_off: bool
    refused: bool
    too_short: bool
    too_long: bool
    code_block: bool
    copied_code: bool
    loop: bool
    repeats_previous: bool
    contradiction: bool
    other_language: bool


def find_flaws(cot: Cot, rules: CotRules) -> CotFlaws:
    """Return the flaws of one response."""
    answer = extract_answer(cot.text, cot.direction)
    prose = prose_of(cot.text, cot.direction)
    return CotFlaws(
        answer_missing=not answer.found,
        cut_off=cot.status == "truncated" or cot.finish_reason not in {None, "stop"},
        refused=cot.status == "refused" or (not answer.found and _REFUSAL.search(prose[:400]) is not None),
        too_short=len(prose) < rules.min_chars,
        too_long=len(prose) > rules.max_chars,
        code_block=has_code_block(cot.text),
        copied_code=copies(prose, cot.reference_code, rules.copied_tokens),
        loop=loops(prose, rules.loop_repeats, rules.loop_chars),
        repeats_previous=cot.previous is not None
        and says_the_same(prose, prose_of(cot.previous, cot.direction), rules.same_share),
        contradiction=cot.direction == "output" and answer.found and contradicts(prose, answer.value),
        other_language=rules.language == "english" and not is_english(prose),
    )


def prose_of(text: str, direction: str) -> str:
    """Return a response without the answer object at its end and the fence around it."""
    found = list(re.finditer(rf"""\{{\s*["']{direction}["']\s*:""", text))
    before = text[: found[-1].start()] if found else text
    return _OPEN_FENCE.sub("", before.rstrip()).strip()


_OPEN_FENCE: Final = re.compile(r"(?:```|~~~)[ \t]*+\w*+\Z")
_REFUSAL: Final = re.compile(
    r"\b(?:I(?:'m| am) (?:very |really )?sorry\b|I (?:cannot|can't|can not|won't|am unable to|am not able to) "
    r"(?:help|assist|do|comply|provide|answer|fulfil|continue|solve)|as an AI\b)",
    re.IGNORECASE,
)

# -- code ---------------------------------------------------------------------------------------------------------

_FENCED: Final = re.compile(
    r"^[ \t]*+(?:```|~~~)[ \t]*+([\w+#-]*+)[^\n]*+\n(.*?)(?:^[ \t]*+(?:```|~~~)|\Z)", re.M | re.S
)
_LANGUAGES: Final = frozenset(
    {"python", "python3", "py", "javascript", "js", "typescript", "ts", "java", "c", "cpp", "c++", "c#", "go", "rust"}
)
_NO_CODE: Final = frozenset({"json", "text", "txt", "plaintext", "markdown", "md", "latex", "math"})
_CODE_STATEMENTS: Final = (
    ast.FunctionDef, ast.ClassDef, ast.For, ast.While, ast.If, ast.With, ast.Try, ast.Return, ast.Import,
    ast.ImportFrom, ast.AugAssign,
)  # fmt: skip


def has_code_block(text: str) -> bool:
    """Tell whether a fenced block holds program code: by its tag, or by statements beyond values and assignments."""
    for match in _FENCED.finditer(text):
        tag = match[1].lower()
        if tag in _LANGUAGES or (tag not in _NO_CODE and _is_code(match[2])):
            return True
    return False


def _is_code(block: str) -> bool:
    try:
        tree = parse_quietly(block)
    except SyntaxError:
        return False
    return any(isinstance(node, _CODE_STATEMENTS) for node in tree.body)


_TOKEN: Final = re.compile(r"\w+|[^\w\s]")


def copies(prose: str, code: str, run: int) -> bool:
    """Tell whether `run` tokens in a row of some code stand in a text, whatever the blanks between them."""
    return not _runs(code, run).isdisjoint(_runs(prose, run))


def _runs(text: str, length: int) -> set[tuple[str, ...]]:
    """Return the runs of so many tokens that follow each other in a text."""
    tokens = _TOKEN.findall(text)
    return set(zip(*(tokens[offset:] for offset in range(length)), strict=False))


# -- repetition ---------------------------------------------------------------------------------------------------

_SEGMENT_END: Final = re.compile(r"\n+|(?<=[.!?;])\s+")
_LIST_MARK: Final = re.compile(r"^[\s>#*+-]*(?:\d+[.)])?[\s*]*")
_MAX_PERIOD: Final = 12
_LONG_SEGMENT_WORDS: Final = 40
_SEGMENTS_FOR_A_SHARE: Final = 20


def loops(prose: str, repeats: int, chars: int) -> bool:
    """Tell whether a passage comes `repeats` times in a row, or most sentences of a longer text came before in it."""
    segments = [_LIST_MARK.sub("", part).strip() for part in _SEGMENT_END.split(prose)]
    segments = [part for part in segments if part]
    if _repeats_in_a_row(segments, repeats, chars):
        return True
    telling = [part for part in segments if len(part) >= 15]
    if len(telling) >= _SEGMENTS_FOR_A_SHARE and len(set(telling)) * 2 <= len(telling):
        return True
    words = (part.split() for part in segments)
    return any(_repeats_in_a_row(each, repeats, chars) for each in words if len(each) >= _LONG_SEGMENT_WORDS)


def _repeats_in_a_row(parts: list[str], repeats: int, chars: int) -> bool:
    """Tell whether some period of parts comes so often one after the other, taking so many characters."""
    for period in range(1, min(_MAX_PERIOD, len(parts) // repeats) + 1):
        same = 0
        for place in range(period, len(parts)):
            same = same + 1 if parts[place] == parts[place - period] else 0
            if same >= period * (repeats - 1):
                first = place - same - period + 1
                if sum(len(part) + 1 for part in parts[first : place + 1]) >= chars:
                    return True
    return False


_SHINGLE: Final = 4


def says_the_same(text: str, before: str, share: float) -> bool:
    """Tell whether two texts share so much of their runs of four words."""
    if text == before:
        return True
    one, other = _runs(text.lower(), _SHINGLE), _runs(before.lower(), _SHINGLE)
    return bool(one and other) and len(one & other) >= share * len(one | other)


# -- what it says -------------------------------------------------------------------------------------------------

_VALUE: Final = (
    r"""-?\d[\d,]*(?:\.\d+)?(?:[eE][+-]?\d+)?|"[^"\n]{0,200}"|'[^'\n]{0,200}'|\[[^\n]{0,400}\]|[Tt]rue|[Ff]alse"""
)
_STATED: Final = re.compile(
    r"\b(?:output|answer|result|return value|returned value)\b[*_`]*\s*(?:is|will be|would be|should be|=|:|is:)"
    rf"[\s*_`:]*({_VALUE})[`*_.!)\s]*$",
    re.IGNORECASE | re.MULTILINE,
)
"""A result that ends its line: `Therefore, the output is **42**.`; anything after it may be a unit or a condition."""
_CONCLUSION_CHARS: Final = 500
"""Results stated earlier may be those of steps, or of cases that do not apply."""


def contradicts(prose: str, answer: Json) -> bool:
    """Tell whether the last result that the prose states plainly is another value than the answer.

    Only values of the answer's own type are compared, and an object only where it has a single member: prose about
    parts of a larger answer contradicts nothing.
    """
    answer = _single_member(answer)
    stated = [match[1] for match in _STATED.finditer(prose[-_CONCLUSION_CHARS:])]
    if not stated or answer is None or isinstance(answer, dict):
        return False
    value = _read_value(stated[-1])
    if _kind(value) != _kind(answer):
        return False
    if isinstance(value, str) and isinstance(answer, str):  # quotation marks may be the model's or the value's
        return value.strip("'\"") != answer.strip("'\"")
    return not equal_values(answer, value) and not equal_values(value, answer)


def _single_member(value: Json) -> Json:
    while isinstance(value, dict) and len(value) == 1:  # a loop, as a value may be nested deeper than Python recurses
        (value,) = value.values()
    return value


def _read_value(text: str) -> Json:
    if text.lower() in {"true", "false"}:
        return text.lower() == "true"
    if re.fullmatch(r"-?\d{1,3}(?:,\d{3})+(?:\.\d+)?", text):
        text = text.replace(",", "")
    try:
        return read_notation(text)
    except Unreadable:
        return None


def _kind(value: Json) -> str:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return "number" if is_number else type(cast("object", value)).__name__


_FOREIGN: Final = re.compile(r"[^\W\d_\u0000-\u024f\u0370-\u03ff\u1e00-\u1eff]")
_LETTER: Final = re.compile(r"[^\W\d_]")
_WORD: Final = re.compile(r"[^\W\d_]+")
_COMMON: Final = frozenset(
    {
        "the", "of", "to", "and", "a", "in", "is", "that", "it", "for", "as", "with", "be", "this", "are", "we", "so",
        "on", "from", "by", "at", "has", "have", "not", "then", "if", "which", "its", "can", "will", "each", "all",
        "there", "first", "step", "after", "output", "input", "value", "list", "number",
    }
)  # fmt: skip
_MAX_FOREIGN_SHARE: Final = 0.2
_MIN_COMMON_SHARE: Final = 0.1
_ENOUGH_WORDS: Final = 40


def is_english(prose: str) -> bool:
    """Tell whether a text is written in English: letters by script, and in a longer text by its commonest words.

    Greek letters count as neutral, for they are the names of quantities; blocks and quotations are left out.
    """
    plain = re.sub(r"`[^`]*`|\"[^\"\n]*\"", " ", _FENCED.sub(" ", prose))
    letters, foreign = len(_LETTER.findall(plain)), len(_FOREIGN.findall(plain))
    if letters and foreign > _MAX_FOREIGN_SHARE * letters:
        return False
    words = [word.lower() for word in _WORD.findall(plain) if len(word) > 1 or word.lower() == "a"]
    common = sum(word in _COMMON for word in words)
    return len(words) < _ENOUGH_WORDS or common >= _MIN_COMMON_SHARE * len(words)
