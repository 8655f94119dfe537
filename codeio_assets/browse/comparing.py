"""Comparing two sets of answers to the same questions: who is right where the other is not, and what it costs.

A question is a pair in a direction, so that two prompts or two models are held against each other on equal ground.
What does not live here: reading answers (`sql/browse`), intervals (`core.values.intervals`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import polars as pl

from codeio_assets.core.tables.data import Row
from codeio_assets.core.values.intervals import mean_per_unit, wilson
from codeio_assets.llm.money import Price
from codeio_assets.store import StoreError, Warehouse

FIRST, LAST = "now, turn 1", "now, after revision"
SHOWN = 100


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two sets of answers to the questions that both were asked; shares are of `common`, differences are B minus A."""

    common: int
    both: int
    only_a: int
    only_b: int
    neither: int
    difference: float
    low: float
    high: float
    tokens_a: int | None
    tokens_b: int | None
    cost_a: str
    cost_b: str
    lost: list[Row]
    won: list[Row]

    @property
    def right_a(self) -> int:
        """Questions that A has right."""
        return self.both + self.only_a

    @property
    def right_b(self) -> int:
        """Questions that B has right."""
        return self.both + self.only_b


class Answers:
    """The sets of answers that can be compared, by name.

    Args:
        warehouse: of the project.
        sql: returns the text of a file under sql/.
        beside: name -> warehouse of further projects, with other models, prompts or code.
    """

    def __init__(self, warehouse: Warehouse, sql: Callable[[str], str], beside: Mapping[str, Warehouse]) -> None:
        self._warehouse = warehouse
        self._sql = sql
        self._beside = beside

    def names(self) -> list[str]:
        """Return the names of all sets."""
        models = self._warehouse.read("predictions", columns=["model_id"])["model_id"].unique().sort().to_list()
        scores = self._warehouse.read("held_out_scores", columns=["recipe", "model"]).unique().sort("recipe", "model")
        return [
            FIRST,
            LAST,
            *(f"model {model}" for model in models if len(models) > 1),
            *(f"held out, {recipe}, {model}" for recipe, model in scores.iter_rows()),
            *(f"snapshot {name}" for name in self._warehouse.pins()),
            *(f"beside {name}, {turn}" for name in self._beside for turn in ("turn 1", "after revision")),
        ]

    def read(self, name: str) -> pl.DataFrame:
        """Return a set of answers, one row per pair and direction.

        Raises:
            StoreError: there is no set of that name.
        """
        kind, _, rest = name.partition(" ")
        if name in {FIRST, LAST}:
            found = self._warehouse.sql(self._query(name))
        elif kind == "model":
            found = self._warehouse.sql(self._query(FIRST)).filter(pl.col("model") == rest)
        elif name.startswith("held out, "):
            recipe, _, model = name.removeprefix("held out, ").rpartition(", ")
            found = self._warehouse.sql(self._sql("browse/answers_held_out.sql"), recipe=recipe, model=model)
        elif kind == "snapshot" and rest in (pins := self._warehouse.pins()):
            kept = self._warehouse.load_snapshot(pins[rest])
            found = self._warehouse.sql(self._query(FIRST), snapshot=kept)
        elif kind == "beside" and rest.rpartition(", ")[0] in self._beside:
            other, _, turn = rest.rpartition(", ")
            found = self._beside[other].sql(self._query(FIRST if turn == "turn 1" else LAST))
        else:
            raise StoreError(f"There are no answers named {name!r}; there are {', '.join(self.names())}.")
        return found.unique(["pair_id", "direction"], keep="first", maintain_order=True)

    def _query(self, name: str) -> str:
        return self._sql("browse/answers_first.sql" if name == FIRST else "browse/answers_last.sql")


def compare(a: pl.DataFrame, b: pl.DataFrame, prices: Mapping[str, Price], currency: str) -> Comparison:
    """Hold two sets of answers against each other, on the questions that both have."""
    joined = a.join(b, on=["pair_id", "direction"], suffix="_b").rename({"status": "status_a"})
    right = joined.with_columns(right_a=pl.col("status_a") == "correct", right_b=pl.col("status_b") == "correct").sort(
        "function_id", "task_id"
    )
    kinds = {(one, other): count for one, other, count in right.group_by("right_a", "right_b").len().iter_rows()}
    difference, low, high = _difference(right)
    if low == high:  # no answer differs, which of few questions says little
        low, high = -wilson(0, len(right))[1], wilson(0, len(right))[1]
    tokens, costs = zip(*(_cost(right, side, prices, currency) for side in "ab"), strict=True)
    columns = ["task_id", "direction", "status_a", "status_b"]
    return Comparison(
        len(right),
        kinds.get((True, True), 0),
        kinds.get((True, False), 0),
        kinds.get((False, True), 0),
        kinds.get((False, False), 0),
        difference,
        low,
        high,
        tokens[0],
        tokens[1],
        costs[0],
        costs[1],
        right.filter(pl.col("right_a") & ~pl.col("right_b")).select(columns).head(SHOWN).to_dicts(),
        right.filter(~pl.col("right_a") & pl.col("right_b")).select(columns).head(SHOWN).to_dicts(),
    )


def _difference(right: pl.DataFrame) -> tuple[float, float, float]:
    """Return B minus A as a share of the questions, with an interval that takes those of a function together."""
    if right.is_empty():
        return 0.0, 0.0, 0.0
    gain = pl.col("right_b").cast(pl.Int64) - pl.col("right_a").cast(pl.Int64)
    groups = right.group_by("function_id").agg(gain.sum().alias("gain"), pl.len().alias("tasks"))
    return mean_per_unit(groups["gain"].cast(pl.Float64).to_list(), groups["tasks"].to_list())


def _cost(right: pl.DataFrame, side: str, prices: Mapping[str, Price], currency: str) -> tuple[int | None, str]:
    """Return the completion tokens and the money per right answer of a side."""
    suffix = "" if side == "a" else "_b"
    correct = int(right[f"right_{side}"].sum())
    if not correct:
        return None, "–"
    known = [model for model in right[f"model{suffix}"].unique().to_list() if model in prices]
    total = 0.0
    for model in known:
        own = right.filter(pl.col(f"model{suffix}") == model)
        total += prices[model].cost(
            int(own[f"prompt_tokens{suffix}"].sum()), int(own[f"completion_tokens{suffix}"].sum())
        )
    told = f"{total / correct:.6f} {currency}" if known else "no price in codeio.yaml"
    return round(int(right[f"completion_tokens{suffix}"].sum()) / correct), told
