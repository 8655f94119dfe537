"""Asking a recipe's base model and checkpoints the questions of benchmarks, as a step.

What does not live here: the questions (`steps.benchmark_questions`), generation (`training.process.evaluation`,
`llm`), verdicts (`steps.benchmark_scores`).
"""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from codeio_assets.benchmarks.catalogue import BENCHMARKS
from codeio_assets.benchmarks.contract import Benchmark
from codeio_assets.core.errors import NotReadyError
from codeio_assets.core.tables.data import frame
from codeio_assets.core.values.canonical import Json, content_id
from codeio_assets.evaluation import rendering
from codeio_assets.evaluation.asking import drawn
from codeio_assets.evaluation.results import Table
from codeio_assets.graph import metadata as keys
from codeio_assets.graph.records import Asked
from codeio_assets.running.evaluating import answers_of_servers, evaluated_models, sessions_of
from codeio_assets.running.step import Begun
from codeio_assets.running.training import run_process
from codeio_assets.steps.benchmark_scores import question_of
from codeio_assets.steps.result import StepResult, storable
from codeio_assets.steps.results import row_of
from codeio_assets.store.blobs import write_atomically
from codeio_assets.training.contract import CARD_FILE, Failure, TrainingError, read_manifest
from codeio_assets.training.launching import training_environment
from codeio_assets.training.process.evaluation import EvaluatedModel, EvaluationJob, read_findings

Step = Begun[Asked]
ANSWERS = "model"
"""The name of a model in the file of its answers: other recipes may know the same weights by another."""


def ask_benchmarks(step: Step, *, keep_others: bool = False) -> StepResult:
    """Ask all models of the run's recipe; what an earlier run was answered is not asked again.

    With `keep_others` answers to other questions, of the same weights and sampling, stay in the table.

    Raises:
        dagster.Failure: the process that asks failed.
        NotReadyError: a benchmark that is asked has no questions.
    """
    models = evaluated_models(step, step.uses.base_model, step.uses.revision, step.project.checkpoints)
    questions = step.read("benchmark_questions")
    asked = chosen(questions, step.uses)
    by_process = step.uses.generation == "transformers"
    findings = (_by_process if by_process else _by_servers)(step, asked, models)
    result = answers_of(
        step.partition,
        asked,
        {model.name: (weights_of(model), asked_as(model, step.uses)) for model in models},
        findings,
    )
    return _beside(step, result, questions, models) if keep_others else result


def chosen(questions: pl.DataFrame, asked: Asked) -> pl.DataFrame:
    """Return the questions that are asked, of those that are there.

    Raises:
        NotReadyError: a benchmark has none.
    """
    there = set(questions["benchmark"])
    for name in asked.benchmarks or ():
        if name not in there:
            raise NotReadyError(f"there are no questions of {name}: materialise benchmark_questions[{name}] first")
    names = [name for name in BENCHMARKS if name in (there if asked.benchmarks is None else asked.benchmarks)]
    parts = [_drawn(BENCHMARKS[name], questions.filter(benchmark=name), asked.limit) for name in names]
    return pl.concat([questions.head(0), *parts])


def _drawn(benchmark: Benchmark, questions: pl.DataFrame, limit: int | None) -> pl.DataFrame:
    by_id = {row["question_id"]: place for place, row in enumerate(questions.to_dicts())}
    asked = drawn(benchmark, [question_of(row) for row in questions.to_dicts()], limit)
    return questions[[by_id[question.id] for question in asked]]


def weights_of(model: EvaluatedModel) -> str:
    """Return what names a model's weights."""
    return model.checkpoint_sha256 or f"{model.source}@{model.revision}"


def asked_as(model: EvaluatedModel, asked: Asked) -> str:
    """Return the identity of answers beside their prompts: the weights, and how they generate."""
    how = {"max_new_tokens": asked.max_new_tokens, "max_length": asked.max_length, "generation": asked.generation}
    return content_id(weights=weights_of(model), **how)


def answers_of(
    recipe: str, questions: pl.DataFrame, models: Mapping[str, tuple[str, str]], findings: Iterable[Mapping[str, Any]]
) -> StepResult:
    """Return the answers as a table; of what was found, only what was asked now.

    `models`: name -> what `weights_of` and `asked_as` give.
    """
    known = set(questions["item_id"])
    rows = {
        (found["model"], found["item_id"]): {
            "answer_id": content_id(recipe=recipe, model=found["model"], item=found["item_id"]),
            "recipe": recipe,
            "model": found["model"],
            "item_id": found["item_id"],
            "weights": models[found["model"]][0],
            "asked_as": models[found["model"]][1],
            "response": storable(found["text"]),
            "finish_reason": found["finish_reason"],
            "prompt_tokens": found["prompt_tokens"],
            "completion_tokens": found["completion_tokens"],
        }
        for found in findings
        if found["kind"] == "answer" and found["model"] in models and found["item_id"] in known
    }
    table = frame("benchmark_answers", list(rows.values()))
    return StepResult({"benchmark_answers": table}, len(rows), len(rows))


def _beside(step: Step, result: StepResult, questions: pl.DataFrame, models: Iterable[EvaluatedModel]) -> StepResult:
    """Return the answers of this run with those of the last commit that still hold."""
    own = result.tables["benchmark_answers"]
    before = step.previous("benchmark_answers")
    if "asked_as" not in before.columns:
        return result
    now = {model.name: asked_as(model, step.uses) for model in models}
    kept = before.join(own, on="answer_id", how="anti").filter(
        pl.col("item_id").is_in(questions["item_id"].implode())
        & (pl.col("asked_as") == pl.col("model").replace_strict(now, default=None, return_dtype=pl.String))
    )
    table = pl.concat([own, kept.select(own.columns)])
    info = {"asked_in_this_run": len(own), "kept": len(kept)}
    return StepResult({"benchmark_answers": table}, len(table), len(table), info=info)


def preview_of(result: StepResult, table: str, questions: pl.DataFrame | None = None) -> dict[str, dg.MetadataValue]:
    """Return the preview of a table without rows of benchmarks that are not to be republished."""
    private = [name for name, benchmark in BENCHMARKS.items() if benchmark.is_private]
    rows = result.tables[table]
    if questions is None:
        shown = rows.filter(~pl.col("benchmark").is_in(private))
    else:
        hidden = questions.filter(pl.col("benchmark").is_in(private))["item_id"]
        shown = rows.filter(~pl.col("item_id").is_in(hidden.implode()))
    return {keys.PREVIEW: keys.preview(shown.head(keys.PREVIEW_ROWS))}


CARD_BEGIN, CARD_END = "<!-- benchmarks -->", "<!-- end of benchmarks -->"


def write_cards(scores: pl.DataFrame, made: Table, checkpoints: Path) -> int:
    """Put the scores of each checkpoint into its model card, in place of earlier ones; return how many cards.

    A folder that holds other weights by now is left alone.
    """
    written = 0
    for (recipe, model, weights), group in scores.sort("benchmark").group_by(
        ["recipe", "model", "weights"], maintain_order=True
    ):
        card = checkpoints / str(recipe) / str(model) / CARD_FILE
        if not card.is_file() or _weights_in(card.parent) != weights:
            continue
        row = row_of(group)
        section = rendering.card_section(row, made.gains.get(row.name, ()))
        before = card.read_text("utf-8").partition(CARD_BEGIN)[0].rstrip()
        write_atomically(card, f"{before}\n\n{CARD_BEGIN}\n{section}{CARD_END}\n".encode())
        written += 1
    return written


def _weights_in(folder: Path) -> Json:
    try:
        return read_manifest(folder)["checkpoint_sha256"]
    except TrainingError:  # for the checkpoint's own checks to say
        return None


def _by_process(step: Step, questions: pl.DataFrame, models: list[EvaluatedModel]) -> Iterator[dict[str, Any]]:
    """Ask by transformers; a file per weights and sampling holds the answers, whichever recipe and run asked."""
    folder = step.project.home / "benchmarks" / "answers"
    stems = {model.name: folder / asked_as(model, step.uses)[:16] for model in models}
    jobs = [job for model in models if (job := _job(step, questions, model, stems[model.name])) is not None]
    if jobs:
        paths = [str(job.write(Path(job.rows_file).with_suffix(".json"))) for job in jobs]
        Failure.clear(jobs[0].output)
        command = [sys.executable, "-m", "codeio_assets.training.process.evaluation", *paths]
        environment = training_environment(step.project.settings.training.devices)
        run_process(step.context, command, environment, jobs[0].output, step.tell)
    for name, stem in stems.items():
        yield from ({**found, "model": name} for found in read_findings(stem.with_suffix(".jsonl")))


def _job(step: Step, questions: pl.DataFrame, model: EvaluatedModel, stem: Path) -> EvaluationJob | None:
    """Return what a model has not answered yet as a job, None of nothing."""
    output, rows_file = stem.with_suffix(".jsonl"), stem.with_suffix(f".{step.partition}.parquet")
    answered = [found["item_id"] for found in read_findings(output)]
    missing = questions.filter(~pl.col("item_id").is_in(answered))
    step.context.log.info(f"{model.name}: {len(missing):,} of {len(questions):,} questions are asked now")
    if not len(missing):
        return None
    stem.parent.mkdir(parents=True, exist_ok=True)
    missing.select(
        "item_id",
        prompt_json=pl.col("prompt").map_elements(_prompt_json, return_dtype=pl.String),
        completion=pl.lit(""),
        ask=pl.lit(value=True),
        measure=pl.lit(value=False),
    ).write_parquet(rows_file)
    return EvaluationJob(
        models=(replace(model, name=ANSWERS),),
        rows_file=str(rows_file),
        output=str(output),
        cache_dir=str(step.project.home / "models"),
        max_new_tokens=step.uses.max_new_tokens,
        max_length=step.uses.max_length,
        batch_size=step.project.benchmarks.batch_size,
    )


def _prompt_json(prompt: str) -> str:
    return json.dumps(_messages(prompt))


def _messages(prompt: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": prompt}]


def _by_servers(step: Step, questions: pl.DataFrame, models: list[EvaluatedModel]) -> Iterator[dict[str, Any]]:
    asked = [(row["item_id"], _messages(row["prompt"])) for row in questions.to_dicts()]
    return answers_of_servers(step.project, models, asked, step.uses.max_new_tokens, sessions_of(step))
