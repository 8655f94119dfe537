"""s5: further turns for wrong predictions (CodeI/O++), and what all turns say of the execution."""

from collections.abc import Iterator
from dataclasses import replace

import dagster as dg
import polars as pl

from codeio_assets.graph.steps import COT_GROUNDING, REVISED_PREDICTIONS, multi_spec, spec
from codeio_assets.resources.engines import ChatServerResource, ProjectResource, SandboxResource
from codeio_assets.running.asking import AskingConfig, asking
from codeio_assets.running.step import begin
from codeio_assets.steps.cot_grounding import Spoken, ground_cots, ground_nothing
from codeio_assets.steps.executing import Tally
from codeio_assets.steps.result import StepResult
from codeio_assets.steps.revised_predictions import Asked, Reviser, revise
from codeio_assets.steps.verdicts import Evidence, judge

ANSWERS = """One row per (task, turn >= 2): the answer after feedback on the turn before.

Key: `prediction_id`. Only predictions that were judged wrong go on, for `revision_turns` turns (codeio.yaml);
infrastructure outcomes never do. Source: CodeI/O, sec. 2.4."""

JUDGEMENTS = """One row per revised prediction: what execution says about it, as in `verdicts`.

Key: `verdict_id`. Committed together with `revised_predictions`, since each turn is judged before the next is asked.
Source: CodeI/O, sec. 2.4."""


@dg.multi_asset(
    specs=[
        multi_spec(REVISED_PREDICTIONS, "revised_predictions", ANSWERS),
        multi_spec(REVISED_PREDICTIONS, "revised_verdicts", JUDGEMENTS),
    ],
    name="revision",
    partitions_def=REVISED_PREDICTIONS.partitions_def,
    pool=REVISED_PREDICTIONS.pool,
)
def revision(
    context: dg.AssetExecutionContext,
    config: AskingConfig,
    project: ProjectResource,
    chat_server: ChatServerResource,
    sandbox: SandboxResource,
) -> Iterator[dg.MaterializeResult]:
    """Ask again with feedback, judge, and go on until all is right or the turns are used up."""
    with begin(context, REVISED_PREDICTIONS, project) as step:
        model, judged, evidence = step.uses.model, step.uses.judged, step.frames(Evidence)
        tally = Tally(step.tell)
        previous = step.previous("revised_predictions") if config.only_failed else None
        with sandbox.open(judged.executed, step.workers) as box, asking(step, chat_server) as asked:

            def judge_turn(turn: pl.DataFrame) -> StepResult:
                return judge(replace(evidence, predictions=turn), box, judged.rule, "revised_verdicts", tally)

            reviser = Reviser(asked.client, model.call, model.prompts["revise"], model.turns)
            result = revise(step.frames(Asked), reviser, judge_turn, previous)
            executed = tally.as_info(box)
        yield step.publish(result, asked.metadata)
        yield step.publish_companion(result, "revised_verdicts", executed)


@dg.asset(**spec(COT_GROUNDING))
def cot_grounding(
    context: dg.AssetExecutionContext, project: ProjectResource, sandbox: SandboxResource
) -> dg.MaterializeResult:
    """One row per response that says a value of a name, in prose or a state line: what of it the execution had.

    Key: `prediction_id`. Empty unless `traces` in codeio.yaml is enabled. A predicted output speaks of the pair's own
    execution, a predicted input of its own, which is followed here. What prose says is a score and no verdict: it has
    false alarms. State lines are exact, and a recipe may go by them.
    """
    with begin(context, COT_GROUNDING, project) as step:
        if step.uses is None:
            return step.publish(ground_nothing())
        with sandbox.open(step.uses.executed, step.workers) as box:
            return step.publish(ground_cots(step.frames(Spoken), box, step.uses.bounds))
