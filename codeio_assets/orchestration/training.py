"""One stage of training as a step: the job file, the process, and its result as a `StageResult`.

What does not live here: training itself (`training.sft`, which also runs by hand).
"""

import json
from pathlib import Path
from typing import Any

import dagster as dg

from codeio_assets.core.tables import frame
from codeio_assets.orchestration import metadata as keys
from codeio_assets.project import Project
from codeio_assets.stages.result import StageResult
from codeio_assets.store import StoreError, Warehouse
from codeio_assets.training.contract import TrainingJob, TrainingResult
from codeio_assets.training.launching import build_command, training_environment


def train_stage(
    context: dg.AssetExecutionContext,
    stage: int,
    project: Project,
    warehouse: Warehouse,
    pipes: dg.PipesSubprocessClient,
) -> tuple[StageResult, dict[str, dg.MetadataValue]]:
    """Train one stage of the run's recipe in a process of its own and return its row and what the UI shows besides.

    Raises:
        StoreError: the training set is not there.
        dagster_pipes.DagsterPipesError: the process failed; its last lines say why.
    """
    recipe = context.partition_key
    if stage not in project.recipes[recipe].stages:
        return _no_such_stage(stage), {}
    job = _job(context, stage, recipe, project, warehouse)
    path = job.write(project.checkpoints / recipe / f"stage{stage}.job.json")
    pipes.run(
        context=context,
        command=build_command(project.recipes[recipe].launch, path),
        env=training_environment(),
    ).get_results()
    result = TrainingResult.read(Path(job.output_dir))
    return _stage_result(result, job), _extra(result)


def _job(
    context: dg.AssetExecutionContext, stage: int, recipe: str, project: Project, warehouse: Warehouse
) -> TrainingJob:
    manifest = warehouse.manifest("training_sets", recipe)
    if manifest is None:
        raise StoreError(f"training_sets[{recipe}] is missing; materialise it first")
    follows_stage1 = stage == 2 and 1 in project.recipes[recipe].stages
    folder = project.checkpoints / recipe
    return TrainingJob(
        recipe=project.recipes[recipe].model_dump(mode="json"),
        stage=stage,
        data_files=(str(warehouse.root / manifest.tables["training_sets"].file),),
        output_dir=str(folder / f"stage{stage}"),
        parent=str(folder / "stage1") if follows_stage1 else None,
        cache_dir=str(project.home / "models"),
        data_versions={f"training_sets/{recipe}": manifest.version, **manifest.upstream},
        run_info={"run_id": context.run.run_id},
    )


def _no_such_stage(stage: int) -> StageResult:
    """Return no checkpoint, for a recipe that leaves a stage out (CodeI/O, table 4: "none")."""
    names = (f"sft_stage{stage}_checkpoint", f"sft_stage{stage}_training_log")
    return StageResult({name: frame(name, []) for name in names}, 0, 0, {}, {"left_out_by_recipe": True})


def _stage_result(result: TrainingResult, job: TrainingJob) -> StageResult:
    parent = TrainingResult.read(Path(job.parent)).checkpoint_sha256 if job.parent else None
    name = f"sft_stage{result.stage}"
    row: dict[str, Any] = {
        "checkpoint_sha256": result.checkpoint_sha256,
        "recipe": result.recipe,
        "stage": result.stage,
        "path": result.output_dir,
        "parent_sha256": parent,
        "base_model": job.recipe["base_model"],
        "steps": result.steps,
        "train_rows": result.train_rows,
        "validation_rows": result.validation_rows,
        "tokens_seen": result.tokens_seen,
        "loss_before": result.loss_before,
        "loss_after": result.loss_after,
        "audit_json": json.dumps(result.audit, sort_keys=True),
    }
    log = [
        {"step": step, "recipe": result.recipe, "stage": result.stage, "loss": loss}
        for step, loss in result.train_losses
    ]
    tables = {
        f"{name}_checkpoint": frame(f"{name}_checkpoint", [row]),
        f"{name}_training_log": frame(f"{name}_training_log", log),
    }
    info = {
        "loss_before": result.loss_before,
        "loss_after": result.loss_after,
        "steps": result.steps,
        "tokens_seen": result.tokens_seen,
        "tokens_per_s": round(result.tokens_per_s, 1),
        "peak_memory_bytes": result.peak_memory_bytes,
        "resumed_from_step": result.resumed_from_step,
        "audit": result.audit,
    }
    return StageResult(tables, 1, 1, {}, info)


def _extra(result: TrainingResult) -> dict[str, dg.MetadataValue]:
    losses = [{"step": step, "loss": loss} for step, loss in result.train_losses]
    return {
        "codeio/checkpoint": dg.MetadataValue.path(result.output_dir),
        "codeio/losses": keys.table_value(losses, ["step", "loss"]),
    }
