"""Asking a recipe's base model and checkpoints the questions of benchmarks, as a step.

What does not live here: the questions (`steps.benchmark_questions`), generation (`training.process.evaluation`,
`llm`), verdicts (`steps.benchmark_scores`).
"""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from codeio_assets.core.settings.models import ModelCall
from codeio_assets.core.tables.data import frame
from codeio_assets.core.values.canonical import content_id
from codeio_assets.graph.records import Asked
from codeio_assets.llm.session import open_session
from codeio_assets.running.evaluating import control_tokens_of, evaluated_models, server_settings
from codeio_assets.running.step import Begun
from codeio_assets.running.training import run_process
from codeio_assets.steps.result import StepResult, storable
from codeio_assets.steps.unified_functions import request
from codeio_assets.training.contract import Failure
from codeio_assets.training.launching import training_environment
from codeio_assets.training.plain_text import made_plain
from codeio_assets.training.process.evaluation import EvaluatedModel, EvaluationJob, read_findings, rows_id

Step = Begun[Asked]


def ask_benchmarks(step: Step) -> StepResult:
    """Ask all models of the run's recipe every question; what an earlier run was answered is not asked again.

    Raises:
        dagster.Failure: the process that asks failed.
    """
    models = evaluated_models(step, step.uses.base_model, step.uses.revision, step.project.checkpoints)
    questions = step.read("benchmark_questions")
    by_process = step.uses.settings.generation == "transformers"
    findings = _by_process(step, questions, models) if by_process else _by_servers(step, questions, models)
    return answers_of(step.partition, questions, [model.name for model in models], findings)


def answers_of(
    recipe: str, questions: pl.DataFrame, models: Iterable[str], findings: Iterable[Mapping[str, Any]]
) -> StepResult:
    """Return the answers as a table; of what was found, only what was asked now."""
    wanted, known = set(models), set(questions["item_id"])
    rows = {
        (found["model"], found["item_id"]): {
            "answer_id": content_id(recipe=recipe, model=found["model"], item=found["item_id"]),
            "recipe": recipe,
            "model": found["model"],
            "item_id": found["item_id"],
            "response": storable(found["text"]),
            "finish_reason": found["finish_reason"],
            "prompt_tokens": found["prompt_tokens"],
            "completion_tokens": found["completion_tokens"],
        }
        for found in findings
        if found["kind"] == "answer" and found["model"] in wanted and found["item_id"] in known
    }
    table = frame("benchmark_answers", list(rows.values()))
    return StepResult({"benchmark_answers": table}, len(rows), len(rows))


def _by_process(step: Step, questions: pl.DataFrame, models: list[EvaluatedModel]) -> list[dict[str, Any]]:
    settings, project = step.uses.settings, step.project
    rows = questions.select(
        "item_id",
        prompt_json=pl.col("prompt").map_elements(_prompt_json, return_dtype=pl.String),
        completion=pl.lit(""),
        ask=pl.lit(value=True),
        measure=pl.lit(value=False),
    )
    how = settings.model_dump(include={"max_new_tokens", "max_length", "batch_size"})
    stem = project.checkpoints / step.partition / "benchmarks" / rows_id(rows, models, **how)[:16]
    job = EvaluationJob(
        models=tuple(models),
        rows_file=f"{stem}.parquet",
        output=f"{stem}.jsonl",
        cache_dir=str(project.home / "models"),
        **how,
    )
    path = job.write(Path(f"{stem}.job.json"))
    rows.write_parquet(job.rows_file)
    Failure.clear(job.output)
    command = [sys.executable, "-m", "codeio_assets.training.process.evaluation", str(path)]
    run_process(step.context, command, training_environment(project.settings.training.devices), job.output)
    return read_findings(Path(job.output))


def _prompt_json(prompt: str) -> str:
    return json.dumps([{"role": "user", "content": prompt}])


def _by_servers(step: Step, questions: pl.DataFrame, models: list[EvaluatedModel]) -> Iterator[dict[str, Any]]:
    """Ask each model behind vLLM servers of its own, started for it and stopped after it."""
    project, context = step.project, step.context
    call = ModelCall.model_validate({"temperature": 0.0, "max_tokens": step.uses.settings.max_new_tokens})
    items = questions.to_dicts()
    for model in models:
        chat = server_settings(project, model)
        control = control_tokens_of(chat, model)
        requests = [request(chat.model, [("user", made_plain(row["prompt"], control))], call) for row in items]
        with open_session(chat, project.chat_folders, context.run.run_id[:8], context.log.info) as session:
            responses = session.client.complete(requests)
        for row, response in zip(items, responses, strict=True):
            if response.status != "failed":
                yield {
                    "model": model.name,
                    "kind": "answer",
                    "item_id": row["item_id"],
                    "text": response.text,
                    "finish_reason": "length" if response.status == "truncated" else response.finish_reason or "stop",
                    "prompt_tokens": response.prompt_tokens,
                    "completion_tokens": response.completion_tokens,
                }
