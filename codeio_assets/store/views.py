"""Views: every table as SQL sees it, over an explicit list of immutable files.

`sql/views/_*.sql` are the templates; every other `sql/views/<name>.sql` is one query over the tables and becomes the
view `<name>`, in the order of the names. Each table has its columns and `part`, the partition key.
What does not live here: which files are live (`warehouse`).
"""

import contextlib
import inspect
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from pathlib import Path
from string import Template

import duckdb

from codeio_assets.core.tables.data import TABLES
from codeio_assets.store.blobs import replace_durably, temporary_path
from codeio_assets.store.manifests import TableVersion
from codeio_assets.store.parquet import column_types

VIEWS_FOLDER = Path(__file__).resolve().parents[2] / "sql" / "views"

_SQL_TYPES = {"large_string": "varchar", "int64": "bigint", "double": "double", "bool": "boolean"}


DamagedPartitions = Mapping[str, Sequence[tuple[str, str]]]
"""Table -> (partition, message) of those whose manifest cannot be read."""


def create_views(
    connection: duckdb.DuckDBPyConnection,
    files: Mapping[str, Sequence[TableVersion]],
    lost: DamagedPartitions,
    tables: Collection[str] | None = None,
) -> None:
    """Create or replace the view of every table, then the derived views; or of some tables alone.

    The views name files from the warehouse's folder, in which the connection has its temporary folder.

    Raises:
        duckdb.Error: a file is gone or damaged, or a derived view does not fit the tables.
    """
    shown = TABLES if tables is None else tables
    statements = [view_of(table, files.get(table, ()), lost.get(table, ())) for table in shown]
    derived = derived_views() if tables is None else {}
    statements += [f"create or replace view {identifier(name)} as\n{query}" for name, query in derived.items()]
    connection.execute(";\n".join(statements))


def write_views(
    target: Path,
    files: Mapping[str, Sequence[TableVersion]],
    lost: DamagedPartitions,
    settings: dict[str, str | bool | int | float | list[str]],
) -> None:
    """Write a database with all views in one step, in the folder of the warehouse.

    Raises:
        duckdb.Error: as for `create_views`; `duckdb.IOException` also where the disk is full or not writable.
        StoreError: it cannot take its place.
    """
    temporary = temporary_path(target.parent)
    try:
        with duckdb.connect(str(temporary), config=settings) as connection:
            create_views(connection, files, lost)
            create_comments(connection)
        replace_durably(temporary, target)
    finally:
        for leftover in (temporary, temporary.with_name(f"{temporary.name}.wal")):
            with contextlib.suppress(OSError):
                leftover.unlink()


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


def view_of(table: str, files: Sequence[TableVersion], damaged: Sequence[tuple[str, str]] = ()) -> str:
    """Return the statement that makes a table's view."""
    return "\n".join([_view_of_files(table, files), *(_lost_rows(table, *one) for one in damaged)])


def _lost_rows(table: str, partition: str, message: str) -> str:
    columns = ", ".join(
        f"cast(error({literal(message)}) as {_SQL_TYPES[kind]}) as {identifier(name)}"
        for name, kind in column_types(table).items()
    )
    return _template("_damaged_partition").substitute(
        columns=columns, part=literal(partition), message=literal(message)
    )


def _view_of_files(table: str, files: Sequence[TableVersion]) -> str:
    if not files:
        types = column_types(table).items()
        columns = ", ".join(f"cast(null as {_SQL_TYPES[kind]}) as {identifier(name)}" for name, kind in types)
        return _template("_empty_table").substitute(view=identifier(table), columns=columns)
    paths = ", ".join(literal(file.file) for file in files)
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


def named_tables(query: str) -> list[str] | None:
    """Return the tables that a query names; None, for all, when it names a derived view or cannot be told."""
    try:
        with duckdb.connect() as connection:
            names = connection.get_table_names(query)
    except duckdb.Error:  # whoever runs it says what is wrong with it
        return None
    return None if names & derived_views().keys() else sorted(names & TABLES.keys())


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


@cache
def _template(name: str) -> Template:
    return Template((VIEWS_FOLDER / f"{name}.sql").read_text("utf-8"))
