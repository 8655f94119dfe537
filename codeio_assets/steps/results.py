"""results: the paper's Table 1 with the rows of all recipes that were scored, and their gains over a baseline.

What does not live here: the table (`evaluation.results`), how it looks (`evaluation.rendering`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from codeio_assets.core.tables.data import Row, frame
from codeio_assets.core.values.canonical import content_id
from codeio_assets.evaluation import rendering
from codeio_assets.evaluation.results import Cell, Gain, Table, TableRow, gains, table
from codeio_assets.steps.result import StepResult


@dataclass(frozen=True, slots=True)
class Scored:
    """Scores and verdicts of all recipes."""

    benchmark_scores: pl.DataFrame
    benchmark_verdicts: pl.DataFrame


def make_table(scored: Scored, baselines: Mapping[str, str | None]) -> Table:
    """Return the table; `baselines` names for each recipe the one without its stage 1, if there is one."""
    rows = [_row(group) for _, group in scored.benchmark_scores.sort("recipe", "model").group_by(
        ["recipe", "model"], maintain_order=True
    )]  # fmt: skip
    found: dict[str, list[Gain]] = {}
    for recipe, baseline in baselines.items():
        after = _scores(scored.benchmark_verdicts, recipe, "stage2")
        before = _scores(scored.benchmark_verdicts, baseline, "stage2") if baseline else {}
        if gained := gains(before, after):
            found[f"{recipe}, stage2"] = gained
    return table(rows, found)


def _row(group: pl.DataFrame) -> TableRow:
    rows = group.to_dicts()
    cells = {row["benchmark"]: _cell(row) for row in rows}
    return TableRow(rows[0]["base_model"], f"{rows[0]['recipe']}, {rows[0]['model']}", cells)


def _cell(row: Row) -> Cell:
    shares = row["no_answer_ratio"], row["truncated_ratio"], row["unleaked_value"], row["rare_unleaked_value"]
    return Cell(row["value"], row["low"], row["high"], row["questions"], *shares)


def _scores(verdicts: pl.DataFrame, recipe: str, model: str) -> dict[str, dict[str, float]]:
    """Return scores by benchmark and question."""
    found: dict[str, dict[str, float]] = {}
    chosen = verdicts.filter((pl.col("recipe") == recipe) & (pl.col("model") == model) & pl.col("score").is_not_null())
    for row in chosen.to_dicts():
        found.setdefault(row["benchmark"], {})[row["question_id"]] = row["score"]
    return found


def as_result(made: Table) -> StepResult:
    """Return the table's cells as rows."""
    rows = [row for each in made.rows for row in _cells(each, made.gains.get(each.name, ()))]
    return StepResult({"results": frame("results", rows)}, len(rows), len(rows))


def _cells(row: TableRow, gained: Sequence[Gain]) -> list[Row]:
    by_column = {gain.column: gain.paired for gain in gained}
    cells: list[Row] = []
    for benchmark, cell in row.cells.items():
        paired = by_column.get(benchmark)
        identity = content_id(base=row.base, name=row.name, published=row.is_published, benchmark=benchmark)
        cells.append(
            {
                "cell_id": identity,
                "base": row.base,
                "name": row.name,
                "is_published": row.is_published,
                "benchmark": benchmark,
                "value": cell.value,
                "low": cell.low,
                "high": cell.high,
                "gain": paired and paired.difference,
                "gain_low": paired and paired.low,
                "gain_high": paired and paired.high,
                "changed": paired and paired.n_gained + paired.n_lost,
                "p_value": paired and paired.p_value,
            }
        )
    return cells


def write_pages(made: Table, folder: Path) -> Path:
    """Write the table as results.md, results.csv and results.html; return the page."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.md").write_text(rendering.markdown(made), "utf-8")
    (folder / "results.csv").write_text(rendering.as_csv(made), "utf-8")
    page = folder / "results.html"
    page.write_text(rendering.html(made, "Results on the paper's benchmarks"), "utf-8")
    return page
