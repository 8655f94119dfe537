"""s7: the two stages of supervised fine-tuning, each out of process."""

import dagster as dg

from codeio_assets.graph.steps import HELD_OUT_SCORES, SFT_STAGE1_CHECKPOINT, SFT_STAGE2_CHECKPOINT, spec
from codeio_assets.resources.engines import ProjectResource, SandboxResource
from codeio_assets.running.evaluating import evaluate_recipe
from codeio_assets.running.step import begin
from codeio_assets.running.training import train_stage


@dg.asset(**spec(SFT_STAGE1_CHECKPOINT), op_tags={"codeio/gpu": "true"})
def sft_stage1_checkpoint(context: dg.AssetExecutionContext, project: ProjectResource) -> dg.MaterializeResult:
    """One checkpoint per recipe: the base model after stage 1 (CodeI/O or CodeI/O++ data).

    One row: path, hash, steps, tokens and held-out loss before and after; the training log is in
    `sft_stage1_training_log`, the token audit in `sft_stage1_token_audit`. Trained by TRL's SFTTrainer in a process of
    its own, resumed after a crash.
    Source: CodeI/O, sec. 3.1.
    """
    with begin(context, SFT_STAGE1_CHECKPOINT, project) as step:
        return step.publish(*train_stage(step, 1))


@dg.asset(**spec(SFT_STAGE2_CHECKPOINT), op_tags={"codeio/gpu": "true"})
def sft_stage2_checkpoint(context: dg.AssetExecutionContext, project: ProjectResource) -> dg.MaterializeResult:
    """One checkpoint per recipe: the stage-1 checkpoint after stage 2 (instruction tuning).

    One row, as in `sft_stage1_checkpoint`; the training log is in `sft_stage2_training_log`. Source: CodeI/O, sec. 3.1.
    """
    with begin(context, SFT_STAGE2_CHECKPOINT, project) as step:
        return step.publish(*train_stage(step, 2))


@dg.asset(**spec(HELD_OUT_SCORES), op_tags={"codeio/gpu": "true"})
def held_out_scores(
    context: dg.AssetExecutionContext, project: ProjectResource, sandbox: SandboxResource
) -> dg.MaterializeResult:
    """One row per (recipe, model, subject): base model, stage 1 and stage 2 on the held-out side.

    Accuracy of greedy answers in both directions, judged by our own execution (Wilson intervals), and the loss per
    completion token. Each answer with its verdict is in `held_out_answers`. Source: CodeI/O, sec. 4 (our own measure,
    none of its 14 benchmarks).
    """
    with begin(context, HELD_OUT_SCORES, project) as step:
        with sandbox.open(step.uses.judged.executed, step.workers) as box:
            result, plots = evaluate_recipe(step, box)
        return step.publish(result, plots)
