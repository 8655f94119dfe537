"""The command line: thin verbs over the engines and the graph. `codeio --help` lists them.

Exit codes: 0 done, 1 something failed, 2 bad usage or bad input (one line says what, where, what to do).
"""

import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from codeio_assets.batch.lines import BadInput
from codeio_assets.cli import checkpoints, data, evaluation, execution, llm, retiring
from codeio_assets.cli.storage_faults import storage_fault
from codeio_assets.core.errors import MaterialisationFailed
from codeio_assets.core.prompts import PromptError
from codeio_assets.core.settings.project import SettingsError
from codeio_assets.core.settings.recipes import RecipeError
from codeio_assets.llm.contract import ChatServerError
from codeio_assets.project import Project
from codeio_assets.sandbox.contract import SandboxUnavailable
from codeio_assets.steps.executing import InfrastructureError
from codeio_assets.store import StoreError, Warehouse
from codeio_assets.training.contract import TrainingError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
app.add_typer(execution.app)
app.add_typer(evaluation.app)
app.add_typer(llm.app)
app.add_typer(data.app)
app.add_typer(checkpoints.app, name="models")
app.add_typer(retiring.app)
app.add_typer(retiring.shards_app, name="shards")
app.add_typer(retiring.sources_app, name="sources")
EXPECTED = (
    BadInput,
    SettingsError,
    RecipeError,
    PromptError,
    StoreError,
    SandboxUnavailable,
    InfrastructureError,
    ChatServerError,
    TrainingError,
    KeyError,
)


@app.command()
def demo() -> None:
    """Materialise the whole graph on what sources.yaml names, and show the funnel. Repeats only what is out of date."""
    from codeio_assets.operating.local import materialise_everything

    materialise_everything(Project.find(), _say)


@app.command()
def upgrade() -> None:
    """Bring a project of an earlier release up to date; other commands do so by themselves."""
    from codeio_assets.operating.local import dagster_home
    from codeio_assets.operating.upgrading import needs_upgrade
    from codeio_assets.operating.upgrading import upgrade as bring_up_to_date

    project = Project.find()
    if not needs_upgrade(project):
        print("nothing to do: the project is of this release")
        return
    for line in bring_up_to_date(project, dagster_home(project)).told():
        print(line)


@app.command()
def status() -> None:
    """Show how far the data set is, what it cost, what is wrong with it, and what is out of date."""
    from codeio_assets.operating.local import show_status

    show_status(Project.find(), _say)


@app.command()
def gc(
    grace_hours: Annotated[float, typer.Option(help="spare files younger than this")] = 24.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only count")] = False,
) -> None:
    """Remove table versions that neither a manifest nor a pin names."""
    report = Warehouse(Project.find().warehouse).collect_garbage(grace_hours * 3_600, dry_run=dry_run)
    word = "would remove" if report.dry_run else "removed"
    print(
        f"{word} {len(report.removed)} file(s), {report.removed_bytes / 2**20:.1f} MiB; "
        f"kept: {report.kept_live} live, {report.kept_pinned} pinned, {report.kept_young} too young"
    )


@app.command()
def export_journal(target: Annotated[Path, typer.Argument(help="JSONL file to write")]) -> None:
    """Write the responses that the present tables rest on: the same as `codeio journal export`."""
    llm.export(target)


@app.command()
def check_isolation() -> None:
    """Tell whether untrusted code can be isolated on this machine, and what to install when not."""
    from codeio_assets.sandbox import open_sandbox

    with open_sandbox(workers=1) as sandbox:
        print(f"isolation: {sandbox.isolation}")


def _say(text: str) -> None:
    print(text, flush=True)


def _hear_interrupts() -> None:
    """Take SIGINT even where a background shell had it ignored.

    Each run of dagster 1.13 gives SIGTERM whatever SIGINT has, so that only a kill could stop the command after it.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def main(run: Callable[[], Any] = app) -> None:
    """Run the command line; expected failures are one line and exit code 2."""
    _hear_interrupts()
    try:
        run()
    except MaterialisationFailed as error:
        print(f"codeio: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except EXPECTED as error:
        text = error.args[0] if isinstance(error, KeyError) and error.args else error
        print(f"codeio: {text}", file=sys.stderr)
        raise SystemExit(2) from None
    except BrokenPipeError:
        raise
    except Exception as error:
        line = storage_fault(error)
        if line is None:
            raise
        print(f"codeio: {line}", file=sys.stderr)
        raise SystemExit(2) from None
