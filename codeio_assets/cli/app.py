"""Putting commands together, and turning expected failures into one line.

What does not live here: the commands (`making`, `reading`, `data`, ...).
"""

import signal
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

import typer

from codeio_assets.cli.commands import MODULES
from codeio_assets.cli.storage_faults import storage_fault


def with_modules(*modules: str) -> typer.Typer:
    """Return a command line with the commands of some modules of this package."""
    made = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
    made.callback()(_nothing)
    for module in modules:
        own = import_module(f"codeio_assets.cli.{module}")
        for name, group in getattr(own, "NAMED", {None: own.app}).items():
            made.add_typer(group, name=name)
    return made


def _nothing() -> None:
    """CodeI/O: from raw code to verified reasoning data and trained models."""


def complete() -> typer.Typer:
    """Return the command line with all commands."""
    return with_modules(*MODULES)


def run(command: Callable[[], Any]) -> None:
    """Run a command; expected failures are one line and exit code 2."""
    _hear_interrupts()
    try:
        command()
    except KeyboardInterrupt:
        print("codeio: stopped; what was made stays, and the same command goes on from there", file=sys.stderr)
        raise SystemExit(130) from None
    except Exception as error:
        failed, expected = expected_failures()
        if isinstance(error, failed):
            print(f"codeio: {error}", file=sys.stderr)
            raise SystemExit(1) from None
        if isinstance(error, expected):
            text = error.args[0] if isinstance(error, KeyError) and error.args else error
            print(f"codeio: {text}", file=sys.stderr)
            raise SystemExit(2) from None
        line = None if isinstance(error, BrokenPipeError) else storage_fault(error)
        if line is None:
            raise
        print(f"codeio: {line}", file=sys.stderr)
        raise SystemExit(2) from None


def _hear_interrupts() -> None:
    """Take SIGINT even where a background shell had it ignored.

    Each run of dagster 1.13 gives SIGTERM whatever SIGINT has, so that only a kill could stop the command after it.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def expected_failures() -> tuple[tuple[type[Exception], ...], tuple[type[Exception], ...]]:
    """Return the failures that end with exit code 1, and those that end with 2; loaded when something failed."""
    from codeio_assets.batch.lines import BadInput
    from codeio_assets.benchmarks.contract import BadBenchmarkData
    from codeio_assets.core.errors import MaterialisationFailed
    from codeio_assets.core.prompts import PromptError
    from codeio_assets.core.settings.project import SettingsError
    from codeio_assets.core.settings.recipes import RecipeError
    from codeio_assets.llm.contract import ChatServerError
    from codeio_assets.sandbox.contract import SandboxUnavailable
    from codeio_assets.steps.executing import InfrastructureError
    from codeio_assets.store import StoreError
    from codeio_assets.training.contract import TrainingError

    bad = (BadInput, BadBenchmarkData, SettingsError, RecipeError, PromptError, StoreError, SandboxUnavailable)
    return (MaterialisationFailed,), (*bad, ChatServerError, InfrastructureError, TrainingError, KeyError)
