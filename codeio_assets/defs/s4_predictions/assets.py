"""s4: prediction tasks, the model's answers, and what execution says about them."""

import dagster as dg

from codeio_assets.core.tables.data import DIRECTIONS
from codeio_assets.graph.steps import spec
from codeio_assets.resources.engines import ChatServerResource, ProjectResource, SandboxResource, WarehouseResource
from codeio_assets.running.asking import AskingConfig, asking
from codeio_assets.running.history import record_verdicts
from codeio_assets.running.progress import log_execution
from codeio_assets.running.publishing import Stopwatch, publish
from codeio_assets.running.retries import INFRASTRUCTURE, failing_at_once
from codeio_assets.steps.io_pairs import Tally
from codeio_assets.steps.verdicts import build_prediction_tasks, judge, predict


@dg.asset(**spec("prediction_tasks"))
def prediction_tasks(
    context: dg.AssetExecutionContext, project: ProjectResource, warehouse: WarehouseResource
) -> dg.MaterializeResult:
    """One row per (pair, direction): a prompt that asks for the output, or for any feasible input.

    Key: `task_id`. Pairs of a function that share their output share their input-prediction prompt; the repeats are
    rows of `prediction_tasks_rejections`. Source: CodeI/O, sec. 2.3.
    """
    watch, here, store = Stopwatch(), project.get(), warehouse.get()
    functions = store.read("unified_functions", context.partition_key)
    pairs = store.read("io_pairs", context.partition_key)
    prompts = {direction: here.prompt(f"predict_{direction}") for direction in DIRECTIONS}
    return publish(context, build_prediction_tasks(functions, pairs, prompts), watch)


@dg.asset(**spec("predictions"), retry_policy=INFRASTRUCTURE)
def predictions(
    context: dg.AssetExecutionContext,
    config: AskingConfig,
    project: ProjectResource,
    warehouse: WarehouseResource,
    chat_server: ChatServerResource,
) -> dg.MaterializeResult:
    """One row per task: the model's chain of thought of turn 1, or how the request failed.

    Key: `prediction_id` (task, turn, request). Nothing is dropped: truncated, refused and failed requests are rows
    with that status. Source: CodeI/O, sec. 2.3.
    """
    watch, store = Stopwatch(), warehouse.get()
    tasks = store.read("prediction_tasks", context.partition_key)
    previous = store.read("predictions", context.partition_key) if config.only_failed else None
    with failing_at_once(), asking(context, chat_server) as step:
        result = predict(tasks, step.client, project.get().settings.chat.predict, previous)
    return publish(context, result, watch, extra=step.metadata)


@dg.asset(**spec("verdicts"), retry_policy=INFRASTRUCTURE)
def verdicts(
    context: dg.AssetExecutionContext, project: ProjectResource, warehouse: WarehouseResource, sandbox: SandboxResource
) -> dg.MaterializeResult:
    """One row per prediction of turn 1: correct or not, by execution, and the feedback for the next turn.

    Key: `verdict_id` (prediction and rule version). A predicted output is compared with the pair's; a predicted input
    is executed and its output compared. No model is called: changing the rule only judges again. Source: CodeI/O,
    sec. 2.3.
    """
    watch, tally, store = Stopwatch(), Tally(log_execution(context)), warehouse.get()
    names = ("predictions", "prediction_tasks", "io_pairs", "unified_functions")
    predicted, tasks, pairs, functions = (store.read(name, context.partition_key) for name in names)
    with failing_at_once(), sandbox.open() as box:
        result = judge(predicted, tasks, pairs, functions, box, project.get().settings.judging.rule, tally=tally)
    published = publish(context, result, watch)
    record_verdicts(context.partition_key)
    return published
