"""Retries: faults of the machine are tried again; what a person must mend fails at once; faults of data never raise."""

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

INFRASTRUCTURE = dg.RetryPolicy(max_retries=2, delay=2, backoff=dg.Backoff.EXPONENTIAL)

FINAL = (
    BadBenchmarkData,
    ChatServerError,
    CommitRefusedError,
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
def failing_at_once() -> Generator[None]:
    """Turn errors that no retry can mend into a failure without retries."""
    try:
        yield
    except FINAL as error:
        raise dg.Failure(str(error), allow_retries=False) from None
