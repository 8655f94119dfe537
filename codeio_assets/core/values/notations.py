"""Reading one bounded text as a value, in the notations that people and models mix: JSON, Python, JavaScript, LaTeX.

What lives here: lexemes, the grammar over them, and what an escape stands for. Quotes, words and comments may mix,
punctuation may be full-width or escaped for LaTeX or Markdown, keys may be bare, a comma may trail, or be missing
before a key. Operators, calls, bare words, joined strings and numbers with leading zeros have no meaning here.
What does not: where in a response such a text begins and ends (`core.method.answers`), texts that lack a
bracket (`repair`).
"""

import json
import re
import sys
from collections.abc import Iterator
from typing import Final, NamedTuple

from codeio_assets.core.values.canonical import Json
from codeio_assets.core.values.decoding import MAX_DIGITS, is_deeper

MAX_DEPTH: Final = 100
"""Nesting beyond this is unreadable: no pair within the paper's complexity rule is deeper than 20."""
MAX_CHARS: Final = 20_000
"""A text that is no JSON is read lexeme by lexeme; an answer within the complexity rule takes a tenth of this."""

STRING: Final = r"""
      "(?:[^"\\]|\\.)*+"
    | '(?:[^'\\]|\\.)*+'
    | [“”„‟«](?:[^“”„‟«»\\]|\\.)*+[“”‟»]
    | [‘’‚‛](?:[^‘’‚‛\\]|\\.)*+[‘’‛]
    | ＂(?:[^＂\\]|\\.)*+＂
"""
"""A string in any pair of quotation marks; a curly one may be closed by the mark that opened it."""
BARE_WORD: Final = r"[^\W\d](?:\w|\\_)*+"
WRAPPED: Final = rf"""
    \\(?:text|math|mbox|operatorname)[a-z]*+\{{\s*+ (?:{STRING} | ``[^`'\\]*+'' | {BARE_WORD}) \s*+[:：]?+\s*+ \}}
"""
"""A string or a key in a text command of LaTeX, as in `\\text{"output"}: 5`; the colon after a key may be inside."""
OPENING, CLOSING, COLONS = "{[(｛［（", "}])｝］）", ":："
PLAIN: Final = str.maketrans("｛［（｝］），：−", "{[(}]),:-")
"""Full-width punctuation, and the minus sign of mathematics, to their plain forms."""

_LEXEME: Final = re.compile(
    rf"""
      (?P<blank>
          [\s\u200b-\u200d\u2060\ufeff]++ | \#[^\n]*+ | //[^\n]*+ | /\*(?:[^*]|\*(?!/))*+\*/
        | \\(?:left|right|[bB]igg?[lr]?)(?=\s*+\\?[\[\]{{}}()]) | \\q?quad\b | \\[,;!\s] | \\\\
      )
    | (?P<string>{STRING})
    | (?P<wrapped>{WRAPPED})
    | (?P<punctuation>\\?[\[\]{{}}] | [(),:｛［（｝］），：])
    | (?P<number>[+−-]?(?:
          0[xX][0-9a-fA-F]++
        | (?:(?:0|[1-9]\d*+(?:_\d++)*+)(?:\.(?:\d++(?:_\d++)*+)?+)?+ | \.\d++)(?:[eE][+-]?\d++)?+
      )(?![\w.]))
    | (?P<word>[+−-]?{BARE_WORD})
    """,
    re.VERBOSE | re.DOTALL,
)
_WORDS: Final[dict[str, Json]] = {
    "true": True, "True": True, "false": False, "False": False, "null": None, "None": None,
    "nan": float("nan"), "NaN": float("nan"), "inf": float("inf"), "Infinity": float("inf"),
}  # fmt: skip
_AFTER_KEY: Final = re.compile(r"[\s\u200b-\u200d\u2060\ufeff]*+[:：]")
_ESCAPE: Final = re.compile(r"\\(u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|U00[01][0-9a-fA-F]{5}|.)", re.DOTALL)
_ESCAPES: Final = {
    "n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f",
    "\\": "\\", "'": "'", '"': '"', "/": "/",
}  # fmt: skip
_OF_TWO_MEANINGS: Final = frozenset("0123456789avxuN \t\r\n:,;")
"""Escapes with a meaning in Python and none in JSON, and those that something was lost of (`x`, `u`, punctuation)."""
_MARKDOWN: Final = frozenset("_*#&%$-")
"""What Markdown and LaTeX escape, and a key never escapes for another reason."""
_PAIR: Final = re.compile("[\ud800-\udbff][\udc00-\udfff]")  # one character, in two \u escapes
_HALF: Final = re.compile("[\ud800-\udfff]")

_decode = json.JSONDecoder(strict=False).raw_decode  # strict=False: models write raw line ends inside strings


class Unreadable(Exception):  # noqa: N818  (a finding about a text, caught by the next way of reading)
    """The text is not a value in this notation."""


class Token(NamedTuple):
    """A lexeme: `kind` is the punctuation itself, `string`, `scalar`, or `word` for a bare key."""

    kind: str
    value: Json = None


SCALARS: Final = frozenset({"string", "scalar", "word"})


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
    if text.count("[", start, end) + text.count("{", start, end) > MAX_DEPTH and is_deeper(value, MAX_DEPTH):
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


def read_notation(text: str) -> Json:
    """Read a whole text in mixed notation; tuples become lists, and scalar keys become JSON's strings.

    Raises:
        Unreadable: it has a part that has no meaning here, or more than one.
    """
    return parse(tokens_of(text))


def tokens_of(text: str) -> list[Token]:
    """Return the lexemes of a text, without blanks and comments.

    Raises:
        Unreadable: there is something that is no lexeme, or the text is too long or nested too deep.
    """
    if len(text) > MAX_CHARS:
        raise Unreadable
    tokens = list(_lexemes(text))
    depth = deepest = 0
    for token in tokens:
        depth += (token.kind in "{[(") - (token.kind in "}])")
        deepest = max(deepest, depth)
    if deepest > MAX_DEPTH:
        raise Unreadable
    return tokens


def _lexemes(text: str) -> Iterator[Token]:
    position, previous = 0, "["
    while position < len(text):
        match = _LEXEME.match(text, position)
        if match is None:
            raise Unreadable
        position = match.end()
        if match.lastgroup == "blank":
            if match[0][0] in "#/" and match[0].count('"') % 2:
                raise Unreadable  # no comment, but a string that lost its first quotation mark
            continue
        if match.lastgroup == "wrapped":
            yield from _unwrapped(match, text)
            previous = "string"
            continue
        token = _token(match, text)
        if match[0][0] in "+−-" and previous not in ("[", "(", "{", ",", ":"):
            raise Unreadable  # an operator, not a sign
        previous = token.kind
        yield token


def _token(match: re.Match[str], text: str) -> Token:
    lexeme = match[0]
    is_key = _AFTER_KEY.match(text, match.end()) is not None
    if match.lastgroup == "string":
        return Token("string", unescape(lexeme[1:-1], is_key=is_key))
    if match.lastgroup == "punctuation":
        return Token(lexeme[-1].translate(PLAIN))
    plain = lexeme.translate(PLAIN)
    sign = -1 if plain[0] == "-" else 1
    bare = plain.lstrip("+-")
    if match.lastgroup == "number":
        return Token("scalar", _number(bare, sign))
    if bare in _WORDS:
        value = _WORDS[bare]
        if bare == plain or isinstance(value, float):  # `-inf`, but no `-true`
            return Token("scalar", sign * value if isinstance(value, float) else value)
    if not is_key or bare != plain:
        raise Unreadable
    return Token("word", bare.replace("\\_", "_"))


def unwrap(lexeme: str) -> tuple[str, bool]:
    """Return what a text command of LaTeX holds, without a colon at its end, and whether there was one."""
    inner = lexeme[lexeme.index("{") + 1 : -1].strip()
    bare = inner.rstrip(COLONS).rstrip()
    return (f'"{bare[2:-2]}"' if bare.startswith("``") else bare), bare != inner


def _unwrapped(match: re.Match[str], text: str) -> Iterator[Token]:
    """Yield the lexemes in a text command of LaTeX; outside of keys, words and escapes could mean several things."""
    inner, has_colon = unwrap(match[0])
    is_key = has_colon or _AFTER_KEY.match(text, match.end()) is not None
    is_word = inner[0].isalpha() or inner[0] == "_"
    if not is_key and (is_word or "\\" in inner):
        raise Unreadable
    yield Token("word", inner.replace("\\_", "_")) if is_word else Token("string", unescape(inner[1:-1], is_key=is_key))
    if has_colon:
        yield Token(":")


def _number(bare: str, sign: int) -> int | float:
    digits = bare.replace("_", "")
    if digits[:2] in ("0x", "0X"):
        value = int(digits, 16) if len(digits) < MAX_DIGITS // 2 else None
    elif digits.isdecimal():
        value = int(digits) if len(digits) <= MAX_DIGITS else None
    else:
        value = float(digits)
    if value is None:
        raise Unreadable
    return sign * value


def unescape(inner: str, *, is_key: bool = False) -> str:
    r"""Return what a string's inner text stands for; an escape that means nothing keeps its backslash, as in Python.

    In a key it does not, where Markdown or LaTeX may have asked for it: `total\_cost` is `total_cost`.

    Raises:
        Unreadable: an escape means one thing in Python and another elsewhere, or is half a character.
    """
    if "\\" not in inner:
        return inner

    def meaning(match: re.Match[str]) -> str:
        code = match[1]
        if len(code) > 1:
            point = int(code[1:], 16)
            return chr(point) if point <= sys.maxunicode else match[0]
        if code in _OF_TWO_MEANINGS:
            raise Unreadable
        return code if is_key and code in _MARKDOWN else _ESCAPES.get(code, match[0])

    text = _ESCAPE.sub(meaning, inner)
    text = _PAIR.sub(lambda pair: pair[0].encode("utf-16", "surrogatepass").decode("utf-16"), text)
    if _HALF.search(text):
        raise Unreadable
    return text


# -- grammar ----------------------------------------------------------------------------------------------------------


def parse(tokens: list[Token], *, distinct_keys: bool = False) -> Json:
    """Return the value that a list of lexemes is.

    Raises:
        Unreadable: it is none; with `distinct_keys` also where an object names a member twice.
    """
    value, end = _value(tokens, 0, distinct_keys)
    if end != len(tokens):
        raise Unreadable
    return value


def _kind(tokens: list[Token], place: int) -> str:
    return tokens[place].kind if place < len(tokens) else ""


def _value(tokens: list[Token], place: int, distinct: bool) -> tuple[Json, int]:
    """Read the value that begins at a place; return it and the place after it."""
    match _kind(tokens, place):
        case "string" | "scalar":
            return tokens[place].value, place + 1
        case "{":
            return _object(tokens, place + 1, distinct)
        case "[":
            return _items(tokens, place + 1, "]", distinct)[:2]
        case "(":
            items, end, has_comma = _items(tokens, place + 1, ")", distinct)
            return (items[0] if len(items) == 1 and not has_comma else items), end
        case _:
            raise Unreadable


def _items(tokens: list[Token], place: int, closing: str, distinct: bool) -> tuple[list[Json], int, bool]:
    """Read the elements up to a closing mark; return them, the place after it, and whether there was any comma."""
    items: list[Json] = []
    has_comma = False
    while _kind(tokens, place) != closing:
        value, place = _value(tokens, place, distinct)
        items.append(value)
        if _kind(tokens, place) == ",":
            place, has_comma = place + 1, True
        elif _kind(tokens, place) != closing:
            raise Unreadable
    return items, place + 1, has_comma


def _object(tokens: list[Token], place: int, distinct: bool) -> tuple[Json, int]:
    """Read the members up to the closing brace; return the object and the place after it."""
    members: dict[str, Json] = {}
    while _kind(tokens, place) != "}":
        if _kind(tokens, place) not in SCALARS or _kind(tokens, place + 1) != ":":
            raise Unreadable
        key = _key(tokens[place])
        value, place = _value(tokens, place + 2, distinct)
        if distinct and key in members:
            raise Unreadable
        members[key] = value
        if _kind(tokens, place) == ",":
            place += 1
        elif _kind(tokens, place) != "}" and not begins_member(tokens, place):
            raise Unreadable
    return members, place + 1


def begins_member(tokens: list[Token], place: int) -> bool:
    """Tell whether a named member can only begin here, so that a comma before it may be missing."""
    return _kind(tokens, place) in ("string", "word") and _kind(tokens, place + 1) == ":"


def _key(token: Token) -> str:
    return token.value if isinstance(token.value, str) else json.dumps(token.value)
