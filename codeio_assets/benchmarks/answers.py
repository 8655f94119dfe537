"""Finding the final answer in a response: answer objects, boxed values, sentences, and arithmetic without `eval`.

What lives here: the readings that several benchmarks share. What does not: what is right (one module each), and the
answer objects of our own training tasks (`core.method.answers`).

Source: the answer object is that of WildEval/ZeroEval, whose published scores take the first complete object of a
response, or else the first thing that looks like an "answer" member.
"""

import ast
import json
import re
from collections.abc import Callable
from typing import Final, cast

from codeio_assets.core.values.canonical import Json

MAX_SEARCHED: Final = 2_000_000
"""Characters of a response that are searched; the longest of the published responses has some 60,000."""
_BRACE: Final = re.compile(r"[{}]")
_QUOTED_MEMBER: Final = re.compile(r'"answer"\s*+:\s*+"([^"]*+)"')
_BARE_MEMBER: Final = re.compile(r'"answer"\s*+:\s*+([^,\s]*+)')
_BARE_KEY: Final = re.compile(r"answer\s*+:\s*+([^,\s]*+)")
_BOXED: Final = re.compile(r"\\(?:boxed|fbox)\s*+\{")
_ANSWER_IS: Final = re.compile(r"answer\s*+(?:is|:)\s*+", re.IGNORECASE)


def first_object(text: str) -> dict[str, Json] | None:
    """Return the first object between matching braces, if it is JSON once its line ends are taken out."""
    depth, start = 0, -1
    for match in _BRACE.finditer(text[:MAX_SEARCHED]):
        if match[0] == "{":
            start = match.start() if depth == 0 else start
            depth += 1
        elif depth:
            depth -= 1
            if depth == 0:
                return load_object(text[start : match.end()])
    return None


def last_object(text: str) -> dict[str, Json] | None:
    """Return the last object between matching braces, if it is JSON once its line ends are taken out."""
    depth, start, last = 0, -1, None
    for match in _BRACE.finditer(text[:MAX_SEARCHED]):
        if match[0] == "{":
            start = match.start() if depth == 0 else start
            depth += 1
        elif depth:
            depth -= 1
            last = (start, match.end()) if depth == 0 else last
    return load_object(text[last[0] : last[1]]) if last else None


def load_object(text: str) -> dict[str, Json] | None:
    """Return a JSON object that was written over several lines, or None."""
    try:
        value: Json = json.loads(text.replace("\n", ""))
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, Json]", value) if isinstance(value, dict) else None


def answer_member(text: str) -> Json | None:
    """Return the answer that a response gives as the member `answer` of an object, whole or in pieces."""
    found = first_object(text)
    if found is not None and "answer" in found:
        return plain_text(found["answer"])
    for pattern in (_QUOTED_MEMBER, _BARE_MEMBER, _BARE_KEY):
        match = pattern.search(text[:MAX_SEARCHED])
        if match is not None:
            return match[1]
    return None


def plain_text(value: Json) -> str:
    """Return a value as a text; one that is nested too deep to print is no text."""
    try:
        return str(value)
    except (RecursionError, ValueError):
        return ""


def last_boxed(text: str) -> str | None:
    r"""Return what stands in the last `\boxed{...}` whose braces close."""
    for opening in reversed(list(_BOXED.finditer(text[:MAX_SEARCHED]))[-20:]):
        depth = 1
        for match in _BRACE.finditer(text, opening.end()):
            depth += 1 if match[0] == "{" else -1
            if depth == 0:
                return text[opening.end() : match.start()]
    return None


def after_answer_is(text: str) -> str | None:
    """Return what follows the last `answer is` or `answer:`, to the end of its line, or None."""
    last = None
    for match in _ANSWER_IS.finditer(text[:MAX_SEARCHED]):
        last = match
    if last is None:
        return None
    return text[last.end() :].partition("\n")[0].strip()


_OPERATORS: Final[dict[type, Callable[[float, float], float]]] = {
    ast.Add: lambda left, right: left + right,
    ast.Sub: lambda left, right: left - right,
    ast.Mult: lambda left, right: left * right,
    ast.Div: lambda left, right: left / right,
    ast.FloorDiv: lambda left, right: left // right,
    ast.Mod: lambda left, right: left % right,
}
_ARITHMETIC: Final = re.compile(r"[0-9.+\-*/%()\s]{1,1000}", re.ASCII)
_MAX_POWER: Final = 64


class NoArithmetic(ValueError):  # noqa: N818
    """A text is no plain arithmetic, or has no value."""


def arithmetic(text: str) -> float:
    """Return the value of an expression of numbers, signs, brackets and + - * / // % **, without evaluating code.

    Raises:
        NoArithmetic: it is anything else, too long, too deep, or divides by zero.
    """
    if _ARITHMETIC.fullmatch(text) is None:
        raise NoArithmetic("no arithmetic")
    try:
        return _value(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, ValueError, ArithmeticError, RecursionError, MemoryError, TypeError) as error:
        raise NoArithmetic(str(error)) from None


def _value(node: ast.expr) -> float:
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return cast("float", node.value)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.UAdd | ast.USub):
        value = _value(node.operand)
        return -value if isinstance(node.op, ast.USub) else value
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        return _OPERATORS[type(node.op)](_value(node.left), _value(node.right))
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
        return _power(_value(node.left), _value(node.right))
    raise NoArithmetic("no arithmetic")


def _power(base: float, exponent: float) -> float:
    if not -_MAX_POWER <= exponent <= _MAX_POWER or abs(base) > 10**9:
        raise NoArithmetic("too large a power")
    value: object = base**exponent
    if isinstance(value, complex):
        raise NoArithmetic("no real number")
    return cast("float", value)
