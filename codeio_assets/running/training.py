"""One stage of training as a step: the job file, the process, and its result as a `StepResult`.

What does not live here: training itself (`training.process.sft`, which also runs by hand), what it tells meanwhile
(`running.training_progress`).
"""

import json
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import polars as pl

from codeio_assets.core.settings.recipes import Recipe
from codeio_assets.core.tables.data import frame
from codeio_assets.core.values.canonical import Json, JsonLike, content_id
from codeio_assets.core.values.decoding import list_of
from codeio_assets.graph import metadata as keys
from codeio_assets.graph.records import Trained
from codeio_assets.running.plots import line_plot
from codeio_assets.running.step import Begun
from codeio_assets.running.training_progress import Message, StreamingReader, observe_training
from codeio_assets.steps.result import StepResult
from codeio_assets.training.contract import LOG_FILE, Failure, TrainingError, TrainingJob, TrainingResult
from codeio_assets.training.launching import build_command, training_environment

TABLES = ("checkpoint", "training_log", "token_audit")
LOGGED = ("learning_rate", "grad_norm", "tokens_per_s", "memory_bytes")
EXIT_CODE_ERROR = "DagsterPipesExecutionError"
"""What Pipes raises for an exit code; dagster 1.13 does not export the class."""
DEAD = (
    "the process ended without a word ({error}): it was killed from outside, most often by the kernel for "
    "want of memory, or a worker of it died. {last} Its own output is in the step's compute log. Materialised again it "
    "goes on from its last complete checkpoint."
)


def train_stage(step: Begun[Trained], stage: int) -> tuple[StepResult, dict[str, dg.MetadataValue]]:
    """Train one stage of the run's recipe in a process of its own and return its row and what the UI shows besides.

    Raises:
        TrainingError: the checkpoint of stage 1 is not the one that its table names.
        dagster.Failure: the process failed, or died; says why and what to do. Only the latter is tried again.
    """
    if step.uses.stage is None:
        return _no_such_stage(stage), {}
    project, recipe = step.project, step.project.recipe(step.partition)
    job = _job(step, stage, recipe)
    path = job.write(project.checkpoints / step.partition / f"stage{stage}.job.json")
    settings = project.settings.training
    command = build_command(recipe.launch, path, tuple(settings.launch_options))
    Failure.clear(job.output_dir)
    run_process(step.context, command, training_environment(settings.devices), job.output_dir)
    result = TrainingResult.read(Path(job.output_dir))
    return _stage_result(result, job), _extra(result)


def run_process(context: dg.AssetExecutionContext, command: list[str], env: dict[str, str], output_dir: str) -> None:
    """Run a training process, telling Dagster what it says.

    Raises:
        dagster.Failure: it failed, with the reason that it left beside `output_dir`, or died without one.
    """
    last: list[Message] = []
    pipes = dg.PipesSubprocessClient(message_reader=StreamingReader(_remembering(observe_training(context), last)))
    try:
        pipes.run(context=context, command=command, env=env)
    except Exception as error:
        if type(error).__name__ != EXIT_CODE_ERROR:
            raise
        raise failure_of(str(error), output_dir, last) from None


def failure_of(error: str, output_dir: str, last: list[Message]) -> dg.Failure:
    """Return why a process failed: what it left, or that it died and how far it was."""
    failure = Failure.read(output_dir)
    if failure:
        return dg.Failure(failure.text, allow_retries=not failure.final)
    at = f"It was at step {last[0]['step']} of {last[0]['max_steps']}." if last else "It had made no step of training."
    return dg.Failure(DEAD.format(error=error, last=at))


def _remembering(receive: Callable[[Message], None], last: list[Message]) -> Callable[[Message], None]:
    def both(message: Message) -> None:
        if message["kind"] == "step":
            last[:] = [message]
        receive(message)

    return both


def _job(step: Begun[Trained], stage: int, recipe: Recipe) -> TrainingJob:
    project, folder = step.project, step.project.checkpoints / step.partition
    (given,) = [manifest for manifest in step.manifests if manifest.asset == "training_sets"]
    step.warehouse.require_whole(step.snapshot)
    return TrainingJob(
        recipe=recipe.model_dump(mode="json"),
        stage=stage,
        data_files=(str(step.file("training_sets")),),
        output_dir=str(folder / f"stage{stage}"),
        tokens=_tokens(step, stage),
        parent=str(_parent(step, folder / "stage1")) if stage == 2 and 1 in recipe.stages else None,
        cache_dir=str(project.home / "models"),
        data_versions={f"training_sets/{step.partition}": given.version, **given.upstream},
        run_info={"run_id": step.context.run.run_id},
        trackers=project.settings.training.trackers,
        refuse_too_large=project.settings.training.refuse_too_large,
    )


def _tokens(step: Begun[Trained], stage: int) -> str | None:
    """Return the folder of the stage's tokenised set; None where it was removed, so that the trainer makes it."""
    names = step.read("tokenised_sets").filter(pl.col("stage") == stage)["set_id"]
    found = [folder for name in names if (folder := step.project.tokens / name).is_dir()]
    return str(found[0]) if found else None


def _parent(step: Begun[Trained], folder: Path) -> Path:
    """Return the folder of the stage-1 checkpoint that the step was given."""
    (row,) = step.read("sft_stage1_checkpoint").to_dicts()
    there = TrainingResult.read(folder).checkpoint_sha256
    if there != row["checkpoint_sha256"]:
        raise TrainingError(
            f"{folder} holds checkpoint {there[:12]}, but sft_stage1_checkpoint[{step.partition}] is "
            f"{row['checkpoint_sha256'][:12]}: materialise sft_stage1_checkpoint again."
        )
    return folder


def _no_such_stage(stage: int) -> StepResult:
    """Return no checkpoint, for a recipe that leaves a stage out (CodeI/O, table 4: "none")."""
    names = [f"sft_stage{stage}_{table}" for table in TABLES]
    return StepResult({name: frame(name, []) for name in names}, 0, 0, {}, {"left_out_by_recipe": True})


def _stage_result(result: TrainingResult, job: TrainingJob) -> StepResult:
    parent = TrainingResult.read(Path(job.parent)).checkpoint_sha256 if job.parent else None
    row = {
        "checkpoint_sha256": result.checkpoint_sha256,
        "recipe": result.recipe,
        "stage": result.stage,
        "path": "/".join(Path(result.output_dir).parts[-2:]),
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
    content = {
        "checkpoint": [row],
        "training_log": _log(result),
        "token_audit": [audit_row(result.recipe, result.stage, result.audit)],
    }
    tables = {f"sft_stage{result.stage}_{name}": rows for name, rows in content.items()}
    info: dict[str, JsonLike] = {
        "loss_before": result.loss_before,
        "loss_after": result.loss_after,
        "steps": result.steps,
        "tokens_seen": result.tokens_seen,
        "tokens_per_s": round(result.tokens_per_s, 1),
        "peak_memory_bytes": result.peak_memory_bytes,
        "resumed_from_step": result.resumed_from_step,
        "audit": result.audit,
    }
    return StepResult({name: frame(name, rows) for name, rows in tables.items()}, 1, 1, {}, info)


def _log(result: TrainingResult) -> list[dict[str, object]]:
    lines = (Path(result.output_dir) / LOG_FILE).read_text(encoding="utf-8").splitlines()
    entries: list[dict[str, float]] = [json.loads(line) for line in lines]
    return [
        {
            "step": entry["step"],
            "recipe": result.recipe,
            "stage": result.stage,
            "loss": float(entry["loss"]),
            **{name: entry.get(name) for name in LOGGED},
        }
        for entry in entries
        if "loss" in entry
    ]


def audit_row(recipe: str, stage: int, audit: dict[str, Json]) -> dict[str, Json]:
    """Return a token audit as a row: its ids are counted."""
    counts = {name: value for name, value in audit.items() if name != "untrainable_ids"}
    counts["rows_untrainable"] = len(list_of(audit["untrainable_ids"]))
    identity = content_id(recipe=recipe, stage=stage, **counts)
    return {"audit_id": identity, "recipe": recipe, "stage": stage, **counts}


def _extra(result: TrainingResult) -> dict[str, dg.MetadataValue]:
    losses = [{"step": step, "loss": loss} for step, loss in result.train_losses]
    held_out = [(0, result.loss_before), (result.steps, result.loss_after)]
    lines = {
        "training": [(float(step), loss) for step, loss in result.train_losses],
        "held out": [(float(step), loss) for step, loss in held_out if loss is not None],
    }
    return {
        "codeio/checkpoint": dg.PathMetadataValue(result.output_dir),
        "codeio/losses": keys.table_value(losses, ["step", "loss"]),
        "codeio/loss_plot": line_plot(lines, "step", "loss"),
        "codeio/tensorboard": dg.MetadataValue.text(f"tensorboard --logdir {result.output_dir}.tensorboard"),
    }
