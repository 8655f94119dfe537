"""s4: prediction tasks, the model's answers, and what execution says about them."""

import dagster as dg

from codeio_assets.graph.records import Walked
from codeio_assets.graph.steps import PASS_RATES, PREDICTION_TASKS, PREDICTIONS, VERDICTS, spec
from codeio_assets.resources.engines import ChatServerResource, ProjectResource, SandboxResource
from codeio_assets.running.asking import AskingConfig, asking
from codeio_assets.running.history import record_verdicts
from codeio_assets.running.progress import log_execution
from codeio_assets.running.retries import INFRASTRUCTURE
from codeio_assets.running.step import begin
from codeio_assets.steps.executing import Tally
from codeio_assets.steps.pass_rates import Asked, no_rates, sample_answers
from codeio_assets.steps.prediction_tasks import build_prediction_tasks
from codeio_assets.steps.predictions import predict
from codeio_assets.steps.trace_predictions import Walkable, predict_by_trace
from codeio_assets.steps.verdicts import Evidence, judge


@dg.asset(**spec(PREDICTION_TASKS))
def prediction_tasks(context: dg.AssetExecutionContext, project: ProjectResource) -> dg.MaterializeResult:
    """One row per (pair, direction): a prompt that asks for the output, or for any feasible input.

    Key: `task_id`. Pairs of a function that share their output share their input-prediction prompt; the repeats are
    rows of `prediction_tasks_rejections`. Source: CodeI/O, sec. 2.4.
    """
    with begin(context, PREDICTION_TASKS, project) as step:
        prompts = {name.removeprefix("predict_"): prompt for name, prompt in step.uses.items()}
        functions, pairs = step.read("unified_functions"), step.read("io_pairs")
        return step.publish(build_prediction_tasks(functions, pairs, prompts))


@dg.asset(**spec(PREDICTIONS), retry_policy=INFRASTRUCTURE)
def predictions(
    context: dg.AssetExecutionContext,
    config: AskingConfig,
    project: ProjectResource,
    chat_server: ChatServerResource,
) -> dg.MaterializeResult:
    """One row per task: the model's chain of thought of turn 1, or how the request failed.

    Key: `prediction_id` (task, turn, request). Nothing is dropped: truncated, refused and failed requests are rows
    with that status. With `chat.teacher: trace` the answers are walks through traces. Source: CodeI/O, sec. 2.4.
    """
    with begin(context, PREDICTIONS, project) as step:
        if isinstance(step.uses, Walked):
            return step.publish(predict_by_trace(step.frames(Walkable)))
        previous = step.previous("predictions") if config.only_failed else None
        with asking(step, chat_server) as asked:
            result = predict(step.read("prediction_tasks"), asked.client, step.uses.call, previous)
        return step.publish(result, asked.metadata)


@dg.asset(**spec(PASS_RATES), retry_policy=INFRASTRUCTURE)
def pass_rates(
    context: dg.AssetExecutionContext,
    project: ProjectResource,
    chat_server: ChatServerResource,
    sandbox: SandboxResource,
) -> dg.MaterializeResult:
    """One row per (task, model): how often the model is right, of several answers, with the 95% interval.

    Key: `rate_id`. Empty unless `chat.samples_per_task` in codeio.yaml is above 0. `sampled_answers` has the answers
    with their verdicts; the first of each task is the request of `predictions`, the others have seeds of their own.
    """
    with begin(context, PASS_RATES, project) as step:
        uses = step.uses
        if uses is None:
            return step.publish(no_rates())
        tally = Tally(log_execution(context))
        with sandbox.open(uses.judged.limits, step.workers) as box, asking(step, chat_server) as asked:
            call, rule = uses.model.call, uses.judged.rule
            result = sample_answers(
                step.frames(Asked), asked.client, call, uses.samples, sandbox=box, rule=rule, tally=tally
            )
        return step.publish(result, asked.metadata)


@dg.asset(**spec(VERDICTS), retry_policy=INFRASTRUCTURE)
def verdicts(
    context: dg.AssetExecutionContext, project: ProjectResource, sandbox: SandboxResource
) -> dg.MaterializeResult:
    """One row per prediction of turn 1: correct or not, by execution, and the feedback for the next turn.

    Key: `verdict_id` (prediction and rule version). A predicted output is compared with the pair's; a predicted input
    is executed and its output compared. No model is called: changing the rule only judges again. Source: CodeI/O,
    sec. 2.4.
    """
    with begin(context, VERDICTS, project) as step:
        with sandbox.open(step.uses.limits, step.workers) as box:
            result = judge(step.frames(Evidence), box, step.uses.rule, tally=Tally(log_execution(context)))
        published = step.publish(result)
        record_verdicts(step, result)
        return published
