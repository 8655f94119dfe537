"""s2: files rewritten into the unified format by a language model."""

import dagster as dg

from codeio_assets.graph.steps import UNIFIED_FUNCTIONS, spec
from codeio_assets.resources.engines import ChatServerResource, ProjectResource, SandboxResource
from codeio_assets.running.asking import AskingConfig, asking
from codeio_assets.running.step import begin
from codeio_assets.steps.unified_functions import Transformer, retry_failed_files, transform_files


@dg.asset(**spec(UNIFIED_FUNCTIONS))
def unified_functions(
    context: dg.AssetExecutionContext,
    config: AskingConfig,
    project: ProjectResource,
    chat_server: ChatServerResource,
    sandbox: SandboxResource,
) -> dg.MaterializeResult:
    """One row per file that a model rewrote into a function that runs: reference code, generator, description, query.

    Key: `function_id`; one function per file at most. Each request is a row of `transform_attempts`; a response that
    cannot be used is answered with its error and asked again (`transform_attempts` in codeio.yaml). Files without a
    function are rows of `unified_functions_rejections`. Source: CodeI/O, sec. 2.2.
    """
    with begin(context, UNIFIED_FUNCTIONS, project) as step:
        files, model = step.read("eligible_code_files"), step.uses.model
        with sandbox.open(step.uses.executed, step.workers) as box, asking(step, chat_server) as asked:
            transformer = Transformer(asked.client, box, model.prompts, model.call, model.attempts)
            previous = step.previous_tables() if config.only_failed else None
            if previous:
                result = retry_failed_files(files, previous, transformer)
            else:
                result = transform_files(files, transformer)
        return step.publish(result, asked.metadata)
