"""Reading one bounded text as a JSON value: strict JSON, then Python literals, then a lenient parser, checked.

What lives here: what a text between two braces means. Text inside strings is never rewritten, and no reading
invents, drops or joins a value: a lenient one counts only when it holds exactly the scalars that are written.
What does not: where in a response such a text begins and ends (`core.method.answers`).
"""

import ast
import json
import re
import sys
from collections.abc import Collection, Iterator
from typing import Any, Final, cast

import json_repair

from codeio_assets.core.values.canonical import Json

MAX_DEPTH: Final = 100
"""Nesting beyond this is unreadable: no pair within the paper's complexity rule is deeper than 20."""
MAX_LENIENT_CHARS: Final = 4_000
"""The lenient parser is superlinear on bad input; an answer within the complexity rule is shorter."""
MAX_INTEGER_BITS: Final = 14_000
"""Python refuses to print longer integers (4,300 digits), so they have no JSON text."""

_STRING: Final = r"""
      "(?:[^"\\]|\\.)*+"
    | '(?:[^'\\]|\\.)*+'
    | “[^“”]*+”
"""
_LEXEME: Final = re.compile(
    rf"""
      (?P<blank>\s++ | \#[^\n]*+ | //[^\n]*+ | /\*(?:[^*]|\*(?!/))*+\*/)
    | (?P<string>{_STRING})
    | (?P<punctuation>\\?[\[\]{{}}] | [(),:])
    | (?P<number>[+-]?(?:
          0[xX][0-9a-fA-F]++ | (?:\d[\d_]*+(?:\.[\d_]*+)?+ | \.\d++)(?:[eE][+-]?\d++)?+
      )(?![\w.]))
    | (?P<word>[+-]?[^\W\d]\w*+)
    """,
    re.VERBOSE | re.DOTALL,
)
_WORDS: Final = {
    "true": "true", "True": "true", "false": "false", "False": "false", "null": "null", "None": "null",
    "nan": "NaN", "NaN": "NaN", "inf": "Infinity", "Infinity": "Infinity", "+inf": "Infinity",
    "-inf": "-Infinity", "-Infinity": "-Infinity",
}  # fmt: skip
_COLON: Final = re.compile(r"\s*+:")
_ESCAPE: Final = re.compile(r"\\(u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|U00[01][0-9a-fA-F]{5}|.)", re.DOTALL)
_ESCAPES: Final = {
    "n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "0": "\0",
    "\\": "\\", "'": "'", '"': '"', "/": "/", "\n": "",
}  # fmt: skip
_PAIR: Final = re.compile("[\ud800-\udbff][\udc00-\udfff]")  # one character, in two \u escapes
_UNKNOWN_ESCAPE: Final = re.compile(r"""(?<!\\)(?:\\\\)*+\\[^\n\\'"abfnrtvxuUN0-3]""")
_QUOTED_TEXT: Final = re.compile(r'\s*+"((?:[^"\\]|\\.|"\w[^"\\]*+")*+)"\s*+,?\s*+', re.DOTALL)

_decode = json.JSONDecoder(strict=False).raw_decode  # strict=False: models write raw line ends inside strings


class Unreadable(Exception):  # noqa: N818  (a finding about a text, caught by the next way of reading)
    """The text is not a JSON value in this notation."""


def scan_json(text: str, start: int) -> tuple[Json, int]:
    """Read the JSON value that begins at `start`; return it and where it ends.

    Raw control characters in strings are allowed, as are NaN and the infinities.

    Raises:
        Unreadable: no JSON value begins there, or it is nested too deep.
    """
    try:
        value, end = _decode(text, start)
    except (ValueError, RecursionError):
        raise Unreadable from None
    if text.count("[", start, end) + text.count("{", start, end) > MAX_DEPTH and _is_too_deep(value):
        raise Unreadable
    return value, end


def read_json(text: str) -> Json:
    """Read a whole text as JSON.

    Raises:
        Unreadable: it is not JSON, or something follows the value.
    """
    value, end = scan_json(text, 0)
    if text[end:].strip():
        raise Unreadable
    return value


def read_python(text: str) -> Json:
    """Read a whole text as a Python literal; tuples become lists, and scalar keys become JSON's strings.

    Raises:
        Unreadable: it is not a literal, or holds what JSON cannot (sets, bytes, complex numbers, tuple keys).
    """
    if _UNKNOWN_ESCAPE.search(text):  # the compiler would warn, and the next reader knows what to do
        raise Unreadable
    try:
        return _as_json(ast.literal_eval(text), 0)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        raise Unreadable from None


def read_lenient(text: str) -> Json:
    """Read a whole text in mixed or damaged notation.

    Quotes, words and comments of JSON, JavaScript and Python may mix, braces may be escaped for LaTeX, commas
    and closing brackets may be missing or too many. Operators, calls, names and bare words are unreadable.

    Raises:
        Unreadable: there is something that is no literal, or the repair changed more than punctuation.
    """
    if len(text) > MAX_LENIENT_CHARS:
        raise Unreadable
    lexemes = list(_lexemes(text))
    cleaned = " ".join("[" if lexeme == "(" else "]" if lexeme == ")" else lexeme for lexeme in lexemes)
    try:
        return read_json(cleaned)
    except Unreadable:
        repaired = _repair(cleaned)
    written = [lexeme for lexeme in lexemes if lexeme not in "()[]{},:"]
    if [json.dumps(scalar) for scalar in _scalars(repaired)] != [json.dumps(json.loads(w)) for w in written]:
        raise Unreadable
    return repaired


def read_quoted_text(text: str) -> str:
    """Read a text in double quotes that has unescaped, but paired, double quotes inside.

    Raises:
        Unreadable: the inner quotes are not pairs around words, as in `"a" + "b"` or `"5" pipe"`.
    """
    match = _QUOTED_TEXT.fullmatch(text)
    if match is None:
        raise Unreadable
    return _unescape(match[1])


def _lexemes(text: str) -> Iterator[str]:
    """Yield the text's lexemes in JSON's notation, without blanks, comments and trailing commas."""
    position, previous, is_comma_held = 0, "", False
    while position < len(text):
        match = _LEXEME.match(text, position)
        if match is None:
            raise Unreadable
        position = match.end()
        if match.lastgroup == "blank":
            continue
        lexeme = _in_json(match, text)
        if lexeme[0] in "+-" and previous not in ("[", "(", ",", ":"):
            raise Unreadable  # an operator, not a sign
        if is_comma_held and lexeme not in ("]", "}") and not (lexeme == ")" and previous == "("):
            yield ","
        is_comma_held = lexeme == ","
        if not is_comma_held:
            yield lexeme.removeprefix("+")
        previous = lexeme


def _in_json(match: re.Match[str], text: str) -> str:
    """Return one lexeme in JSON's notation."""
    lexeme = match[0]
    if match.lastgroup == "string":
        return json.dumps(_unescape(lexeme[1:-1]), ensure_ascii=False)
    if match.lastgroup == "punctuation":
        return lexeme[-1]
    scalar = _number(lexeme) if match.lastgroup == "number" else _WORDS.get(lexeme)
    if _COLON.match(text, match.end()):
        return json.dumps((scalar or lexeme).removeprefix("+"), ensure_ascii=False)  # a bare key
    if scalar is None:
        raise Unreadable
    return scalar


def _number(lexeme: str) -> str:
    """Return a Python number in JSON's notation, with a plus sign kept so that an operator can be told."""
    try:
        value: object = ast.literal_eval(lexeme.lstrip("+"))
    except (ValueError, SyntaxError):
        raise Unreadable from None
    return ("+" if lexeme[0] == "+" else "") + json.dumps(_as_json(value, 0))


def _unescape(inner: str) -> str:
    """Return what a string's inner text stands for; an unknown escape keeps its backslash, as in Python."""
    text = _ESCAPE.sub(_unescaped, inner) if "\\" in inner else inner
    return _PAIR.sub(lambda pair: pair[0].encode("utf-16", "surrogatepass").decode("utf-16"), text)


def _unescaped(match: re.Match[str]) -> str:
    code = match[1]
    if len(code) > 1:
        point = int(code[1:], 16)
        return chr(point) if point <= sys.maxunicode else match[0]
    return _ESCAPES.get(code, match[0])


def _repair(cleaned: str) -> Json:
    """Return what the lenient parser makes of a text; it sees only JSON's own lexemes here."""
    try:
        value: Any = json_repair.loads(cleaned, skip_json_loads=True)
    except (ValueError, RecursionError):
        raise Unreadable from None
    if _is_too_deep(value):
        raise Unreadable
    return value


def _scalars(value: Json) -> Iterator[Json]:
    """Yield keys and scalars in the order in which they are written."""
    if isinstance(value, dict):
        for key, item in cast("dict[str, Json]", value).items():
            yield key
            yield from _scalars(item)
    elif isinstance(value, list):
        for item in cast("list[Json]", value):
            yield from _scalars(item)
    else:
        yield value


def _as_json(value: object, depth: int) -> Json:
    """Return a Python value as JSON sees it."""
    if depth > MAX_DEPTH:
        raise Unreadable
    if isinstance(value, dict):
        items = cast("dict[object, object]", value).items()
        return {_as_key(key): _as_json(item, depth + 1) for key, item in items}
    if isinstance(value, list | tuple):
        return [_as_json(item, depth + 1) for item in cast("list[object]", value)]
    if isinstance(value, int) and value.bit_length() > MAX_INTEGER_BITS:
        raise Unreadable
    if value is None or isinstance(value, str | int | float):
        return value
    raise Unreadable


def _as_key(key: object) -> str:
    if isinstance(key, str):
        return key
    if key is None or isinstance(key, int | float):
        return json.dumps(_as_json(key, 0))
    raise Unreadable


def _is_too_deep(value: Json) -> bool:
    """Return whether containers are nested deeper than the limit, without recursion."""
    level: list[Json] = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [item for node in level for item in _items(node)]
        if not level:
            return False
    return True


def _items(value: Json) -> Collection[Json]:
    """Return the items of a container; a scalar has none."""
    if isinstance(value, dict):
        return cast("dict[str, Json]", value).values()
    return cast("list[Json]", value) if isinstance(value, list) else ()
