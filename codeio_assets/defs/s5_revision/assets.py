"""s5: further turns for wrong predictions (CodeI/O++)."""

from collections.abc import Iterator

import dagster as dg
import polars as pl

from codeio_assets.graph.steps import multi_spec, spec
from codeio_assets.resources.engines import ChatServerResource, ProjectResource, SandboxResource, WarehouseResource
from codeio_assets.running.asking import AskingConfig, asking
from codeio_assets.running.progress import log_execution
from codeio_assets.running.publishing import Stopwatch, publish, publish_companion
from codeio_assets.running.retries import INFRASTRUCTURE, failing_at_once
from codeio_assets.steps.io_pairs import Tally
from codeio_assets.steps.result import StepResult
from codeio_assets.steps.verdicts import judge, revise

REVISED_PREDICTIONS = """One row per (task, turn >= 2): the answer after feedback on the turn before.

Key: `prediction_id`. Only predictions that were judged wrong go on, for `revision_turns` turns (codeio.yaml);
infrastructure outcomes never do. Source: CodeI/O, sec. 2.4."""

REVISED_VERDICTS = """One row per revised prediction: what execution says about it, as in `verdicts`.

Key: `verdict_id`. Committed together with `revised_predictions`, since each turn is judged before the next is asked.
Source: CodeI/O, sec. 2.4."""


@dg.multi_asset(
    specs=[
        multi_spec("revised_predictions", REVISED_PREDICTIONS),
        multi_spec("revised_verdicts", REVISED_VERDICTS),
    ],
    name="revision",
    partitions_def=spec("revised_predictions")["partitions_def"],
    pool=spec("revised_predictions")["pool"],
    retry_policy=INFRASTRUCTURE,
)
def revision(
    context: dg.AssetExecutionContext,
    config: AskingConfig,
    project: ProjectResource,
    warehouse: WarehouseResource,
    chat_server: ChatServerResource,
    sandbox: SandboxResource,
) -> Iterator[dg.MaterializeResult]:
    """Ask again with feedback, judge, and go on until all is right or the turns are used up."""
    watch, tally, here, store = Stopwatch(), Tally(log_execution(context)), project.get(), warehouse.get()
    names = ("prediction_tasks", "io_pairs", "unified_functions", "predictions", "verdicts")
    tasks, pairs, functions, first, first_verdicts = (store.read(name, context.partition_key) for name in names)
    previous = store.read("revised_predictions", context.partition_key) if config.only_failed else None
    chat = here.settings.chat
    with failing_at_once(), sandbox.open() as box, asking(context, chat_server, "revised_predictions") as step:

        def judge_turn(turn: pl.DataFrame) -> StepResult:
            return judge(turn, tasks, pairs, functions, box, here.settings.judging.rule, "revised_verdicts", tally)

        result = revise(
            tasks,
            first,
            first_verdicts,
            step.client,
            chat.predict,
            chat.revision_turns,
            here.prompt("revise"),
            judge_turn,
            previous,
        )
    yield publish(context, result, watch, asset="revised_predictions", extra=step.metadata)
    executed = tally.as_info(box)
    yield publish_companion(context, result, "revised_verdicts", committed_by="revised_predictions", info=executed)
