"""s6: instruction data, and the rows that each recipe trains on."""

import dagster as dg

from codeio_assets.graph.steps import INSTRUCTION_DATA, TOKENISED_SETS, TRAINING_SETS, spec
from codeio_assets.resources.engines import ProjectResource
from codeio_assets.running.retries import INFRASTRUCTURE
from codeio_assets.running.step import begin
from codeio_assets.running.tokenising import tokenise_recipe
from codeio_assets.steps.instruction_data import collect_conversations
from codeio_assets.steps.training_sets import Assembly, assemble, pin_name


@dg.asset(**spec(INSTRUCTION_DATA))
def instruction_data(context: dg.AssetExecutionContext, project: ProjectResource) -> dg.MaterializeResult:
    """One row per chat conversation for stage 2.

    Key: `sample_id` (the messages). Lines that are no conversation, and repeats, are rows of
    `instruction_data_rejections`. Source: CodeI/O, sec. 3.1 (its own data is unpublished; appendix F uses Tulu-3).
    """
    with begin(context, INSTRUCTION_DATA, project) as step:
        return step.publish(collect_conversations(step.uses.sources, step.project.root, step.uses.split))


@dg.asset(**spec(TRAINING_SETS))
def training_sets(context: dg.AssetExecutionContext, project: ProjectResource) -> dg.MaterializeResult:
    """One row per (stage, sample) of a recipe: prompt, completion, split, and where it comes from.

    Key: `stage` and `sample_id`. CodeI/O rows carry turn 1, or all turns with their checks (CodeI/O++), in the
    recipe's variant and format; the split is by near-duplicate group. What a recipe leaves out is in
    `training_sets_rejections`. The versions that were read are pinned. Source: CodeI/O, sec. 2.4, tables 1-4.
    """
    with begin(context, TRAINING_SETS, project) as step:
        step.warehouse.pin(pin_name(step.partition, step.snapshot), step.snapshot)
        uses = step.uses
        assembly = Assembly(
            uses.mixes,
            uses.parameters,
            step.warehouse,
            step.snapshot,
            uses.sql.__getitem__,
            step.reads,
            withheld=uses.withheld,
        )
        return step.publish(assemble(assembly))


@dg.asset(**spec(TOKENISED_SETS), retry_policy=INFRASTRUCTURE)
def tokenised_sets(context: dg.AssetExecutionContext, project: ProjectResource) -> dg.MaterializeResult:
    """One row per stage of a recipe: its rows as tokens, made once and off the GPU, and their audit.

    The tokens are memory-mapped Arrow below `var/tokens`, in a folder named after rows, tokenizer, template and
    layout, which recipes that need the same share; the trainer opens it and starts. Source: CodeI/O, sec. 3.1.
    """
    with begin(context, TOKENISED_SETS, project) as step:
        return step.publish(tokenise_recipe(step))
