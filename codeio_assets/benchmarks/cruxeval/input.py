"""CRUXEval-I: predict arguments with which a short function returns a given output; any that do are right.

The answer must be a call `f(...)`. Its arguments may be what plain values, operators, lambdas, comprehensions and the
usual builtins can say; classes, dunder names and other ways to a value that claims to be equal to all are refused.
The call is evaluated in the sandbox.

Source: facebookresearch/cruxeval (MIT).
"""

import ast
import builtins
from collections.abc import Iterator
from functools import partial
from typing import Final

from codeio_assets.benchmarks.answers import answer_member, first_object
from codeio_assets.benchmarks.contract import NO_ANSWER, NO_GOLD, Benchmark, Execution, Question, Verdict, judged
from codeio_assets.benchmarks.cruxeval.functions import FILES, asserted, load, marked_answers, parsed, question_id

PROMPT: Final = (
    "Based on the Python code, complete the assertion: find any arguments with which the call returns the value that is"
    " given. Think step by step, then write the whole call, as in f(1, 'a'), between [ANSWER] and [/ANSWER] tags.\n\n"
    "[PYTHON]\n{program}\n[/PYTHON]"
)
_BUILTINS: Final = frozenset(
    [
        "abs",
        "all",
        "any",
        "ascii",
        "bin",
        "bool",
        "bytearray",
        "bytes",
        "chr",
        "complex",
        "dict",
        "divmod",
        "enumerate",
        "filter",
        "float",
        "frozenset",
        "hash",
        "hex",
        "int",
        "isinstance",
        "iter",
        "len",
        "list",
        "map",
        "max",
        "min",
        "next",
        "oct",
        "ord",
        "pow",
        "print",
        "range",
        "repr",
        "reversed",
        "round",
        "set",
        "slice",
        "sorted",
        "str",
        "sum",
        "tuple",
        "zip",
    ]
)
_REFUSED: Final = (ast.NamedExpr, ast.Await, ast.Yield, ast.YieldFrom)


def score(response: str, question: Question) -> Verdict | Execution:
    """Return the call to evaluate, or a verdict where there is none."""
    if not isinstance(question.gold, str):
        return NO_GOLD
    if "f(" not in response:
        return NO_ANSWER
    code = str(question.facts.get("code", ""))
    for answer in _answers(response):
        calls = asserted(_left_side(answer))
        if calls:
            if not all(is_plain_call(call, code) for call in calls):
                return judged(0, answer)
            return Execution(code, tuple(ast.unparse(call) for call in calls), question.gold, answer)
    return NO_ANSWER if "\n" in response.strip() else judged(0, response.strip())


def _answers(response: str) -> Iterator[str]:
    found = first_object(response) if "{" in response else None
    if found is not None and "answer" in found:
        yield str(answer_member(response))
    yield from marked_answers(response)


def _left_side(answer: str) -> str:
    """Return the call of `assert f(...) == output`, or the answer itself."""
    tree = parsed(answer.removeprefix("assert ").strip())
    if tree is not None and len(tree.body) == 1 and isinstance(tree.body[0], ast.Expr):
        value = tree.body[0].value
        if isinstance(value, ast.Compare) and len(value.ops) == 1 and isinstance(value.ops[0], ast.Eq):
            return ast.unparse(value.left)
    return answer


def is_plain_call(node: ast.expr, code: str) -> bool:
    """Return whether an expression is a call of `f` whose arguments can only be plain values and functions of them."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "f"):
        return False
    bound = {each.arg for each in ast.walk(node) if isinstance(each, ast.arg)}
    bound |= {each.id for each in ast.walk(node) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)}
    if "f" in bound:
        return False
    known = bound | _BUILTINS | _top_names(code) | {"f"}
    return all(_is_plain(each, known) for each in ast.walk(node))


def _is_plain(node: ast.AST, known: set[str]) -> bool:
    if isinstance(node, ast.Name):
        return node.id in known
    if isinstance(node, ast.Attribute):
        return not node.attr.startswith("_")
    return not isinstance(node, _REFUSED)


def _top_names(code: str) -> set[str]:
    """Return what the function's own code imports; builtins that it imports under their names stay refused."""
    tree = parsed(code)
    imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)] if tree else []
    names = {alias.asname or alias.name.partition(".")[0] for node in imports for alias in node.names}
    return {name for name in names if not hasattr(builtins, name) and name not in ("builtins", "types", "operator")}


BENCHMARK: Final = Benchmark(
    name="cruxeval_input",
    title="CRUXEval-I",
    id_fields=("id",),
    question_id=question_id,
    load=partial(load, direction="input", prompt=PROMPT),
    score=score,
    files=FILES,
)
