"""MATH: 5,000 competition problems whose answers are LaTeX expressions; compared with `math-verify`.

Source: hendrycks/math (MIT); the paper gives no prompt, ours asks for reasoning and a boxed answer. `math-verify`
raises where its alarm cannot be set (outside of the main thread), so that responses are judged in processes
(`evaluation.guarded`).
"""

from collections.abc import Iterator
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Final, cast

from codeio_assets.benchmarks.answers import after_answer_is, answer_member, last_boxed
from codeio_assets.benchmarks.contract import (
    NO_ANSWER,
    NO_GOLD,
    Benchmark,
    Question,
    Verdict,
    judged,
    numbered_id,
    own_answer,
)
from codeio_assets.benchmarks.files import find, json_lines, text_of

FILES: Final = ("math_test.jsonl", "math/test.jsonl", "test.jsonl")
PROMPT: Final = "{question}\n\nReason step by step, and put your final answer within \\boxed{{}}."
SECONDS: Final = 5
"""What parsing, and comparing, may each take; `math-verify`'s own default."""
MAX_ANSWER_CHARS: Final = 2_000


def load(folder: Path) -> Iterator[Question]:
    """Yield the problems; the gold answer is the last boxed expression of the solution."""
    path = find(folder, *FILES)
    for number, record in enumerate(json_lines(path)):
        place = f"{path}:{number + 1}"
        text, solution = text_of(record, "problem", place), text_of(record, "solution", place)
        facts = {"subject": record.get("type"), "level": record.get("level")}
        yield Question(
            id=str(record.get("idx", number)),
            text=text,
            prompt=PROMPT.format(question=text),
            gold=last_boxed(solution),
            group=str(record.get("level", "")),
            facts=facts,
        )


def score(response: str, question: Question) -> Verdict:
    """Judge by whether `math-verify` finds answer and gold equal."""
    if question.gold is None:
        return NO_GOLD
    answer = answer_text(response)
    if answer is None:
        return NO_ANSWER
    return judged(_equal(str(question.gold), _parsed_answer(answer)), answer)


def answer_text(response: str) -> str | None:
    """Return what a response gives as its answer in an object, a box or a sentence, or None.

    What merely stands at a response's end is no answer; `math-verify` alone would take any number there for one.
    """
    member = answer_member(response)
    if member is not None:
        return str(member)
    return last_boxed(response) or (after_answer_is(response) or "").removesuffix(".") or None


def _parsed_answer(answer: str) -> list[object]:
    """Parse an answer that was marked as one: as LaTeX whether or not it has dollar signs."""
    if len(answer) > MAX_ANSWER_CHARS:
        return []
    return _parsed(answer if "$" in answer else f"${answer}$") or _parsed(answer)


@lru_cache(maxsize=10_000)
def _gold(text: str) -> list[object]:
    return _parsed(f"${text}$") or _parsed(text)


def _parsed(text: str) -> list[object]:
    """Return what `math-verify` finds in a text; an error of its own or too long a time finds nothing."""
    parse = import_module("math_verify").parse  # sympy and a parser: loaded where they are used
    try:
        return cast("list[object]", parse(text, parsing_timeout=SECONDS, raise_on_error=False))
    except (RecursionError, MemoryError):
        return []


def _equal(gold: str, answer: list[object]) -> bool:
    verify = import_module("math_verify").verify
    try:
        return bool(verify(_gold(gold), answer, timeout_seconds=SECONDS, raise_on_error=False))
    except (RecursionError, MemoryError):
        return False


BENCHMARK: Final = Benchmark(
    name="math",
    title="MATH",
    id_fields=("id",),
    question_id=numbered_id,
    load=load,
    score=score,
    files=FILES,
    own_question=own_answer,
    needs_data=False,
)
