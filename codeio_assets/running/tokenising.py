"""A recipe's rows as tokens, made by a process of its own in which no GPU is asked for.

What does not live here: tokenising itself (`training.tokenised`), the audit's limits (`checks.checkpoints`).
"""

import json
from pathlib import Path

from codeio_assets.core.settings.recipes import Recipe
from codeio_assets.core.tables.data import frame
from codeio_assets.core.values.canonical import Json
from codeio_assets.graph.records import Tokenised
from codeio_assets.running.step import Begun
from codeio_assets.running.training import audit_row, run_process
from codeio_assets.steps.result import StepResult
from codeio_assets.training.contract import Failure, TrainingJob
from codeio_assets.training.launching import tokenising_command, tokenising_result, training_environment


def tokenise_recipe(step: Begun[Tokenised]) -> StepResult:
    """Tokenise the rows of the run's recipe, stage by stage, and return a row for each.

    Raises:
        dagster.Failure: the tokenizer cannot be had, or nothing can be learned from the rows; says why.
    """
    recipe = step.project.recipe(step.partition)
    step.warehouse.require_whole(step.snapshot)
    folder = step.project.tokens / "jobs" / step.partition
    jobs = [_job(step, recipe, int(stage), folder).write(folder / f"stage{stage}.json") for stage in step.uses.stages]
    Failure.clear(str(folder))
    command = tokenising_command(jobs, step.project.tokens)
    run_process(step.context, command, training_environment(""), str(folder), step.tell)
    rows = [_row(recipe.name, int(stage), _result(path)) for stage, path in zip(step.uses.stages, jobs, strict=True)]
    info: dict[str, Json] = {f"stage{row['stage']}": {"steps": row["steps"], "rows": row["rows"]} for row in rows}
    return StepResult({"tokenised_sets": frame("tokenised_sets", rows)}, len(rows), len(rows), {}, info)


def _job(step: Begun[Tokenised], recipe: Recipe, stage: int, folder: Path) -> TrainingJob:
    return TrainingJob(
        recipe=recipe.model_dump(mode="json"),
        stage=stage,
        data_files=(str(step.file("training_sets")),),
        output_dir=str(folder),
        cache_dir=str(step.project.home / "models"),
    )


def _result(job_path: Path) -> dict[str, Json]:
    return json.loads(tokenising_result(job_path).read_text(encoding="utf-8"))


def _row(recipe: str, stage: int, result: dict[str, Json]) -> dict[str, Json]:
    named = {name: result[name] for name in ("set_id", "data_sha256", "tokenizer_sha256", "size_bytes")}
    held_out = result["sequences"]["validation"]
    return {**audit_row(recipe, stage, result["audit"]), **named, "validation_sequences": held_out}
