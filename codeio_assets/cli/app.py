"""Putting commands together, and turning expected failures into one line.

What does not live here: the commands (`making`, `reading`, `data`, ...).
"""

import sys
from collections.abc import Callable
from importlib import import_module

import typer

from codeio_assets.cli.commands import MODULES
from codeio_assets.cli.storage_faults import chain, storage_fault
from codeio_assets.lifecycle.signals import signals


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


def run(command: Callable[[], object]) -> None:
    """Run a command; expected failures are one line and exit code 2, an interruption one line and 130 or 143.

    Who knows what an interruption leaves behind adds it to the exception as a note.
    """
    signals.listen()
    try:
        command()
    except (KeyboardInterrupt, SystemExit) as ended:  # typer makes a silent exit of an interruption
        stopped = next((error for error in chain(ended) if isinstance(error, KeyboardInterrupt)), None)
        if stopped is None:
            raise
        print("; ".join(["codeio: stopped", *getattr(stopped, "__notes__", ())]), file=sys.stderr)
        raise SystemExit(signals.exit_code()) from None
    except Exception as error:
        failed, expected = expected_failures()
        if isinstance(error, failed):
            _complain(error)
            raise SystemExit(1) from None
        if isinstance(error, expected):
            text = error.args[0] if isinstance(error, KeyError) and error.args else error
            _complain(text)
            raise SystemExit(2) from None
        line = None if isinstance(error, BrokenPipeError) else storage_fault(error)
        if line is None:
            raise
        _complain(line)
        raise SystemExit(2) from None


def _complain(what: object) -> None:
    """Say what went wrong; the words may quote a stranger, whom no terminal shall obey."""
    from codeio_assets.core.values.decoding import printable

    print(printable(f"codeio: {what}"), file=sys.stderr)


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
