"""GSM8K: 1,319 word problems of grade school, each with a number as its answer.

Scored as WildEval/ZeroEval does: the first number of the answer equals the first number of the gold answer, after
dollar signs and thousands separators are taken out and fractions computed; `75.00` is `75`, and `75 miles` too.
Where a response has no answer object, `#### x`, a boxed value or the last `answer is x` is its answer.

Source: openai/grade-school-math (MIT); the paper gives no prompt, ours asks for reasoning and a boxed number.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from codeio_assets.benchmarks.answers import NoArithmetic, after_answer_is, answer_member, arithmetic, last_boxed
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

FILES: Final = ("gsm8k_test.jsonl", "gsm8k/test.jsonl", "test.jsonl")
PROMPT: Final = "{question}\n\nReason step by step, and put your final answer, one number, within \\boxed{{}}."
_NUMBER: Final = re.compile(r"-?\d+(?:\.\d+)?")
_HASHES: Final = re.compile(r"####\s*+([^\n]*+)")


def load(folder: Path) -> Iterator[Question]:
    """Yield the questions; an id is the line's number from 0."""
    path = find(folder, *FILES)
    for number, record in enumerate(json_lines(path)):
        text = text_of(record, "question", f"{path}:{number + 1}")
        answer = text_of(record, "answer", f"{path}:{number + 1}")
        yield Question(str(number), text, PROMPT.format(question=text), answer.rpartition("####")[2].strip())


def score(response: str, question: Question) -> Verdict:
    """Judge by the first number of the answer."""
    if question.gold is None:
        return NO_GOLD
    answer = answer_text(response)
    if answer is None:
        return NO_ANSWER
    return judged(same_number(answer, str(question.gold).lstrip("# ")), answer)


def answer_text(response: str) -> str | None:
    """Return what a response gives as its answer, or None."""
    member = answer_member(response)
    if member is not None:
        return str(member)
    hashes = _HASHES.findall(response)
    return hashes[-1] if hashes else last_boxed(response) or after_answer_is(response)


def same_number(answer: str, gold: str) -> bool:
    """Return whether the first numbers of two texts are equal."""
    found, wanted = first_number(answer), first_number(gold)
    return found is not None and found == wanted


def first_number(text: str) -> float | None:
    """Return the first number of a text, without dollar signs and separators; a fraction is computed."""
    cleaned = text.replace("$", "").strip().replace(",", "")
    if "/" in cleaned:
        try:
            return float(arithmetic(cleaned))
        except (NoArithmetic, OverflowError):
            pass
    match = _NUMBER.search(cleaned)
    return float(match[0]) if match else None


BENCHMARK: Final = Benchmark(
    name="gsm8k",
    title="GSM8K",
    id_fields=("id",),
    question_id=numbered_id,
    load=load,
    score=score,
    files=FILES,
    own_question=own_answer,
    needs_data=False,
)
