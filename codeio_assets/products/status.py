"""The status of a data set at one look: how far it is, what it cost, what is wrong with it.

Counted from the manifests, which hold the account of every commit, so that no table has to be read. What does not live
here: the queries (`sql/status`), what Dagster knows of failures (`operating.status`).
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import duckdb
import polars as pl

from codeio_assets.core.method.io_pairs import MISSING_PACKAGE
from codeio_assets.core.tables.data import Row
from codeio_assets.core.tables.remedies import remedy
from codeio_assets.steps.result import StepResult, account
from codeio_assets.store import Warehouse

QUERIES = ("stages", "funnel", "models", "problems", "reasons", "packages")
PROBLEMS_SHOWN = 10
MANIFESTS = {
    "asset": pl.String,
    "partition": pl.String,
    "rows": pl.Int64,
    "items_in": pl.Int64,
    "items_out": pl.Int64,
    "cpu_time_s": pl.Float64,
    "info": pl.String,
}
PROBLEMS: dict[str, type[pl.DataType]] = dict.fromkeys(
    ("asset", "partition", "kind", "what", "since", "run_id"), pl.String
)
USAGE = ("asset", "currency", "requests", "replayed", "failed", "cost")


@dataclass(frozen=True, slots=True)
class Expected:
    """An asset in flow order, what its partitions are (`shard`, `recipe`, `project`), and how many there should be."""

    asset: str
    partitions: str
    expected: int


@dataclass(frozen=True, slots=True)
class Problem:
    """A partition whose last run failed (`kind` is run), a check that fails (check) or warns (warning); since when."""

    asset: str
    partition: str
    kind: str
    what: str
    since: str
    run_id: str


@dataclass(frozen=True, slots=True)
class Overview:
    """The results of `sql/status`."""

    stages: list[Row]
    funnel: list[Row]
    models: list[Row]
    problems: list[Row]
    reasons: list[Row]
    packages: list[Row]


def overview(
    warehouse: Warehouse, stages: Iterable[Expected], problems: Iterable[Problem], sql: Callable[[str], str]
) -> Overview:
    """Return the status; `sql` returns the text of a file under sql/.

    Raises:
        StoreError: a manifest is damaged, or a file of `model_usage` is gone.
    """
    listed = list(stages)
    positions = [(number, one.asset, one.partitions, one.expected) for number, one in enumerate(listed, 1)]
    relations: dict[str, pl.DataFrame] = {
        "stages": pl.DataFrame(positions, ["position", "asset", "partitions", "expected"], orient="row"),
        "manifests": _manifests(warehouse, [one.asset for one in listed]),
        "problems": pl.DataFrame([_fields(problem) for problem in problems], PROBLEMS),
        "usage": warehouse.read("model_usage", columns=USAGE),
    }
    with duckdb.connect(":memory:") as connection:
        for name, relation in relations.items():
            connection.register(name, relation.to_arrow())  # pyright: ignore[reportUnknownArgumentType]
        found = {name: connection.sql(sql(f"status/{name}.sql")).pl().to_dicts() for name in QUERIES}
    return Overview(**found)


def _fields(problem: Problem) -> Row:
    return {name: getattr(problem, name) for name in PROBLEMS}


def _manifests(warehouse: Warehouse, assets: Iterable[str]) -> pl.DataFrame:
    rows: list[Row] = []
    for asset in assets:
        for manifest in warehouse.manifests(asset):
            info = manifest.info
            table = manifest.tables.get(asset)
            counted = {name: info.get(name) for name in ("items_in", "items_out", "cpu_time_s")}
            own = {"asset": asset, "partition": manifest.partition, "rows": table.rows if table else 0}
            rows.append({**own, **counted, "info": json.dumps(info)})
    return pl.DataFrame(rows, MANIFESTS)


def as_result(status: Overview) -> StepResult:
    """Return the status as the table `status`, one row per asset."""
    return account("status", status.stages, None, items_in=len(status.stages))


def to_markdown(status: Overview) -> str:
    """Return the status as Markdown that also reads well as plain text."""
    parts = [_headline(status)]
    if status.problems:
        parts += ["## What is wrong", _problems(status)]
    parts += ["## How far", _table(["asset", "done", "failed", "missing", "rows", "kept"], map(_stage, status.stages))]
    parts += ["## Funnel", _table(["step", "rows", "of the step before"], map(_step, status.funnel))]
    if status.models:
        heads = ["asset", "prompt tokens", "completion tokens", "requests sent", "failed", "cost"]
        parts += ["## Tokens and cost", _table(heads, map(_model, status.models))]
    if status.reasons:
        rows = ([row["asset"], row["reason"], f"{row['rows']:,}"] for row in status.reasons)
        parts += ["## Most frequent reasons for dropping", _table(["asset", "reason", "rows"], rows, texts=2)]
    if status.packages:
        parts += [_packages(status.packages)]
    return "\n\n".join(parts)


def _headline(status: Overview) -> str:
    shards = [row for row in status.stages if row["partitions"] == "shard"]
    complete = min((row["done"] for row in shards), default=0)
    expected = max((row["expected"] for row in shards), default=0)
    failed, checks, warnings = (
        sum(row["kind"] == kind for row in status.problems) for kind in ("run", "check", "warning")
    )
    cost = sum(row["cost"] for row in status.models)
    money = f"{cost:,.2f} {next((row['currency'] for row in status.models if row['currency']), '')}".strip()
    tokens = sum(row["prompt_tokens"] + row["completion_tokens"] for row in status.models)
    cpu_h = sum(row["cpu_h"] for row in status.stages)
    return (
        f"**{complete:,} of {expected:,} shards complete; {_count(failed, 'partition')} failed, "
        f"{_count(checks, 'check')} failing, "
        f"{_count(warnings, 'warning')}.** {tokens:,} tokens, {money} paid, {cpu_h:,.1f} CPU hours."
    )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _problems(status: Overview) -> str:
    shown = status.problems[:PROBLEMS_SHOWN]
    rows = ([row["since"][:16], row["asset"], row["partition"], row["what"], row["run_id"][:8]] for row in shown)
    table = _table(["since", "asset", "partition", "what", "run"], rows, texts=5)
    more = len(status.problems) - len(shown)
    return f"{table}\n\nand {more:,} more, newer ones" if more else table


def _packages(rows: list[Row]) -> str:
    names = ", ".join(row["package"] for row in rows[:PROBLEMS_SHOWN])
    more = f" and {len(rows) - PROBLEMS_SHOWN:,} more" if len(rows) > PROBLEMS_SHOWN else ""
    files = sum(row["rows"] for row in rows)
    return f"{_count(files, 'file')} need{'s' if files == 1 else ''} {names}{more}. {remedy(MISSING_PACKAGE)}"


def _stage(row: Row) -> list[str]:
    missing = f"{max(row['expected'] - row['done'] - row['failed'], 0):,}"
    if row["partitions"] == "recipe":
        missing = ""  # nobody means to train them all
    kept = "" if row["kept_ratio"] is None else f"{row['kept_ratio']:.1%}"
    return [row["asset"], f"{row['done']:,}", f"{row['failed']:,}", missing, f"{row['rows']:,}", kept]


def _step(row: Row) -> list[str]:
    share = row["share_of_previous"]
    return [row["step"], f"{row['rows']:,}", "" if share is None else f"{share:.1%}"]


def _model(row: Row) -> list[str]:
    counts = [row[name] for name in ("prompt_tokens", "completion_tokens", "requests_sent", "requests_failed")]
    return [row["asset"], *(f"{count:,}" for count in counts), f"{row['cost']:,.4f} {row['currency'] or ''}".strip()]


def _table(heads: list[str], rows: Iterable[list[str]], texts: int = 1) -> str:
    """Return a Markdown table whose columns are also aligned as text; the first `texts` columns are left-aligned."""
    cells = [heads, *([_cell(value) for value in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(heads))]
    rule = ["-" * width if column < texts else "-" * (width - 1) + ":" for column, width in enumerate(widths)]
    return "\n".join(
        "| "
        + " | ".join(
            value.ljust(width) if column < texts else value.rjust(width)
            for column, (value, width) in enumerate(zip(row, widths, strict=True))
        )
        + " |"
        for row in (cells[0], rule, *cells[1:])
    )


def _cell(value: str) -> str:
    return " ".join(value.replace("|", "/").split())[:100]
