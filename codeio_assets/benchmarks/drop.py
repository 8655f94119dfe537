"""DROP: questions on passages that need counting, sorting and arithmetic; F1 over bags of words.

Scored as the official evaluator does: tokens in lower case, split at spaces and hyphens, without punctuation unless
they are numbers, numbers as floats, without articles; spans are aligned one to one for the largest sum; a span whose
numbers are not in the gold span has F1 0; the mean is over the longer list, to two decimals; the best annotator counts.

Source: allenai/allennlp-models (Apache-2.0); the paper gives no prompt, ours asks for reasoning and `Answer: ...`.
"""

import re
import string
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final, cast

from codeio_assets.benchmarks.answers import after_answer_is, answer_member
from codeio_assets.benchmarks.contract import (
    NO_ANSWER,
    NO_GOLD,
    Benchmark,
    Figure,
    Question,
    Row,
    Scored,
    Verdict,
    field_id,
    percent,
    scores_of,
)
from codeio_assets.benchmarks.files import find, json_file
from codeio_assets.core.values.canonical import Json

FILES: Final = (
    *("drop/drop_dataset_dev.json", "drop_dataset_dev.json", "drop/drop_dataset_test.json"),
    *("drop/drop_contrast_sets_test.json", "drop_contrast_sets_test.json", "drop/allennlp_fixture_drop.json"),
)
PROMPT: Final = (
    "Read the passage and answer the question. Think step by step, then end with one line `Answer: ` and the shortest"
    " answer: a number, a date, or a span of the text; several spans are separated by `; `.\n\n"
    "Passage: {passage}\n\nQuestion: {question}"
)
MAX_SPANS: Final = 100
MAX_SPAN_CHARS: Final = 10_000
_ARTICLE: Final = re.compile(r"\b(?:a|an|the)\b")
_PUNCTUATION: Final = frozenset(string.punctuation)
Bags = list[frozenset[str]]


def load(folder: Path) -> Iterator[Question]:
    """Yield the questions of a file in DROP's published form; gold is a list of answers, each a list of spans."""
    for passage_id, entry in json_file(find(folder, *FILES)).items():
        for number, pair in enumerate(entry["qa_pairs"]):
            answers: list[dict[str, Any]] = [pair["answer"], *(pair.get("validated_answers") or [])]
            golds = [spans for answer in answers if (spans := gold_spans(answer))[0].strip()]
            text = str(pair["question"])
            yield Question(
                id=str(pair.get("query_id", f"{passage_id}/{number}")),
                text=f"{entry['passage']}\n{text}",
                prompt=PROMPT.format(passage=entry["passage"], question=text),
                gold=cast("Json", golds) or None,
                group=passage_id.partition("_")[0],
            )


def gold_spans(answer: dict[str, Any]) -> list[str]:
    """Return an annotator's answer as spans: a number, a date as `day month year`, or spans of the passage."""
    if answer.get("number"):
        return [str(answer["number"])]
    if answer.get("spans"):
        return [str(span) for span in answer["spans"]]
    date: dict[str, Any] = answer.get("date") or {}
    return [" ".join(str(date.get(part, "")) for part in ("day", "month", "year"))]


def own_question(row: Row, known: Question | None) -> Question | None:
    """Return a question of a line that holds its own gold answers."""
    golds = row.get("golds")
    return Question(str(row.get("query_id", "")), "", "", golds) if isinstance(golds, list) else known


def score(response: str, question: Question) -> Verdict:
    """Judge a response by the answer in its last line that says one."""
    spans = answer_spans(response)
    return score_spans(spans, question) if spans else NO_ANSWER if question.gold else NO_GOLD


def answer_spans(response: str) -> list[str]:
    """Return the spans that a response answers; a short response is its own answer."""
    member = answer_member(response) if "{" in response else None
    answer = str(member) if member is not None else after_answer_is(response)
    if answer is None:
        answer = response.strip() if len(response) <= 200 and "\n" not in response.strip() else ""
    answer = answer.strip("*` \t").rstrip(".")
    return [span for part in re.split(r";|\n", answer) if (span := part.strip())][:MAX_SPANS]


def score_spans(predicted: Sequence[str], question: Question) -> Verdict:
    """Judge spans; `em` is beside the F1, which is the score."""
    golds = cast("list[list[str]]", question.gold or [])
    if not golds:
        return NO_GOLD
    pairs = [em_and_f1([str(span) for span in predicted], [str(span) for span in gold]) for gold in golds]
    em, f1 = max(em for em, _ in pairs), max(f1 for _, f1 in pairs)
    return Verdict("correct" if em == 1 else "wrong", f1, "; ".join(map(str, predicted)), {"em": em, "f1": f1})


def em_and_f1(predicted: Sequence[str], gold: Sequence[str]) -> tuple[float, float]:
    """Return exact match and F1 of predicted spans against the spans of one annotator."""
    given, wanted = _spans(predicted), _spans(gold)
    exact = set(given) == set(wanted) and len(given) == len(wanted)
    f1s = _aligned([frozenset(span.split()) for span in given], [frozenset(span.split()) for span in wanted])
    return float(exact), round(sum(f1s) / max(len(given), len(wanted), 1), 2)


def _spans(spans: Sequence[str]) -> list[str]:
    return [normalised(span[:MAX_SPAN_CHARS]) for span in spans[:MAX_SPANS]]


def normalised(text: str) -> str:
    """Return a span's tokens as they are compared."""
    parts = (" ".join(_ARTICLE.sub(" ", _token(part.lower())).split()) for part in re.split("[ -]", text))
    return " ".join(part for part in parts if part)


def _token(token: str) -> str:
    if not _is_number(token):
        token = "".join(char for char in token if char not in _PUNCTUATION)
    return str(float(token)) if _is_number(token) else token


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _aligned(given: Bags, wanted: Bags) -> list[float]:
    """Return the F1 of each pair in the one-to-one alignment whose sum is largest."""
    assign = import_module("scipy.optimize").linear_sum_assignment  # loaded where it is used

    if not given or not wanted:
        return []
    scores = [[_f1(bag, gold) for bag in given] for gold in wanted]
    rows, columns = assign(scores, maximize=True)
    return [scores[row][column] for row, column in zip(rows.tolist(), columns.tolist(), strict=True)]


def _f1(bag: frozenset[str], gold: frozenset[str]) -> float:
    numbers = {word for word in gold if _is_number(word)}
    if numbers and not numbers & bag:
        return 0.0
    common = len(gold & bag)
    precision = common / len(bag) if bag else 1.0
    recall = common / len(gold) if gold else 1.0
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def figure(scored: Sequence[Scored]) -> Figure:
    """Return the mean F1, with exact match beside it."""
    exact = [
        float(cast("float", each.verdict.details.get("em", 0.0))) for each in scored if each.verdict.score is not None
    ]
    return Figure(percent(scores_of(scored)), {"exact_match": percent(exact)})


BENCHMARK: Final = Benchmark(
    name="drop",
    title="DROP",
    id_fields=("query_id",),
    question_id=field_id("query_id"),
    load=load,
    score=score,
    files=FILES,
    own_question=own_question,
    figure=figure,
    needs_data=False,
)
