"""Labels that a model gives to raw files: what they are about, and how hard their functions are to complete.

What lives here: reading the answers, the function that is left open for a model to complete, the programs that are
compared. What does not: asking (`steps.file_labels`), deciding by labels (`steps.eligible_code_files`).
Source: CodeI/O, sec. 2.1.
"""

import ast
import re
from dataclasses import dataclass

from codeio_assets.core.method.completion import complete_code
from codeio_assets.core.method.raw_code import parse_quietly
from codeio_assets.core.values.reasoning import split_reasoning

CATEGORIES = (
    "algorithms", "logic_puzzles", "math", "scientific_computation", "system_modelling", "other_reasoning",
    "non_reasoning",
)  # fmt: skip
_LABEL = re.compile("|".join(CATEGORIES))
_BLOCK = re.compile(r"```[ \t]*(?:python|py)?[ \t]*\n(.*?)(?:```|\Z)", re.DOTALL)
SHORTEST_BODY_LINES = 3


def read_category(response: str) -> str | None:
    """Return the label that a response names; None when it names none or several."""
    response = split_reasoning(response)[0]
    named = set(_LABEL.findall(response.lower().replace("-", "_").replace(" ", "_")))
    return named.pop() if len(named) == 1 else None


@dataclass(frozen=True, slots=True)
class OpenFunction:
    """A function of a file: its name, its arguments, its text, and the file with its body left open."""

    name: str
    arguments: tuple[str, ...]
    text: str
    file_without_body: str


def open_function(code: str) -> OpenFunction | None:
    """Return the longest top-level function that a completion can be judged by; None when there is none.

    It has arguments that can be given by name, a body of some lines, and returns a value.

    Raises:
        SyntaxError: the file does not parse.
    """
    lines = re.findall(r"[^\n]*\n|[^\n]+\Z", code)  # not splitlines, which knows more line ends than Python
    nodes = [node for node in parse_quietly(code).body if isinstance(node, ast.FunctionDef) and _can_be_judged(node)]
    node = max(nodes, key=lambda node: (_last_line(node) - node.lineno, -node.lineno), default=None)
    if node is None:
        return None
    body = node.body[1:] if ast.get_docstring(node) is not None and len(node.body) > 1 else node.body
    first = body[0].lineno - 1
    indent = lines[first][: len(lines[first]) - len(lines[first].lstrip())]
    opened = [*lines[:first], f"{indent}...  # the missing body\n", *lines[_last_line(node) :]]
    arguments = tuple(each.arg for each in node.args.args + node.args.kwonlyargs)
    return OpenFunction(node.name, arguments, "".join(lines[node.lineno - 1 : _last_line(node)]), "".join(opened))


def read_function(response: str, name: str) -> str | None:
    """Return the code of the last block of a response that defines a function; None when none does."""
    response = split_reasoning(response)[0]
    for block in reversed(_BLOCK.findall(response) or [response]):
        try:
            body = parse_quietly(block).body
        except SyntaxError:
            continue
        if any(isinstance(node, ast.FunctionDef) and node.name == name for node in body):
            return block
    return None


def program_of(function: str, name: str, raw_file: str) -> str:
    """Return a program whose `main_solution` calls a function, with what it needs of the raw file.

    Raises:
        SyntaxError: the function does not parse.
    """
    call = f"def main_solution(**arguments):\n    return {name}(**arguments)\n"
    return complete_code(f"{function.rstrip()}\n\n\n{call}", raw_file)[0]


def _can_be_judged(node: ast.FunctionDef) -> bool:
    arguments = node.args
    by_name = arguments.args + arguments.kwonlyargs
    odd = arguments.posonlyargs or arguments.vararg or arguments.kwarg or node.decorator_list
    returns = any(isinstance(each, ast.Return) and each.value is not None for each in ast.walk(node))
    yields = any(isinstance(each, ast.Yield | ast.YieldFrom) for each in ast.walk(node))
    long_enough = _last_line(node) - node.body[0].lineno + 1 >= SHORTEST_BODY_LINES
    on_own_line = node.body[0].lineno > node.lineno
    return bool(by_name) and not odd and returns and not yields and long_enough and on_own_line


def _last_line(node: ast.FunctionDef) -> int:
    return node.end_lineno or node.lineno
