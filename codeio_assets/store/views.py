"""Views: every table as SQL sees it, over an explicit list of immutable files.

`sql/views/_*.sql` are the templates; every other `sql/views/<name>.sql` is one query over the tables and becomes the
view `<name>`, in the order of the names. Each table has its columns and `part`, the partition key.
What does not live here: which files are live (`warehouse`).
"""

import inspect
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from pathlib import Path
from string import Template

import duckdb

from codeio_assets.core.tables.data import TABLES
from codeio_assets.store.blobs import Blobs
from codeio_assets.store.manifests import TableVersion
from codeio_assets.store.parquet import column_types

VIEWS_FOLDER = Path(__file__).resolve().parents[2] / "sql" / "views"

_SQL_TYPES = {"large_string": "varchar", "int64": "bigint", "double": "double", "bool": "boolean"}


def create_views(
    connection: duckdb.DuckDBPyConnection,
    files: Mapping[str, Sequence[TableVersion]],
    blobs: Blobs,
    tables: Collection[str] | None = None,
) -> None:
    """Create or replace the view of every table, then the derived views; or of some tables alone.

    Raises:
        duckdb.Error: a file is gone or damaged, or a derived view does not fit the tables.
    """
    shown = TABLES if tables is None else tables
    statements = [view_of(table, files.get(table, ()), blobs) for table in shown]
    derived = derived_views() if tables is None else {}
    statements += [f"create or replace view {identifier(name)} as\n{query}" for name, query in derived.items()]
    connection.execute(";\n".join(statements))


def create_comments(connection: duckdb.DuckDBPyConnection) -> None:
    """Put the tables' docstrings and column descriptions on their views."""
    statements: list[str] = []
    for table, model in TABLES.items():
        described = [("view", identifier(table), inspect.getdoc(model))]
        for name, column in model.to_schema().columns.items():
            described.append(("column", f"{identifier(table)}.{identifier(name)}", column.description))
        for kind, name, comment in described:
            if comment:
                statements.append(_template("_comment").substitute(kind=kind, name=name, comment=literal(comment)))
    connection.execute(";\n".join(statements))


def view_of(table: str, files: Sequence[TableVersion], blobs: Blobs) -> str:
    """Return the statement that makes a table's view."""
    if not files:
        types = column_types(table).items()
        columns = ", ".join(f"cast(null as {_SQL_TYPES[kind]}) as {identifier(name)}" for name, kind in types)
        return _template("_empty_table").substitute(view=identifier(table), columns=columns)
    paths = ", ".join(literal(_without_glob(str(blobs.path(file.file)))) for file in files)
    wanted = column_types(table)
    present = {name for file in files for name in file.columns}
    differ = any(file.columns != files[0].columns for file in files)
    columns = [
        identifier(name) if name in present else f"cast(null as {_SQL_TYPES[kind]}) as {identifier(name)}"
        for name, kind in wanted.items()
    ]
    return _template("_table").substitute(
        view=identifier(table),
        columns=", ".join(columns),
        files=f"[{paths}]",
        columns_differ="true" if differ else "false",
    )


@cache
def derived_views() -> dict[str, str]:
    """Return view name -> query of the views that are defined over the tables, in the order of creation."""
    files = sorted(VIEWS_FOLDER.glob("[!_]*.sql"))
    return {file.stem: file.read_text("utf-8").rstrip().removesuffix(";") for file in files}


def identifier(name: str) -> str:
    """Return a name quoted for SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return a text quoted for SQL."""
    return "'" + text.replace("'", "''") + "'"


def _without_glob(path: str) -> str:
    """Return a path that DuckDB takes as it stands and not as a pattern."""
    return "".join(f"[{character}]" if character in "*?[" else character for character in path)


@cache
def _template(name: str) -> Template:
    return Template((VIEWS_FOLDER / f"{name}.sql").read_text("utf-8"))
