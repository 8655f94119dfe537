"""How a step ends early, by what ended it.

Faults of the machine are tried again; what a person must mend fails at once; a step that is told to stop ends its run
as canceled and is never tried again; faults of data never raise. Steps have no retry policy of dagster's: one takes an
interrupt (cancel in the UI, Ctrl-C, SIGTERM) for a fault.
"""

from collections.abc import Generator
from contextlib import contextmanager

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
        end_as_canceled(context)
        raise
    except (dg.RetryRequested, dg.DagsterError):
        raise
    except Exception as error:
        if not tried_again or (isinstance(error, dg.Failure) and not error.allow_retries):
            raise
        raise dg.RetryRequested(MAX_RETRIES, DELAY_S * 2**context.retry_number) from error


def end_as_canceled(context: dg.OpExecutionContext | dg.AssetExecutionContext | dg.AssetCheckExecutionContext) -> None:
    """Have a run that is interrupted end as canceled, also where a signal came and nobody asked dagster.

    Else dagster takes it for a worker that died, and its daemon starts it again.
    """
    run = context.instance.get_run_by_id(context.run.run_id)
    if run is not None and run.status != dg.DagsterRunStatus.CANCELING:
        context.instance.report_run_canceling(run, "The process was told to stop.")
