"""s6: instruction data, and the rows that each recipe trains on."""

import dagster as dg

from codeio_assets.graph.steps import STEPS, spec
from codeio_assets.resources.engines import ProjectResource, WarehouseResource
from codeio_assets.running.publishing import Stopwatch, publish
from codeio_assets.steps.instruction_data import collect_conversations
from codeio_assets.steps.training_sets import assemble, pin_name


@dg.asset(**spec("instruction_data"))
def instruction_data(context: dg.AssetExecutionContext, project: ProjectResource) -> dg.MaterializeResult:
    """One row per chat conversation for stage 2.

    Key: `sample_id` (the messages). Lines that are no conversation, and repeats, are rows of
    `instruction_data_rejections`. Source: CodeI/O, sec. 3.1 (its own data is unpublished; appendix F uses Tulu-3).
    """
    watch, here = Stopwatch(), project.get()
    result = collect_conversations(here.sources.instruction_data, here.root, here.settings.split)
    return publish(context, result, watch)


@dg.asset(**spec("training_sets"))
def training_sets(
    context: dg.AssetExecutionContext, project: ProjectResource, warehouse: WarehouseResource
) -> dg.MaterializeResult:
    """One row per (stage, sample) of a recipe: prompt, completion, split, and where it comes from.

    Key: `stage` and `sample_id`. CodeI/O rows carry turn 1, or all turns with their checks (CodeI/O++), in the
    recipe's variant and format; the split is by near-duplicate group. What a recipe leaves out is in
    `training_sets_rejections`. The versions that were read are pinned. Source: CodeI/O, sec. 2.4, tables 1-4.
    """
    watch, here, store = Stopwatch(), project.get(), warehouse.get()
    snapshot = store.snapshot(STEPS["training_sets"].upstream)
    store.pin(pin_name(context.partition_key, snapshot), snapshot)
    recipe, settings = here.recipes[context.partition_key], here.settings
    result = assemble(recipe, store, snapshot, here.sql, settings.phrases, settings.split)
    return publish(context, result, watch, upstream=snapshot.versions)
