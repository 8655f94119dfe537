"""s2: files rewritten into the unified format by a language model."""

import dagster as dg
import polars as pl

from codeio_assets.graph.steps import spec
from codeio_assets.resources.engines import ChatServerResource, ProjectResource, SandboxResource, WarehouseResource
from codeio_assets.running.asking import AskingConfig, asking
from codeio_assets.running.publishing import Stopwatch, committed, publish
from codeio_assets.running.retries import INFRASTRUCTURE, failing_at_once
from codeio_assets.steps.result import StepResult
from codeio_assets.steps.unified_functions import retry_failed_files, transform_files


@dg.asset(**spec("unified_functions"), retry_policy=INFRASTRUCTURE)
def unified_functions(
    context: dg.AssetExecutionContext,
    config: AskingConfig,
    project: ProjectResource,
    warehouse: WarehouseResource,
    chat_server: ChatServerResource,
    sandbox: SandboxResource,
) -> dg.MaterializeResult:
    """One row per file that a model rewrote into a function that runs: reference code, generator, description, query.

    Key: `function_id`; one function per file at most. Each request is a row of `transform_attempts`; a response that
    cannot be used is answered with its error and asked again (`transform_attempts` in codeio.yaml). Files without a
    function are rows of `unified_functions_rejections`. Source: CodeI/O, sec. 2.1.
    """
    watch, here = Stopwatch(), project.get()
    files = warehouse.get().read("eligible_code_files", context.partition_key)
    prompts = {name: here.prompt(name) for name in ("transform", "transform_repair")}
    chat = here.settings.chat
    with failing_at_once(), sandbox.open() as box, asking(context, chat_server) as step:

        def ask(some: pl.DataFrame) -> StepResult:
            return transform_files(some, step.client, box, prompts, chat.transform, chat.transform_attempts)

        previous = (
            committed(warehouse.get(), "unified_functions", context.partition_key) if config.only_failed else None
        )
        result = retry_failed_files(files, previous, ask) if previous else ask(files)
    return publish(context, result, watch, extra=step.metadata)
