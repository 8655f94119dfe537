"""The command that serves: Dagster's UI and the browser together, for the person at this machine."""

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
    port: Annotated[int, typer.Option(help="of Dagster's UI; the browser is one above")] = 3000,
    person: Annotated[str | None, typer.Option(help="who marks; default CODEIO_PERSON, or the login name")] = None,
    host: Annotated[str, typer.Option(help="address to listen on; see docs/how_to/serve_to_others.md")] = "127.0.0.1",
) -> None:
    """Serve Dagster's UI with its daemon, and the browser one port above; links in the UI lead there."""
    from codeio_assets.browse.library import Library
    from codeio_assets.browse.serving import free_socket, serve
    from codeio_assets.operating.local import register_shards
    from codeio_assets.products.marks import person_named

    project = Project.find()
    free_socket(port, host).close()
    listening = free_socket(port + 1, host)
    register_shards(project)
    library = Library.open(project, person_named(person))
    try:
        with dagster(project, port, host):
            print(f"Dagster  http://{host}:{port}\nBrowser  ", end="", flush=True)
            serve(library, listening, lambda line: print(line, flush=True))
    finally:
        library.close()
        listening.close()


def environment_of(project: Project, port: int) -> dict[str, str]:
    """Return what Dagster's processes are told: the project, its home, and where the browser is."""
    return {
        "CODEIO_PROJECT": str(project.root),
        "CODEIO_HOME": str(project.home),
        "CODEIO_BROWSER_URL": os.environ.get("CODEIO_BROWSER_URL") or f"http://127.0.0.1:{port + 1}",
        "DAGSTER_HOME": os.environ.get("DAGSTER_HOME") or str(project.home / "dagster"),
    }


@contextmanager
def dagster(project: Project, port: int, host: str) -> Generator[None]:
    """Run Dagster's guarded webserver and its daemon for the time of the block; all their processes end with it."""
    command = [sys.executable, "-m", "codeio_assets.operating.guarded_ui", "dev"]
    command += ["-w", "workspace.yaml", "-h", host, "-p", str(port)]
    with guarded(command, os.environ | environment_of(project, port), INSTALLED_ROOT):
        yield
