"""The tables of the paper's benchmarks: questions, answers, verdicts, scores, leaks, and the table of results.

What does not live here: the list of all tables (`core.tables.data`).
"""

from typing import Any

import pandera.polars as pa

from codeio_assets.core.tables.schema import ID, Table
from codeio_assets.core.tables.training import EVALUATED

STATUSES = ["correct", "wrong", "no_answer", "truncated", "no_gold"]
SHARE: dict[str, Any] = {"ge": 0, "le": 1}


class BenchmarkQuestion(Table):
    """One row per question of a benchmark that models are asked."""

    item_id: str = pa.Field(unique=True, **ID, description="sha256 over benchmark, question and prompt")
    benchmark: str = pa.Field(description="name of the benchmark")
    question_id: str = pa.Field(description="the benchmark's own id")
    question_group: str = pa.Field(description="task, subject or size that the benchmark reports by")
    question: str = pa.Field(description="the question alone, as leakage looks at it")
    prompt: str = pa.Field(str_length={"min_value": 1}, description="what a model is asked")
    gold_json: str = pa.Field(description="the right answer, as JSON")
    facts_json: str = pa.Field(str_matches=r"^\{", description="what the scorer needs besides")
    prompt_version: int = pa.Field(ge=1, description="version of the benchmark's prompt")


class BenchmarkAnswer(Table):
    """One row per question and model of a recipe: what the model said."""

    answer_id: str = pa.Field(unique=True, **ID, description="sha256 over recipe, model and question")
    recipe: str
    model: str = pa.Field(isin=EVALUATED)
    item_id: str = pa.Field(**ID, description="the question")
    weights: str = pa.Field(description="sha256 of the checkpoint, or a base model's name and revision")
    asked_as: str = pa.Field(**ID, description="sha256 over the model's weights and the sampling")
    response: str = pa.Field(description="what the model said")
    finish_reason: str = pa.Field(description="why it stopped")
    prompt_tokens: int = pa.Field(ge=0)
    completion_tokens: int = pa.Field(ge=0)


class BenchmarkVerdict(Table):
    """One row per answer: whether it is right, by the benchmark's own rule."""

    answer_id: str = pa.Field(unique=True, **ID, description="the answer")
    recipe: str
    model: str = pa.Field(isin=EVALUATED)
    benchmark: str = pa.Field(description="name of the benchmark")
    question_id: str = pa.Field(description="the benchmark's own id")
    status: str = pa.Field(isin=STATUSES)
    score: float = pa.Field(
        nullable=True, **SHARE, description="worth of the answer; null without a right answer to compare"
    )
    extracted: str = pa.Field(nullable=True, description="what was read as the answer")
    scorer_version: int = pa.Field(ge=1, description="version of the benchmark's scorer")


class BenchmarkScore(Table):
    """One row per model of a recipe and benchmark: the benchmark's own figure, in percent."""

    score_id: str = pa.Field(unique=True, **ID, description="sha256 over recipe, model and benchmark")
    recipe: str
    base_model: str = pa.Field(description="what training began from")
    model: str = pa.Field(isin=EVALUATED)
    weights: str = pa.Field(description="sha256 of the checkpoint, or a base model's name and revision")
    benchmark: str = pa.Field(description="name of the benchmark")
    value: float = pa.Field(ge=0, le=100, description="percent")
    low: float = pa.Field(ge=0, le=100, description="lower end of the 95% interval")
    high: float = pa.Field(ge=0, le=100, description="upper end of the 95% interval")
    questions: int = pa.Field(ge=1, description="questions with a score")
    no_answer_ratio: float = pa.Field(**SHARE, description="share of answers without a value")
    truncated_ratio: float = pa.Field(**SHARE, description="share that ended at the token limit, and not right")
    unleaked_value: float = pa.Field(
        nullable=True, ge=0, le=100, description="on questions that the training set lacks"
    )
    rare_unleaked_value: float = pa.Field(
        nullable=True, ge=0, le=100, description="on questions without a leak by n-grams of few questions"
    )
    parts_json: str = pa.Field(str_matches=r"^\{", description="figures that the benchmark reports beside it")


class BenchmarkLeak(Table):
    """One row per question: whether the recipe's training set holds it."""

    item_id: str = pa.Field(unique=True, **ID, description="the question")
    recipe: str
    benchmark: str = pa.Field(description="name of the benchmark")
    question_id: str = pa.Field(description="the benchmark's own id")
    is_leaked: bool = pa.Field(description="one of its n-grams is in the training set")
    hits: int = pa.Field(ge=0, description="places in the training set")
    rare_hits: int = pa.Field(ge=0, description="places of n-grams that few questions have")
    span: str = pa.Field(nullable=True, description="the first place, as it stands there")
    sample_id: str = pa.Field(
        nullable=True, description="the sample that it stands in; `codeio trace` goes on from there"
    )
    is_short: bool = pa.Field(description="fewer words than an n-gram")


class ResultCell(Table):
    """One row per cell of the table of results: the paper's, and ours beside it."""

    cell_id: str = pa.Field(unique=True, **ID, description="sha256 over row and benchmark")
    base: str = pa.Field(description="the base model")
    name: str = pa.Field(description="what stage 1 was, or the recipe and model")
    is_published: bool = pa.Field(description="a number of the paper")
    benchmark: str = pa.Field(description="name of the benchmark")
    value: float = pa.Field(ge=0, le=100, description="percent")
    low: float = pa.Field(nullable=True, description="lower end of the 95% interval")
    high: float = pa.Field(nullable=True, description="upper end of the 95% interval")
    gain: float = pa.Field(nullable=True, description="points above the recipe's baseline, on the same questions")
    gain_low: float = pa.Field(nullable=True, description="lower end of its 95% interval")
    gain_high: float = pa.Field(nullable=True, description="upper end of its 95% interval")
    changed: int = pa.Field(nullable=True, ge=0, description="questions whose score changed")
    p_value: float = pa.Field(nullable=True, **SHARE, description="McNemar's exact test")
    unleaked_gain: float = pa.Field(nullable=True, description="the gain on questions that neither training set has")
