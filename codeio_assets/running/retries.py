"""How a step ends early, by what ended it.

Faults of the machine are tried again; what a person must mend fails at once; a step that is told to stop ends its run
as canceled and is never tried again; faults of data never raise. Steps have no retry policy of dagster's: one takes an
interrupt (cancel in the UI, Ctrl-C, SIGTERM) for a fault.
"""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any, cast

import dagster as dg

from codeio_assets.benchmarks.contract import BadBenchmarkData
from codeio_assets.core.errors import NotReadyError, UndeclaredReadError
from codeio_assets.core.prompts import PromptError
from codeio_assets.core.settings.project import SettingsError
from codeio_assets.core.settings.recipes import RecipeError
from codeio_assets.llm.contract import ChatServerError
from codeio_assets.sandbox.contract import SandboxUnavailable
from codeio_assets.steps.held_out_scores import HeldOutError
from codeio_assets.store import CommitRefusedError
from codeio_assets.training.contract import TrainingError

MAX_RETRIES = 2
DELAY_S = 2.0
"""Before the first retry; twice as long before the second."""
INTERRUPTS = (KeyboardInterrupt, dg.DagsterExecutionInterruptedError)

FINAL = (
    BadBenchmarkData,
    ChatServerError,
    HeldOutError,
    NotReadyError,
    PromptError,
    RecipeError,
    SandboxUnavailable,
    SettingsError,
    TrainingError,
    UndeclaredReadError,
)
"""What no retry can mend: a wrong key, no sandbox, a bad file of the project, an input that is not good."""


@contextmanager
def ending_well(
    context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext, *, tried_again: bool
) -> Generator[None]:
    """End a step as its error asks for.

    Args:
        context: of the step.
        tried_again: whether it takes what can fail by itself: a server, the sandbox, a GPU.
    """
    try:
        yield
    except FINAL as error:
        raise dg.Failure(str(error), allow_retries=False) from None
    except CommitRefusedError as error:  # of two runs one is late: it begins again with what is there now
        context.log.warning(str(error))
        raise dg.RetryRequested(MAX_RETRIES, DELAY_S * 2**context.retry_number) from error
    except INTERRUPTS:
        _end_as_canceled(context.instance, context.run.run_id)
        raise
    except (dg.RetryRequested, dg.DagsterError):
        raise
    except Exception as error:
        if not tried_again or (isinstance(error, dg.Failure) and not error.allow_retries):
            raise
        raise dg.RetryRequested(MAX_RETRIES, DELAY_S * 2**context.retry_number) from error


def _end_as_canceled(instance: dg.DagsterInstance, run_id: str) -> None:
    """Have a run that is interrupted end as canceled, also where a signal came and nobody asked dagster.

    Else dagster takes it for a worker that died, and its daemon starts it again.
    """
    run = instance.get_run_by_id(run_id)
    if run is not None and run.status != dg.DagsterRunStatus.CANCELING:
        instance.report_run_canceling(run, "The process was told to stop.")


class _Stopping(dg.Executor):
    """Executes a run as dagster's own executor, and ends it as canceled when it is told to stop, also between steps."""

    def __init__(self, inner: dg.Executor) -> None:
        self._inner = inner

    @property
    def retries(self) -> Any:
        return self._inner.retries

    @property
    def step_dependency_config(self) -> Any:
        return self._inner.step_dependency_config

    def execute(self, plan_context: Any, execution_plan: Any) -> Iterator[Any]:
        try:
            yield from self._inner.execute(plan_context, execution_plan)
        except INTERRUPTS:
            _end_as_canceled(plan_context.instance, plan_context.run_id)
            raise


@dg.executor(name="in_process", config_schema=cast("Any", dg.in_process_executor.config_schema))
def stopping_executor(context: dg.InitExecutorContext) -> dg.Executor:
    """Execute all steps in the run's own process."""
    create = dg.in_process_executor.executor_creation_fn
    assert create is not None
    return _Stopping(create(context))
