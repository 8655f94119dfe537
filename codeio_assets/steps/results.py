"""results: the paper's Table 1 with the rows of all recipes that were scored, and their gains over a baseline.

What does not live here: the table (`evaluation.results`), how it looks (`evaluation.rendering`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from codeio_assets.core.tables.data import frame
from codeio_assets.core.values.canonical import content_id
from codeio_assets.evaluation import rendering
from codeio_assets.evaluation.results import Cell, Gain, Table, TableRow, gains, groups, table
from codeio_assets.steps.result import Row, StepResult


@dataclass(frozen=True, slots=True)
class Scored:
    """Scores and verdicts of all recipes, and which questions their training sets hold."""

    benchmark_scores: pl.DataFrame
    benchmark_verdicts: pl.DataFrame
    benchmark_leakage: pl.DataFrame


def make_table(
    scored: Scored,
    baselines: Mapping[str, str | None],
    last: Mapping[str, str] | None = None,
    reported: Mapping[str, Mapping[str, float | str]] | None = None,
) -> Table:
    """Return the table.

    `baselines` names for each recipe the one without CodeI/O data, if there is one; `last` the model that a recipe ends
    with (stage2 by default); `reported` where the paper has a recipe, with its average there.
    """
    by_model = scored.benchmark_scores.sort("recipe", "model").group_by(["recipe", "model"], maintain_order=True)
    rows = {(str(recipe), str(model)): row_of(group) for (recipe, model), group in by_model}
    ends = {recipe: (last or {}).get(recipe, "stage2") for recipe, _ in rows}
    found: dict[str, list[Gain]] = {}
    for recipe, baseline in baselines.items():
        if baseline is None or recipe not in ends or baseline not in ends:
            continue
        after, before = (_scores(scored.benchmark_verdicts, name, ends[name]) for name in (recipe, baseline))
        if gained := gains(before, after, _leaked(scored.benchmark_leakage, recipe, baseline)):
            found[f"{recipe}, {ends[recipe]}"] = gained
    final = {recipe: rows[recipe, model] for recipe, model in ends.items() if (recipe, model) in rows}
    return table(list(rows.values()), found, groups=groups(final, reported or {}))


def _leaked(leakage: pl.DataFrame, *recipes: str) -> dict[str, set[str]]:
    """Return the ids of the questions that the training set of any of the recipes holds, by benchmark."""
    held = leakage.filter(pl.col("recipe").is_in(recipes) & pl.col("is_leaked"))
    return {str(benchmark): set(group["question_id"].to_list()) for (benchmark,), group in held.group_by(["benchmark"])}


def row_of(group: pl.DataFrame) -> TableRow:
    """Return the row of one model of a recipe from its scores."""
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
    by_column = {gain.column: gain for gain in gained}
    cells: list[Row] = []
    for benchmark, cell in row.cells.items():
        gain = by_column.get(benchmark)
        paired, unleaked = (gain.paired, gain.unleaked) if gain else (None, None)
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
                "unleaked_gain": unleaked and unleaked.difference,
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
