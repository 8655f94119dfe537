"""The command that makes a project of one's own."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="a new or empty folder; . is the current one")],
    code: Annotated[Path | None, typer.Option(help="a folder with Python files to begin with")] = None,
) -> None:
    """Make a project of your own in a folder, with settings that explain themselves."""
    from codeio_assets.products.new_project import make_project

    for line in make_project(folder, code):
        typer.echo(line)


@app.command(hidden=True)
def version() -> None:
    """Print the version: the same as `codeio --version`."""
    from codeio_assets.cli import installed_version

    typer.echo(f"codeio {installed_version()}")
