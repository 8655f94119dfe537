"""Running the queries of `sql/reports`: each file is one result, and its opening comment says how it was counted.

Files beyond `SECTIONS` in `page` are welcome: the report shows their results as tables.
What does not live here: what the results look like (`page`, `figures`, `examples`).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import duckdb
import polars as pl

from codeio_assets.store import Snapshot, Warehouse

Row = dict[str, Any]

REQUIRED = frozenset(
    {
        "accuracy", "accuracy_by_difficulty", "accuracy_by_length", "benchmark_results", "checkpoints",
        "cot_flaws", "cot_grounding",
        "drift", "examples", "funnel", "hardest_functions", "length_quantiles", "lengths", "losses", "model_usage",
        "pass_rates", "published_data",
        "quality_rates", "rejections", "shards", "slow_functions", "transform_attempts", "transform_wins", "usage",
        "verdict_flow",
    }
)  # fmt: skip
"""Queries that the page cannot do without."""


class ReportError(Exception):
    """A query of the report is missing or wrong; the message names the file and what to do."""


@dataclass(frozen=True, slots=True)
class QueryResult:
    """What a query gave: `caption` is the comment at its top, one line of text."""

    name: str
    caption: str
    columns: list[str]
    rows: list[Row] = field(default_factory=list[Row])


@dataclass(frozen=True)
class Reported:
    """What a report is made of: queries by file name, over which versions of which tables."""

    queries: Mapping[str, str]
    warehouse: Warehouse
    snapshot: Snapshot
    tables: Collection[str] | None = None


def run_queries(reported: Reported) -> dict[str, QueryResult]:
    """Run all queries over one state of the warehouse; return results by name.

    Raises:
        ReportError: a required file is missing, or a query fails.
        StoreError: a committed file is gone or damaged.
    """
    queries = {name.removesuffix(".sql"): text for name, text in sorted(reported.queries.items())}
    missing = sorted(REQUIRED.difference(queries))
    if missing:
        names = ", ".join(f"{name}.sql" for name in missing)
        raise ReportError(f"sql/reports lacks {names}. Restore it from the project.")
    with reported.warehouse.connect(reported.snapshot, reported.tables) as connection:
        return {name: _run(connection, name, text) for name, text in queries.items()}


def caption_of(query: str) -> str:
    """Return the comment at the top of a query as one line."""
    lines: list[str] = []
    for line in query.splitlines():
        if not line.startswith("--"):
            break
        lines.append(line.removeprefix("--").strip())
    return " ".join(lines)


def _run(connection: duckdb.DuckDBPyConnection, name: str, query: str) -> QueryResult:
    try:
        frame = pl.DataFrame(connection.sql(query).to_arrow_table())
    except duckdb.IOException:
        raise  # the file of a table, not the query
    except duckdb.Error as error:
        raise ReportError(f"sql/reports/{name}.sql fails: {error}") from error
    return QueryResult(name, caption_of(query), frame.columns, frame.to_dicts())
