"""The commands that read: browser, items, rejections, SQL, one file from start to end; and marking what was read."""

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from codeio_assets.core.values.decoding import printable
from codeio_assets.project import Project
from codeio_assets.store import StoreError, Warehouse

app = typer.Typer()
ItemId = Annotated[str, typer.Argument(metavar="ID", help="of anything, or its beginning (6 digits or more)")]
WIDEST_CELL = 60


@app.command()
def browse(
    port: Annotated[int, typer.Option(help="0 takes any that is free")] = 3001,
    person: Annotated[str | None, typer.Option(help="who marks; default CODEIO_PERSON, or the login name")] = None,
    beside: Annotated[
        list[Path] | None, typer.Option(help="`var` of another project, to compare its answers with ours")
    ] = None,
    host: Annotated[str, typer.Option(help="address to listen on; see docs/how_to/serve_to_others.md")] = "127.0.0.1",
) -> None:
    """Open the browser: read, search, compare, mark and try every sample, on 127.0.0.1."""
    from codeio_assets.browse.library import Library
    from codeio_assets.browse.serving import free_socket, serve
    from codeio_assets.products.marks import person_named

    project = Project.find()
    listening = free_socket(port, host)
    library = Library.open(project, person_named(person), _beside(beside or []))
    try:
        serve(library, listening, _say)
    finally:
        library.close()
        listening.close()


def _beside(folders: list[Path]) -> dict[str, Warehouse]:
    found: dict[str, Warehouse] = {}
    for folder in folders:
        root = folder / "warehouse" if (folder / "warehouse").is_dir() else folder
        if not (root / "manifests").is_dir():
            raise StoreError(f"{folder} holds no tables. Name the folder `var` of a project.")
        found[str(folder)] = Warehouse(root)
    return found


@app.command()
def show(item_id: ItemId) -> None:
    """Print an item in full: file, function, pair, prompt, every turn with its verdict."""
    from codeio_assets.browse.items import Items
    from codeio_assets.browse.text import lines_of

    project = Project.find()
    items = Items(project.open_warehouse(), project.sql)
    found = items.find(item_id)
    if not found:
        raise KeyError(f"nothing has the id {item_id}: no task, function, file, pair, answer, verdict or sample")
    if len(found) > 1:
        for one in found:
            typer.echo(f"{one.kind:<10}{one.id}")
        raise KeyError(f"{len(found)} items begin with {item_id}: give more of the id")
    for line in lines_of(items, found[0]):
        typer.echo(line)


@app.command()
def rejections(
    reason: Annotated[str | None, typer.Argument(help="a code, to see the items themselves")] = None,
    shard: Annotated[str | None, typer.Option(help="of one shard only")] = None,
    limit: Annotated[int, typer.Option(min=1, help="items to show")] = 20,
) -> None:
    """Tell what was dropped, how often, why, and what to do about it."""
    from codeio_assets.core.tables.remedies import meaning, remedy

    project = Project.find()
    warehouse = project.open_warehouse()
    query = project.sql("lineage/rejections.sql")
    rows = warehouse.sql(query, reason=reason or "", shard=shard or "").to_dicts()
    if not rows:
        typer.echo("nothing was dropped" + (f" for {reason}" if reason else ""))
    for row in rows:
        typer.echo(
            f"{row['rows']:>8,}  {row['step']}: {row['reason']}, {meaning(row['step'] + '_rejections', row['reason'])}"
        )
        if row["packages"]:
            typer.echo(printable(f"          {', '.join(row['packages'])}"))
        typer.echo(f"          {remedy(row['reason'])}")
        for item in row["examples"][: limit if reason else 1]:
            detail = " ".join(item["detail"].split())
            typer.echo(printable(f"          {item['id'][:16]}  {item['part']}  {detail[:160]}"))


@app.command()
def sql(
    query: Annotated[str | None, typer.Argument(help="- reads it from standard input; none lists the tables")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="a JSON object per row")] = False,
    limit: Annotated[int, typer.Option(min=1, help="rows to show")] = 200,
) -> None:
    """Ask the tables in SQL; without a query, list the tables and their columns."""
    import duckdb

    from codeio_assets.store.views import named_tables

    warehouse = Project.find().open_warehouse()
    text = sys.stdin.read() if query == "-" else query
    if not text:
        for line in _tables(warehouse):
            typer.echo(line)
        return
    try:
        with warehouse.connect(tables=named_tables(text) or None) as connection:
            done = connection.execute(text)
            names = [column[0] for column in done.description or ()]
            rows = done.fetchmany(limit + 1) if names else []
    except duckdb.Error as error:
        raise StoreError(f"the query failed: {error}") from error
    if as_json:
        for row in rows[:limit]:
            typer.echo(printable(json.dumps(dict(zip(names, row, strict=True)), default=str, ensure_ascii=False)))
    else:
        for line in _table(names, rows[:limit]):
            typer.echo(printable(line))
    if len(rows) > limit:
        print(f"the first {limit:,} rows; --limit shows more", file=sys.stderr)


def _tables(warehouse: Warehouse) -> Iterator[str]:
    from codeio_assets.core.tables.data import TABLES

    counted = {table: sum(file.rows for file in files) for table, files in warehouse.snapshot().by_table().items()}
    for table, model in TABLES.items():
        columns = ", ".join(model.to_schema().columns)
        yield f"{table}  {counted.get(table, 0):,} rows\n    {columns}, part"


def _table(names: list[str], rows: list[tuple[object, ...]]) -> Iterator[str]:
    cells = [names, *([_cell(value) for value in row] for row in rows)]
    widths = [max(len(row[place]) for row in cells) for place in range(len(names))]
    for row in cells:
        yield "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()


def _cell(value: object) -> str:
    text = "" if value is None else " ".join(str(value).split())
    return text if len(text) <= WIDEST_CELL else f"{text[: WIDEST_CELL - 1]}…"


@app.command("try")
def try_(
    file: Annotated[Path, typer.Argument(help="a Python file", exists=True, dir_okay=False)],
    model: Annotated[str | None, typer.Option(help="another model than codeio.yaml names")] = None,
    base_url: Annotated[str | None, typer.Option(help="another server than codeio.yaml names")] = None,
    prompts: Annotated[Path | None, typer.Option(help="a folder with your own prompt templates")] = None,
    pairs: Annotated[int, typer.Option(min=2, help="pairs of the function at most")] = 2,
) -> None:
    """Take one file from start to end: function, pairs, tasks, answers, verdicts. Nothing is stored but the answers."""
    from codeio_assets.products.one_file import Asked, try_file

    asked = Asked(model=model, base_url=base_url, prompts=prompts, pairs=pairs)
    _print(try_file(Project.find(), file, asked))


@app.command()
def mark(
    item_id: ItemId,
    what: Annotated[str, typer.Argument(metavar="MARK", help="accept, exclude, flag, note or clear")],
    note: Annotated[str, typer.Option(help="in words")] = "",
    person: Annotated[str | None, typer.Option(help="who marks; default CODEIO_PERSON, or the login name")] = None,
) -> None:
    """Mark an item: accept, exclude, flag, note or clear."""
    from codeio_assets.browse.items import Items
    from codeio_assets.products.marks import Marking, add_marks, person_named

    project = Project.find()
    warehouse = project.open_warehouse()
    found = Items(warehouse, project.sql).find(item_id)
    if len(found) != 1:
        raise KeyError(f"{len(found)} items begin with {item_id}")
    who = person_named(person)
    add_marks(warehouse, who, Marking(found[0].kind, [found[0].id], what, note))  # type: ignore[arg-type]
    typer.echo(f"{found[0].kind} {found[0].id}: {what} by {who}")


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        print(printable(line), flush=True)


def _say(text: str) -> None:
    print(text, flush=True)
