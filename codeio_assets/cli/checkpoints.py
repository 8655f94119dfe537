"""The commands about checkpoints: list, show, keep, let go, and remove what nobody needs."""

import json
from typing import Annotated

import typer

from codeio_assets.project import Project
from codeio_assets.training import shelf
from codeio_assets.training.contract import read_manifest

app = typer.Typer(help="Checkpoints: list, show, keep, remove.")
NAMED = {"models": app}
"""Under which names the commands stand; None is for the top."""
Name = Annotated[str, typer.Argument(help="as listed, or the beginning of its hash")]


@app.callback(invoke_without_command=True)
def models(context: typer.Context) -> None:
    """List the finished checkpoints: hash, steps, held-out loss, size, and why one is kept."""
    if context.invoked_subcommand is None:
        list_()


@app.command("list")
def list_() -> None:
    """List the finished checkpoints: the same as `codeio models` alone."""
    checkpoints = Project.find().checkpoints
    found = list(shelf.shelved(checkpoints))
    for one in found:
        losses = "" if one.loss_before is None else f"  loss {one.loss_before:.4f} -> {one.loss_after:.4f}"
        kept = f"  pinned: {one.pin}" if one.pin else ""
        typer.echo(
            f"{one.name:<44}{one.checkpoint_sha256[:12]}  {one.base_model}  {one.steps} steps{losses}  "
            f"{one.size_bytes / 2**20:,.0f} MiB  {one.finished_at[:16]}{kept}"
        )
    if not found:
        typer.echo(f"no finished checkpoint in {checkpoints}")


@app.command()
def show(name: Name) -> None:
    """Print a checkpoint's manifest: recipe, data, parent, versions, hardware, numbers, hashes."""
    typer.echo(json.dumps(read_manifest(shelf.find(Project.find().checkpoints, name).path), indent=2))


@app.command()
def pin(name: Name, reason: Annotated[str, typer.Option(help="shown in the list")] = "kept") -> None:
    """Keep a checkpoint: it is neither collected nor replaced when its recipe is trained again."""
    typer.echo(f"pinned {shelf.pin(Project.find().checkpoints, name, reason).name}")


@app.command()
def unpin(name: Name) -> None:
    """Let go of a checkpoint, so that `codeio models gc` may remove it when no table names it."""
    typer.echo(f"unpinned {shelf.unpin(Project.find().checkpoints, name).name}")


@app.command()
def gc(
    grace_hours: Annotated[float, typer.Option(help="spare what was written to within this time")] = 24.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only tell")] = False,
) -> None:
    """Remove checkpoints and tokenised sets that no table names and no pin keeps, and what interrupted runs left."""
    project = Project.find()
    warehouse = project.open_warehouse()
    tables = ("sft_stage1_checkpoint", "sft_stage2_checkpoint")
    live = {sha for table in tables for sha in warehouse.read(table, columns=["checkpoint_sha256"]).to_series()}
    swept = shelf.sweep(project.checkpoints, live, grace_hours * 3_600, dry_run)
    sets = set(warehouse.read("tokenised_sets", columns=["set_id"]).to_series())
    tokens = shelf.sweep_tokens(project.tokens, sets, grace_hours * 3_600, dry_run)
    removed = (*swept.removed, *(f"tokens/{name}" for name in tokens.removed))
    for name in removed:
        typer.echo(f"  {name}")
    word, size = "would remove" if dry_run else "removed", swept.removed_bytes + tokens.removed_bytes
    typer.echo(f"{word} {len(removed)}, {size / 2**20:,.0f} MiB; {swept.kept_pinned} pinned")
