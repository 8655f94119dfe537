"""benchmark_scores: verdicts of the benchmarks' own scorers for a recipe's answers, and each benchmark's figure.

What does not live here: scorers (`benchmarks`), running them (`evaluation.scoring`). No model is asked.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import polars as pl

from codeio_assets.benchmarks.catalogue import BENCHMARKS
from codeio_assets.benchmarks.contract import Question, Scored, Verdict
from codeio_assets.core.tables.data import frame
from codeio_assets.core.values.canonical import canonical_json, content_id
from codeio_assets.evaluation.results import cell
from codeio_assets.evaluation.scoring import Response, Scorer
from codeio_assets.steps.result import Row, StepResult, storable


@dataclass(frozen=True, slots=True)
class Answers:
    """What is scored: questions, answers, and which questions the training set holds."""

    benchmark_questions: pl.DataFrame
    benchmark_answers: pl.DataFrame
    benchmark_leakage: pl.DataFrame


class _Judged(NamedTuple):
    answer: Row
    benchmark: str
    question: Question
    verdict: Verdict


def score_answers(recipe: str, base_model: str, answers: Answers, scorer: Scorer) -> StepResult:
    """Judge every answer, and count by model and benchmark.

    Raises:
        SandboxUnavailable: an answer must be executed and cannot be.
    """
    judged = _judge(answers, scorer)
    leaked = {row["item_id"]: row for row in answers.benchmark_leakage.to_dicts()}
    groups: dict[tuple[str, str], list[_Judged]] = {}
    for each in judged:
        groups.setdefault((each.answer["model"], each.benchmark), []).append(each)
    scores = [
        row
        for (model, benchmark), group in groups.items()
        if (row := _score(recipe, base_model, model, benchmark, group, leaked)) is not None
    ]
    verdicts = frame("benchmark_verdicts", [_verdict(recipe, each) for each in judged])
    tables = {"benchmark_scores": frame("benchmark_scores", scores), "benchmark_verdicts": verdicts}
    return StepResult(tables, len(judged), len(judged), info={"answers": len(judged)})


def _judge(answers: Answers, scorer: Scorer) -> list[_Judged]:
    questions = {row["item_id"]: (row["benchmark"], question_of(row)) for row in answers.benchmark_questions.to_dicts()}
    rows = [row for row in answers.benchmark_answers.sort("answer_id").to_dicts() if row["item_id"] in questions]
    responses = [
        Response(*_asked(questions[row["item_id"]], row["response"]), is_cut_off=row["finish_reason"] == "length")
        for row in rows
    ]
    verdicts = scorer.score(responses)
    return [_Judged(row, *questions[row["item_id"]], verdict) for row, verdict in zip(rows, verdicts, strict=True)]


def _asked(asked: tuple[str, Question], response: str) -> tuple[str, str, Question]:
    return asked[0], response, asked[1]


def question_of(row: Mapping[str, Any]) -> Question:
    """Return a stored question."""
    gold, facts = json.loads(row["gold_json"]), json.loads(row["facts_json"])
    return Question(row["question_id"], row["question"], row["prompt"], gold, row["question_group"], facts)


def _verdict(recipe: str, each: _Judged) -> Row:
    extracted = each.verdict.extracted
    return {
        "answer_id": each.answer["answer_id"],
        "recipe": recipe,
        "model": each.answer["model"],
        "benchmark": each.benchmark,
        "question_id": each.question.id,
        "status": each.verdict.status,
        "score": each.verdict.score,
        "extracted": None if extracted is None else storable(extracted),
        "scorer_version": BENCHMARKS[each.benchmark].scorer_version,
    }


def _score(
    recipe: str, base_model: str, model: str, benchmark: str, group: Sequence[_Judged], leaked: Mapping[str, Row]
) -> Row | None:
    """Return the row of a model and benchmark; None where no answer has a score."""
    scored = [each for each in group if each.verdict.score is not None]
    if not scored:
        return None
    figure = BENCHMARKS[benchmark].figure([Scored(each.question.group, each.verdict) for each in scored])
    scores = [each.verdict.score or 0.0 for each in scored]
    found = cell(scores, [each.verdict.status for each in scored], figure.value)
    return {
        "score_id": content_id(recipe=recipe, model=model, benchmark=benchmark),
        "recipe": recipe,
        "base_model": base_model,
        "model": model,
        "weights": group[0].answer["weights"],
        "benchmark": benchmark,
        "value": figure.value,
        "low": found.low,
        "high": found.high,
        "questions": len(scored),
        "no_answer_ratio": found.no_answer_ratio,
        "truncated_ratio": found.truncated_ratio,
        "unleaked_value": _figure_without(benchmark, scored, leaked, "hits"),
        "rare_unleaked_value": _figure_without(benchmark, scored, leaked, "rare_hits"),
        "parts_json": canonical_json(dict(figure.parts)),
    }


def _figure_without(benchmark: str, group: Sequence[_Judged], leaked: Mapping[str, Row], hits: str) -> float | None:
    """Return the benchmark's figure on the questions without hits; None of none."""
    kept = [each for each in group if not leaked.get(each.answer["item_id"], {}).get(hits, 0)]
    scored = [Scored(each.question.group, each.verdict) for each in kept]
    return BENCHMARKS[benchmark].figure(scored).value if scored else None
