"""The command that serves: Dagster's UI and the browser together, on this machine alone."""

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Annotated

import typer

from codeio_assets.lifecycle.guarded import guarded
from codeio_assets.project import INSTALLED_ROOT, Project

app = typer.Typer()


@app.command()
def dev(
    port: Annotated[int, typer.Option(help="of Dagster's UI on 127.0.0.1; the browser is one above")] = 3000,
    person: Annotated[str | None, typer.Option(help="who marks; default CODEIO_PERSON, or the login name")] = None,
) -> None:
    """Serve Dagster's UI with its daemon, and the browser one port above; links in the UI lead there."""
    from codeio_assets.browse.library import Library
    from codeio_assets.browse.serving import free_socket, serve
    from codeio_assets.operating.local import register_shards
    from codeio_assets.products.marks import person_named

    project = Project.find()
    free_socket(port).close()
    listening = free_socket(port + 1)
    register_shards(project)
    library = Library.open(project, person_named(person))
    try:
        with dagster(project, port):
            print(f"Dagster  http://127.0.0.1:{port}\nBrowser  ", end="", flush=True)
            serve(library, listening, lambda line: print(line, flush=True))
    finally:
        library.close()
        listening.close()


def environment_of(project: Project, port: int) -> dict[str, str]:
    """Return what Dagster's processes are told: the project, its home, and where the browser is."""
    return {
        "CODEIO_PROJECT": str(project.root),
        "CODEIO_HOME": str(project.home),
        "CODEIO_BROWSER_URL": f"http://127.0.0.1:{port + 1}",
        "DAGSTER_HOME": os.environ.get("DAGSTER_HOME") or str(project.home / "dagster"),
    }


@contextmanager
def dagster(project: Project, port: int) -> Generator[None]:
    """Run Dagster's webserver and daemon for the time of the block; all their processes end with it."""
    command = [sys.executable, "-m", "dagster", "dev", "-w", "workspace.yaml", "-h", "127.0.0.1", "-p", str(port)]
    with guarded(command, os.environ | environment_of(project, port), INSTALLED_ROOT):
        yield
