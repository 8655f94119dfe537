"""The commands that take shards, sources and single files out of what follows."""

from typing import Annotated

import typer

from codeio_assets.core.values.decoding import printable
from codeio_assets.project import Project

shards_app = typer.Typer(help="Shards: register, list, drop.")
sources_app = typer.Typer(help="Sources of raw code: list, drop.")
app = typer.Typer()
NAMED = {None: app, "shards": shards_app, "sources": sources_app}
"""Under which names the commands stand; None is for the top."""
DryRun = Annotated[bool, typer.Option("--dry-run", help="only tell what rests on it")]


@shards_app.callback(invoke_without_command=True)
def shards(context: typer.Context) -> None:
    """Register new raw files as shards, tell Dagster, and list all shards."""
    if context.invoked_subcommand is not None:
        return
    from codeio_assets.operating.local import register_shards

    project = Project.find()
    new = set(register_shards(project, lambda line: typer.echo(line, err=True)))
    for key in project.shards.keys():  # noqa: SIM118  (a registry, not a dict)
        typer.echo(f"{key}  {len(project.shards.load(key).items)} items{'  new' if key in new else ''}")


@shards_app.command("drop")
def drop_shards(
    keys: Annotated[list[str], typer.Argument(metavar="KEY...", help="as listed by `codeio shards`")],
    dry_run: DryRun = False,
) -> None:
    """Take shards out of tables, reports and training sets to come; their files form no new shard, responses stay."""
    from codeio_assets.operating import retiring

    project = Project.find()
    for key in keys:
        project.shards.load(key)
    told = retiring.concerned(project, keys).told()
    if not dry_run:
        retiring.drop_shards(project, keys)
    typer.echo(f"{'would drop' if dry_run else 'dropped'}: {told}")


@sources_app.callback(invoke_without_command=True)
def sources(context: typer.Context) -> None:
    """List the sources and how many shards each has."""
    if context.invoked_subcommand is None:
        project = Project.find()
        for name in project.sources.sources:
            typer.echo(f"{name}  {len(project.shards.keys_of(name))} shards")
        for name in project.shards.dropped_sources():
            typer.echo(f"{name}  dropped")


@sources_app.command("drop")
def drop_source(
    name: Annotated[str, typer.Argument(help="in sources.yaml, or of shards whose source is not there any more")],
    dry_run: DryRun = False,
) -> None:
    """Drop the shards of a source and register nothing of it any more; responses stay in the journal."""
    from codeio_assets.operating import retiring

    project = Project.find()
    keys = project.shards.keys_of(name)
    if not keys and name not in project.source_names():
        names = ", ".join(project.source_names())
        raise KeyError(f"there is no source {name!r} and no shard of it; sources.yaml has {names}")
    told = retiring.concerned(project, keys).told()
    if not dry_run:
        retiring.drop_source(project, name)
    typer.echo(f"{'would drop' if dry_run else 'dropped'}: {told}")


@app.command()
def takedown(
    what: Annotated[list[str], typer.Argument(metavar="PATH|SHA256...", help="path in its source, or content hash")],
    why: Annotated[str, typer.Option(help="kept with the takedown")] = "",
    dry_run: DryRun = False,
) -> None:
    """Leave out single files from now on, wherever they stand, and tell which checkpoints had them."""
    from codeio_assets.operating import retiring

    project = Project.find()
    for each in what:
        hits = retiring.files_hit(project, each)
        if not hits:
            raise KeyError(f"no file of any shard has the path or content hash {each!r}")
        recipes = retiring.recipes_with(project, (hit.file_id for hit in hits))
        if not dry_run:
            retiring.take_down(project, each, why)
        for hit in hits:
            done = "would take" if dry_run else "taken"
            typer.echo(printable(f"{done} down: {hit.path} in {hit.shard}, file {hit.file_id[:12]}"))
        typer.echo(f"  in the training sets and checkpoints of: {', '.join(recipes) or 'none'}")
        typer.echo(f"  make again: {', '.join(dict.fromkeys(hit.shard for hit in hits))}, then these recipes")
