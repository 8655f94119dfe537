"""CRUXEval: 800 short functions `f`, each with one call and its output; what both directions share.

The official rule is that `assert output == answer` passes after the function's code. Here the answer's side of the
comparison is taken from that statement, evaluated where it must be, and compared outside of the sandbox as plain
values: what an answer's own `__eq__` would say counts for nothing.

What does not live here: finding the answer in a response and what may stand in it (`input`,
`output`), and running anything (`evaluation.scoring`).

Source: facebookresearch/cruxeval (MIT).
"""

import ast
import json
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, cast

from codeio_assets.benchmarks.contract import Execution, Question, Row, Verdict, judged
from codeio_assets.benchmarks.files import find, json_lines, text_of
from codeio_assets.core.values.canonical import Json

FILES: Final = ("cruxeval.jsonl", "cruxeval/cruxeval.jsonl")
MAX_ANSWER_CHARS: Final = 20_000
_BLOCK: Final = re.compile(r"\[ANSWER\](.*?)(?:\[/ANSWER\]|\Z)", re.DOTALL)
_ASSERT: Final = re.compile(r"^\s*+assert\b(.*+)$", re.MULTILINE)
ENTRY: Final = "main_solution"

_ENCODER: Final = """

def __encoded(value, __depth=0):
    if __depth > 90:
        raise ValueError("nested too deep")
    below = __depth + 1
    if value is None:
        return ["NoneType", ""]
    for kind in (bool, int, float, complex):
        if isinstance(value, kind):
            return [kind.__name__, kind.__repr__(value)]
    if isinstance(value, str):
        return ["str", "".join(value)]
    if isinstance(value, (bytes, bytearray)):
        return ["bytes", bytes(value).hex()]
    if isinstance(value, dict):
        return ["dict", [[__encoded(k, below), __encoded(v, below)] for k, v in dict.items(value)]]
    for kind in (list, tuple, set, frozenset):
        if isinstance(value, kind):
            return [kind.__name__, [__encoded(item, below) for item in kind.__iter__(value)]]
    return ["other", ""]


def main_solution(number):
    return __encoded([{thunks}][number]())
"""


def load(folder: Path, direction: str, prompt: str) -> Iterator[Question]:
    """Yield the functions, asked in one direction; gold is the output as a Python literal."""
    path = find(folder, *FILES)
    for record in json_lines(path):
        code, given, output = (text_of(record, name, str(path)) for name in ("code", "input", "output"))
        shown = f"{code}\nassert f({given if direction == 'output' else '??'}) == "
        shown += "??" if direction == "output" else output
        yield Question(
            id=text_of(record, "id", str(path)),
            text=code,
            prompt=prompt.format(program=shown),
            gold=output,
            facts={"code": code, "input": given},
        )


def question_id(row: Row) -> str:
    """Return `sample_12` of `sample_12` or `crux-test-#12`."""
    text = str(row.get("id", ""))
    return f"sample_{text.rpartition('#')[2]}" if "#" in text else text


def marked_answers(response: str, is_whole: bool = True) -> Iterator[str]:
    """Yield what may be the answer: the last `[ANSWER]` block, the last `assert` line, the whole response."""
    blocks = _BLOCK.findall(response)
    if blocks:
        yield _unfenced(blocks[-1])
    asserts = _ASSERT.findall(response)
    if asserts:
        yield asserts[-1].strip()
    if is_whole:
        yield _unfenced(response)


def _unfenced(text: str) -> str:
    """Return a text without the Markdown fence around it."""
    stripped = text.strip().strip("`").strip()
    return stripped.removeprefix("python\n").strip()


def asserted(answer: str) -> list[ast.expr]:
    """Return the expressions that `assert gold == ANSWER` compares with the gold value; none if it is no Python.

    A message after a comma is none of them, as in the statement; anything but equality is no answer.
    """
    tree = parsed(f"assert 0 == {answer}")
    if tree is None or len(tree.body) != 1 or not isinstance(tree.body[0], ast.Assert):
        return []
    test = tree.body[0].test
    if not isinstance(test, ast.Compare) or not all(isinstance(each, ast.Eq) for each in test.ops):
        return []
    return test.comparators


def parsed(text: str) -> ast.Module | None:
    """Return the tree of a text, or None if it is no Python, or too long or too deep to be looked at."""
    if len(text) > MAX_ANSWER_CHARS:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the compiler warns of odd escapes and of literals that are called
        try:
            return ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None


class NoLiteral(ValueError):  # noqa: N818
    """An expression is no Python literal."""


def literal(expression: ast.expr | str) -> object:
    """Return the value of a Python literal.

    Raises:
        NoLiteral: it is anything else.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.literal_eval(expression)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        raise NoLiteral from None


def are_equal(value: object, gold: str) -> bool:
    """Return whether a plain value is equal to a gold literal, as Python's `==` says of plain values."""
    try:
        return bool(value == literal(gold))
    except (NoLiteral, RecursionError):
        return False


def program(execution: Execution) -> str:
    """Return a program whose entry gives the value of one of the expressions by its number, in an encoded form."""
    thunks = ", ".join(f"lambda: ({expression})" for expression in execution.expressions)
    return execution.code + _ENCODER.replace("{thunks}", thunks)


def settle(execution: Execution, values_json: list[str | None]) -> Verdict:
    """Return the verdict from the encoded values, None where an expression had none."""
    right = bool(values_json) and all(value is not None and _is_equal(value, execution.gold) for value in values_json)
    return judged(right, execution.extracted, **execution.details)


def _is_equal(value_json: str, gold: str) -> bool:
    try:
        return are_equal(_decoded(json.loads(value_json)), gold)
    except (ValueError, TypeError, RecursionError, OverflowError):
        return False


_KINDS: Final[dict[str, Any]] = {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}


def _decoded(encoded: Json) -> object:
    """Return the plain value of an encoded one; what has no plain value is equal to nothing."""
    kind, content = cast("tuple[str, Any]", encoded)
    if kind == "NoneType":
        return None
    if kind in ("bool", "int", "float", "complex"):
        return {"bool": _boolean, "int": int, "float": float, "complex": complex}[kind](content)
    if kind == "str":
        return content
    if kind == "bytes":
        return bytes.fromhex(content)
    if kind == "dict":
        return {_decoded(key): _decoded(value) for key, value in content}
    if kind in _KINDS:
        return _KINDS[kind](_decoded(item) for item in content)
    return object()


def _boolean(text: str) -> bool:
    return text == "True"
