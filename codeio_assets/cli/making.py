"""The commands that make things and keep them in order."""

from pathlib import Path
from typing import Annotated

import typer

from codeio_assets.project import Project

app = typer.Typer()


@app.command()
def demo() -> None:
    """Materialise the whole graph on what sources.yaml names, and show the funnel. Repeats only what is out of date."""
    from codeio_assets.operating.local import materialise_everything

    materialise_everything(Project.find(), _say)


@app.command()
def make(
    assets: Annotated[list[str] | None, typer.Argument(help="assets, and nothing else; default all")] = None,
    shard: Annotated[list[str] | None, typer.Option(help="a shard, or a source for all of its shards; repeat")] = None,
    recipe: Annotated[list[str] | None, typer.Option(help="assemble, train and score it; repeat")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="partitions at most")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only tell what would be made, and why")] = False,
) -> None:
    """Make what is out of date of assets, shards or recipes, and tell why each is."""
    from codeio_assets.operating.making import Wanted, due, make

    project = Project.find()
    wanted = Wanted(tuple(assets or ()), tuple(shard or ()), tuple(recipe or ()), limit)
    if not dry_run:
        print(f"{make(project, wanted, _say)} partitions made")
        return
    found = due(project, wanted)
    for one in found:
        print(f"{one.step.asset}[{one.partition}]: {one.why}")
    print(f"{len(found)} partitions are out of date" if found else "everything is up to date")


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
def pools(file: Annotated[Path, typer.Argument(help="YAML with lines `pool: limit`")]) -> None:
    """Set how many steps each pool takes at once, as a YAML file says; for deployments over many machines."""
    from codeio_assets.operating.local import dagster_home
    from codeio_assets.operating.pools import read_pools, set_pools

    limits = read_pools(file)
    dagster_home(Project.find())
    set_pools(limits)
    print(", ".join(f"{pool} {limit}" for pool, limit in limits.items()))


@app.command()
def status() -> None:
    """Show how far the data set is, what it cost, what is wrong with it, and what is out of date."""
    from codeio_assets.operating.local import show_status

    show_status(Project.find(), _say)


@app.command()
def views() -> None:
    """Write warehouse.duckdb anew, the views of all tables; `codeio sql` needs no such file."""
    written = Project.find().open_warehouse().refresh_views()
    print(written if written.exists() else "the tables are in object storage, which has no such file: use `codeio sql`")


@app.command()
def gc(
    grace_hours: Annotated[float, typer.Option(help="spare files younger than this")] = 24.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only count")] = False,
) -> None:
    """Remove table versions that neither a manifest nor a pin names."""
    report = Project.find().open_warehouse().collect_garbage(grace_hours * 3_600, dry_run=dry_run)
    word = "would remove" if report.dry_run else "removed"
    print(
        f"{word} {len(report.removed)} file(s), {report.removed_bytes / 2**20:.1f} MiB; "
        f"kept: {report.kept_live} live, {report.kept_pinned} pinned, {report.kept_young} too young"
    )


@app.command()
def export_journal(target: Annotated[Path, typer.Argument(help="JSONL file to write")]) -> None:
    """Write the responses that the present tables rest on: the same as `codeio journal export`."""
    from codeio_assets.cli import llm

    llm.export(target)


def _say(text: str) -> None:
    print(text, flush=True)
