"""s7: the two stages of supervised fine-tuning, each out of process."""

import dagster as dg

from codeio_assets.orchestration.publishing import Stopwatch, publish
from codeio_assets.orchestration.stages import spec
from codeio_assets.orchestration.training import train_stage
from codeio_assets.resources.engines import ProjectResource, WarehouseResource


@dg.asset(**spec("sft_stage1_checkpoint"), op_tags={"codeio/gpu": "true"})
def sft_stage1_checkpoint(
    context: dg.AssetExecutionContext,
    project: ProjectResource,
    warehouse: WarehouseResource,
    pipes: dg.PipesSubprocessClient,
) -> dg.MaterializeResult:
    """One checkpoint per recipe: the base model after stage 1 (CodeI/O or CodeI/O++ data).

    One row: path, hash, steps, tokens and held-out loss before and after; the training log is in
    `sft_stage1_training_log`. Trained by TRL's SFTTrainer in a process of its own, resumed after a crash.
    Source: CodeI/O, sec. 3.1.
    """
    watch = Stopwatch()
    result, plots = train_stage(context, 1, project.get(), warehouse.get(), pipes)
    return publish(context, result, watch, extra=plots)


@dg.asset(**spec("sft_stage2_checkpoint"), op_tags={"codeio/gpu": "true"})
def sft_stage2_checkpoint(
    context: dg.AssetExecutionContext,
    project: ProjectResource,
    warehouse: WarehouseResource,
    pipes: dg.PipesSubprocessClient,
) -> dg.MaterializeResult:
    """One checkpoint per recipe: the stage-1 checkpoint after stage 2 (instruction tuning).

    One row, as in `sft_stage1_checkpoint`; the training log is in `sft_stage2_training_log`. Source: CodeI/O, sec. 3.1.
    """
    watch = Stopwatch()
    result, plots = train_stage(context, 2, project.get(), warehouse.get(), pipes)
    return publish(context, result, watch, extra=plots)
