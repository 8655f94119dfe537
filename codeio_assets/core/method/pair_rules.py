"""What must hold of a stored pair without running anything: size, argument names, and that both answers can be given.

What lives here: rules on one pair and its function's code, each with what is wrong in words. What does not: whether the
output is what the code gives (`steps.repeating`), which draws become pairs (`io_pairs`).
"""

import json
from dataclasses import dataclass

from codeio_assets.core.method.entries import arguments_of
from codeio_assets.core.method.verdicts import judge_output, read_input_answer
from codeio_assets.core.values.canonical import written_json
from codeio_assets.core.values.complexity import check_complexity

ENTRY = "main_solution"


@dataclass(frozen=True, slots=True)
class Signature:
    """The argument names of a function: those it needs, those it knows, whether it takes any other."""

    needed: frozenset[str]
    known: frozenset[str]
    takes_others: bool


def signature_of(code: str, entry: str = ENTRY) -> Signature | None:
    """Return the signature of what some code binds a name to at its end, None where nothing binds it."""
    try:
        given = arguments_of(code, entry)
    except SyntaxError:
        return None
    if given is None:
        return None
    positional = [argument.arg for argument in (*given.posonlyargs, *given.args)]
    needed = set(positional[: len(positional) - len(given.defaults)])
    pairs = zip(given.kwonlyargs, given.kw_defaults, strict=True)
    needed |= {argument.arg for argument, default in pairs if default is None}
    known = {*positional, *(argument.arg for argument in given.kwonlyargs)}
    return Signature(frozenset(needed), frozenset(known), given.kwarg is not None)


def argument_problem(signature: Signature | None, input_json: str) -> str | None:
    """Return why an input cannot be the keyword arguments of a function, or None."""
    if signature is None:
        return f"the code does not define {ENTRY}"
    names = json.loads(input_json).keys()
    missing = sorted(signature.needed - names)
    if missing:
        return f"lacks the argument(s) {', '.join(missing)}"
    unknown = sorted(names - signature.known)
    return f"has the unknown argument(s) {', '.join(unknown)}" if unknown and not signature.takes_others else None


def complexity_problem(input_json: str, output_json: str) -> str | None:
    """Return which side of a pair is too complex and why, or None."""
    for side, text in (("input", input_json), ("output", output_json)):
        problem = check_complexity(json.loads(text))
        if problem:
            return f"{side}_{problem}"
    return None


def direction_problem(input_json: str, output_json: str) -> str | None:
    """Return in which direction the truth itself, given as an answer, would not be right, or None.

    The output must be read and judged correct; the input must be read as the very arguments that were executed.
    """
    judgement = judge_output("answered", f'{{"output": {output_json}}}', output_json)
    if judgement.status != "correct":
        return f"output: the stored output as an answer is {judgement.status}"
    found = read_input_answer("answered", f'{{"input": {input_json}}}')
    if found != written_json(json.loads(input_json)):
        return f"input: the stored input as an answer is read as {found if isinstance(found, str) else found.status}"
    return None
