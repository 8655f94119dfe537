"""cot_flaws: reading the chains of thought of a shard, and how often each flaw occurs by model and source.

What does not live here: what a flaw is (`core.method.cot_quality`), how often it may occur (`core.settings.quality`),
the checks (`checks.quality`).
"""

from dataclasses import asdict, dataclass

import polars as pl

from codeio_assets.core.method.cot_quality import Cot, find_flaws
from codeio_assets.core.settings.quality import FLAWS, CotRules, Flaw, Quality, Tolerance
from codeio_assets.core.tables.data import Row
from codeio_assets.steps.result import StepResult, account

SHARED = ("prediction_id", "task_id", "function_id", "source", "direction", "turn", "model_id")


@dataclass(frozen=True, slots=True)
class FlawRate:
    """How many of the responses of a model and source have a flaw, and how many may."""

    flaw: Flaw
    model_id: str
    source: str
    count: int
    total: int
    tolerance: Tolerance

    @property
    def share(self) -> float:
        """Share of the responses."""
        return self.count / self.total


@dataclass(frozen=True)
class Responses:
    """The chains of thought of a shard, and what they are about: the tables of these names."""

    unified_functions: pl.DataFrame
    predictions: pl.DataFrame
    revised_predictions: pl.DataFrame


def review_cots(given: Responses, rules: CotRules) -> StepResult:
    """Return one row per response; requests that failed have no response and none."""
    functions, first = given.unified_functions, given.predictions
    rows = flaw_rows(functions, first, None, rules) + flaw_rows(functions, given.revised_predictions, first, rules)
    counts = {flaw: sum(row[flaw] for row in rows) for flaw in FLAWS}
    return account("cot_flaws", rows, None, items_in=len(rows), info={"responses_by_flaw": counts})


def flaw_rows(
    functions: pl.DataFrame, predictions: pl.DataFrame, first: pl.DataFrame | None, rules: CotRules
) -> list[Row]:
    """Return the flaws of the responses among predictions of one table.

    With the predictions of the `first` turn, each response is compared with the one before it.
    """
    code = dict(functions.select("function_id", "reference_code").iter_rows())
    known = pl.concat([predictions, first]) if first is not None else predictions.head(0)
    before = {
        (task_id, turn + 1): text for task_id, turn, text in known.select("task_id", "turn", "response").iter_rows()
    }
    rows: list[Row] = []
    for row in predictions.filter(pl.col("status") != "failed").to_dicts():
        cot = Cot(
            text=row["response"],
            direction=row["direction"],
            status=row["status"],
            finish_reason=row["finish_reason"],
            reference_code=code.get(row["function_id"], ""),
            previous=before.get((row["task_id"], row["turn"])),
        )
        rows.append({name: row[name] for name in SHARED} | asdict(find_flaws(cot, rules)))
    return rows


def flaw_rates(rows: list[Row], quality: Quality) -> list[FlawRate]:
    """Return how often each flaw occurs per model and source, where there are enough responses to tell.

    Repeating the turn before is only possible, and only counted, in revisions.
    """
    rates: list[FlawRate] = []
    for model_id, source in sorted({(row["model_id"], row["source"]) for row in rows}):
        group = [row for row in rows if (row["model_id"], row["source"]) == (model_id, source)]
        for flaw in FLAWS:
            able = [row for row in group if flaw != "repeats_previous" or row["turn"] > 1]
            if len(able) >= quality.min_rows:
                count = sum(row[flaw] for row in able)
                tolerance = quality.tolerance(flaw, model_id, source)
                rates.append(FlawRate(flaw, model_id, source, count, len(able), tolerance))
    return rates
