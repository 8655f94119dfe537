"""Metadata keys and values that every materialisation carries; the only place where they are spelt.

Source: https://docs.dagster.io/guides/build/assets/metadata-and-tags (standard keys begin with `dagster/`).
"""

import json
import re
from collections.abc import Mapping, Sequence

import dagster as dg
import polars as pl

from codeio_assets.core.tables.data import TABLES, Table
from codeio_assets.core.tables.schema import column_description
from codeio_assets.project import browser_url

ROW_COUNT = "dagster/row_count"
PARTITION_ROW_COUNT = "dagster/partition_row_count"
COLUMN_SCHEMA = "dagster/column_schema"
TABLE_NAME = "dagster/table_name"
URI = "dagster/uri"

ITEMS_IN = "codeio/items_in"
ITEMS_OUT = "codeio/items_out"
ACCEPTED_RATIO = "codeio/accepted_ratio"
DROPPED_BY_REASON = "codeio/dropped_by_reason"
WALL_TIME_S = "codeio/wall_time_s"
CPU_TIME_S = "codeio/cpu_time_s"
DATA_VERSION = "codeio/data_version"
MODEL_USAGE = "codeio/model_usage"
COST = "codeio/cost"
SERVER_METRICS = "codeio/server_metrics"
PREVIEW = "codeio/preview"
REPORT = "codeio/report"
REPORT_URL = "codeio/report_url"
BROWSE = "codeio/browse"
SUMMARY = "codeio/summary"
AUDITED = "codeio/audited_file"
EXAMPLES = "codeio/examples"
RULE = "codeio/rule"
ROWS = "codeio/rows"
FAILING_ROWS = "codeio/failing_rows"
FAILING_RATIO = "codeio/failing_ratio"
FAILURES = "codeio/failures"
RATES = "codeio/rates"
STATUS = "codeio/status"
PREFIX = "codeio/"

PREVIEW_ROWS = 3
CELL_CHARS = 90
ID_CHARS = 12
ID_FORM = re.compile(r"[0-9a-f]{64}")
PREVIEW_CHARS = 160


def column_schema(table: str) -> dg.TableSchema:
    """Return a table's columns with types, descriptions and constraints, from its pandera model."""
    return model_schema(TABLES[table])


def model_schema(model: type[Table]) -> dg.TableSchema:
    """Return the columns of a pandera model for the UI."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name,
                str(column.dtype),
                description=column_description(name, column.description),
                constraints=dg.TableColumnConstraints(nullable=column.nullable, unique=column.unique),
            )
            for name, column in model.to_schema().columns.items()
        ]
    )


def preview(frame: pl.DataFrame, rows: int = PREVIEW_ROWS) -> dg.MarkdownMetadataValue:
    """Return the first rows as Markdown, a column per row: tables are wide, and ids and texts are long."""
    shown = frame.head(rows)
    lines = [
        f"| column |{''.join(f' row {number} |' for number in range(1, len(shown) + 1))}",
        f"|---|{'---|' * len(shown)}",
    ]
    for column in shown.columns:
        cells = "".join(f" {_markdown_cell(value)} |" for value in shown[column].to_list())
        lines.append(f"| `{column}` |{cells}")
    return dg.MetadataValue.md("\n".join(lines) if len(shown) else "no rows")


def _markdown_cell(value: object) -> str:
    """Return a value as inline code that no content can break out of."""
    text = " ".join(
        str("" if value is None else value).replace("`", "'").replace("|", "¦").replace("\n", " ⏎ ").split()
    )
    if ID_FORM.fullmatch(text):  # the rest of it is in the link
        return f"[`{text[:ID_CHARS]}…`]({browser_url()}/find?id={text})"
    if len(text) > CELL_CHARS:
        text = f"{text[: CELL_CHARS - 1]}…"
    return f"`{text}`" if text else ""


def table_value(rows: Sequence[Mapping[str, object]], columns: list[str]) -> dg.TableMetadataValue:
    """Return rows as a table for the UI; values that are not scalars become JSON."""
    records = [dg.TableRecord({name: _cell(row.get(name)) for name in columns}) for row in rows]
    schema = dg.TableSchema(columns=[dg.TableColumn(name, "string") for name in columns])
    return dg.MetadataValue.table(records, schema=schema)


def _cell(value: object) -> str | int | float | bool | None:
    if value is None or isinstance(value, bool | int | float):
        return value
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= PREVIEW_CHARS else f"{text[: PREVIEW_CHARS - 1]}…"
