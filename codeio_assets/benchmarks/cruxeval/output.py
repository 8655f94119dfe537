"""CRUXEval-O: predict what a call of a short function returns.

A literal is compared as a literal. Another expression, as in `'a' * 3`, is evaluated in the sandbox after the code, as
the official rule does; an answer that holds the call itself, `f(<input>)`, does not count. The text in an answer object
may mean the literal that it is or the string that it spells: `"answer": "5"` is 5 and '5'.

Source: facebookresearch/cruxeval (MIT); answer objects as WildEval/ZeroEval asks for them. Its own published figures
compare texts (`details.is_same_text`), and are up to 1.5 points lower.
"""

import ast
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final

from codeio_assets.benchmarks.answers import answer_member, first_object
from codeio_assets.benchmarks.contract import (
    NO_ANSWER,
    NO_GOLD,
    Benchmark,
    Details,
    Execution,
    Figure,
    Question,
    Row,
    Scored,
    Verdict,
    judged,
    percent,
    scores_of,
)
from codeio_assets.benchmarks.cruxeval.functions import (
    FILES,
    NoLiteral,
    are_equal,
    asserted,
    literal,
    load,
    marked_answers,
    question_id,
)
from codeio_assets.core.values.canonical import Json

PROMPT: Final = (
    "Based on the Python code, complete the assertion: give the literal that the call returns, which may be a string,"
    " a number, a list or another container. Think step by step, then write the value in place of ?? between [ANSWER]"
    " and [/ANSWER] tags; no expressions, no calls.\n\n[PYTHON]\n{program}\n[/PYTHON]"
)


def own_question(row: Row, known: Question | None) -> Question | None:
    """Return a question of a line that holds its own answer, a Python literal."""
    gold = row.get("answer")
    if not isinstance(gold, str):
        return known
    facts: Details = known.facts if known is not None else {}
    return Question(question_id(row), "", "", gold, facts=facts)


def score(response: str, question: Question) -> Verdict | Execution:
    """Judge the value that a response ends with."""
    if not isinstance(question.gold, str):
        return NO_GOLD
    found = first_object(response) if "{" in response else None
    if found is not None and "answer" in found:
        return _judge_member(found["answer"], question.gold)
    is_object = '"answer"' in response
    for answer in marked_answers(response, is_whole=not is_object):
        expressions = asserted(_right_side(answer))
        if expressions:
            return _judge(answer, expressions, question)
    member = answer_member(response)
    return NO_ANSWER if member is None else _judge_member(member, question.gold)


def _right_side(answer: str) -> str:
    """Return what follows `f(...) ==`, if the answer repeats the assertion."""
    left, equals, right = answer.removeprefix("assert ").partition("==")
    return right if equals and left.strip().startswith("f(") else answer


def _judge_member(value: Json, gold: str) -> Verdict:
    """Judge the answer of an object: a literal, or else the string that it spells."""
    if not isinstance(value, str):
        return judged(are_equal(value, gold), repr(value), is_same_text=repr(value) == gold)
    right = any(are_equal(each, gold) for each in _meanings(value))
    return judged(right, value, is_same_text=is_same_text(value, gold))


def _meanings(text: str) -> Iterator[Any]:
    """Yield what an object's text may mean: the literal that it is, and the string that it spells, quoted or not."""
    for source in (text, text.replace("\n", "\\n"), f"'{text}'"):
        expressions = asserted(source)
        if len(expressions) == 1:
            with suppress(NoLiteral):
                yield literal(expressions[0])
    yield text


def is_same_text(value: str, gold: str) -> bool:
    """Return whether an answer's text is the gold text, with or without its quotes."""
    return gold in (value, f"'{value}'")


def _judge(answer: str, expressions: list[ast.expr], question: Question) -> Verdict | Execution:
    gold, facts = str(question.gold), question.facts
    if "input" in facts and f"f({facts['input']})" in answer:
        return judged(0, answer)
    try:
        return judged(all(are_equal(literal(each), gold) for each in expressions), answer)
    except NoLiteral:
        texts = tuple(ast.unparse(each) for each in expressions)
        return Execution(str(facts.get("code", "")), texts, gold, answer)


def figure(scored: Sequence[Scored]) -> Figure:
    """Return pass@1; beside it, for answer objects, the share whose text is the gold text."""
    texts = [each.verdict.details.get("is_same_text") for each in scored if each.verdict.score is not None]
    parts = {"same_text": percent(float(bool(text)) for text in texts)} if any(t is not None for t in texts) else {}
    return Figure(percent(scores_of(scored)), parts)


BENCHMARK: Final = Benchmark(
    name="cruxeval_output",
    title="CRUXEval-O",
    id_fields=("id",),
    question_id=question_id,
    load=partial(load, direction="output", prompt=PROMPT),
    score=score,
    files=FILES,
    own_question=own_question,
    figure=figure,
    needs_data=False,
)
