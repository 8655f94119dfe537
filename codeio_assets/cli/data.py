"""The commands about training sets: export, lineage, and what changed between two builds."""

from pathlib import Path
from typing import Annotated

import typer

from codeio_assets.core.values.decoding import printable
from codeio_assets.products.diff import changed_partitions, compare, find_snapshot, snapshots_of
from codeio_assets.products.export import export_training_set, push
from codeio_assets.products.trace import trace_item
from codeio_assets.project import Project
from codeio_assets.steps.training_sets import Assembly
from codeio_assets.store import Snapshot, Warehouse

app = typer.Typer()
Name = Annotated[str, typer.Argument(metavar="RECIPE", help="name of a file in recipes/, without .yaml")]


@app.command()
def export(
    recipe: Name,
    to: Annotated[Path, typer.Option(help="a folder that does not exist yet, or is empty")],
    push_to: Annotated[str | None, typer.Option(help="dataset repository of a hub; the token is HF_TOKEN")] = None,
) -> None:
    """Write a training set as Parquet and JSONL with a dataset card; `datasets.load_dataset` opens the folder."""
    project = Project.find()
    folder = export_training_set(Warehouse(project.warehouse), project.recipe(recipe), project.sql, to)
    typer.echo(f"{recipe} in {folder}")
    if push_to:
        typer.echo(push(folder, push_to))


@app.command()
def verify() -> None:
    """Read every file of every table, also of pinned builds, against its sha256; exit code 1 when one is damaged."""
    report = Warehouse(Project.find().warehouse).verify()
    for problem in report.problems:
        typer.echo(problem)
    typer.echo(
        f"{report.files:,} files, {report.bytes / 2**20:,.1f} MiB: "
        + (f"{len(report.problems)} damaged" if report.problems else "all as they were written")
    )
    if report.problems:
        raise typer.Exit(1)


@app.command()
def trace(
    item_id: Annotated[
        str,
        typer.Argument(
            metavar="ID", help="of a sample, prediction, verdict, task, pair, function or file, or its beginning"
        ),
    ],
) -> None:
    """Tell the way from an item to its file: task, pair, function, file, responses, models, verdicts, versions."""
    project = Project.find()
    for line in trace_item(Warehouse(project.warehouse), project.sql("lineage/trace.sql"), item_id):
        typer.echo(printable(line))


@app.command()
def snapshots(recipe: Name) -> None:
    """List the builds of a training set whose inputs are kept; `codeio unpin` lets go of one."""
    for name, snapshot_id in snapshots_of(Warehouse(Project.find().warehouse), recipe).items():
        typer.echo(f"{snapshot_id[:12]}  {name}")


@app.command()
def unpin(name: Annotated[str, typer.Argument(help="as listed by `codeio snapshots`")]) -> None:
    """Let go of the inputs of a build, so that `codeio gc` may remove what nothing else names."""
    Warehouse(Project.find().warehouse).unpin(name)


@app.command()
def diff(
    recipe: Name,
    snapshot: Annotated[tuple[str, str], typer.Option(help="two ids, or their beginnings: before and after")],
) -> None:
    """Tell what changed between two builds of a training set and why, under the present recipe."""
    project = Project.find()
    warehouse, of = Warehouse(project.warehouse), project.recipe(recipe)
    before, after = (find_snapshot(warehouse, recipe, wanted) for wanted in snapshot)

    def assembly_of(read: Snapshot) -> Assembly:
        settings = project.settings
        return Assembly.of(
            of, warehouse, read, project.sql, phrases=settings.phrases, split=settings.split, prompt=project.prompt
        )

    typer.echo("Inputs")
    for asset, counts in changed_partitions(before, after).items():
        typer.echo(f"  {asset:<24}{', '.join(f'{count} {what}' for what, count in sorted(counts.items()))}")
    typer.echo("Samples")
    for change in compare(assembly_of, before, after, project.sql("lineage/diff.sql")):
        where = f"stage {change.stage}"
        typer.echo(f"  {change.what:<9}{where:<9}{change.count:>10,}  {change.why}  (e.g. {change.example[:16]})")
