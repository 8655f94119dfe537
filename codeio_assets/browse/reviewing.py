"""Reviewing a random sample: where somebody stands, and how sure one can be of the rest.

The order is by chance and stays the same for a name, so that anybody can go on. What does not live here: the bound
(`core.values.intervals`), marks (`products.marks`).
"""

from dataclasses import dataclass

import polars as pl

from codeio_assets.core.tables.data import Row
from codeio_assets.core.values.intervals import running_upper
from codeio_assets.store import Warehouse

LONGEST = 2_000
"""Items of a sample at most; who needs more should ask a smaller question."""
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a review is: `left` items without a bad one would reach the target; None when no such number does."""

    seen: int
    bad: int
    upper: float
    is_met: bool
    left: int | None


def decisions(warehouse: Warehouse, person: str) -> dict[str, str]:
    """Return item -> accept or exclude, whichever a person said last; items whose mark was cleared are left out."""
    if warehouse.manifest("marks", person) is None:
        return {}
    marks = warehouse.read("marks", person).filter(pl.col("mark").is_in(["accept", "exclude", "clear"]))
    last = marks.sort("marked_at", "mark_id").group_by("item_id", maintain_order=True).last()
    return dict(last.filter(pl.col("mark") != "clear").select("item_id", "mark").iter_rows())


def looked_at(order: list[str], decided: dict[str, str]) -> list[Row]:
    """Return the items from the first on that were decided, up to the first that was not."""
    rows: list[Row] = []
    for item in order:
        if item not in decided:
            break
        rows.append({"id": item, "mark": decided[item]})
    return rows


def standing(seen: list[Row], target: float) -> Standing:
    """Return where a review stands against a target share of bad items."""
    bad = sum(row["mark"] == "exclude" for row in seen)
    upper = running_upper(bad, len(seen), CONFIDENCE)
    is_met = bool(seen) and upper < target
    more = 0 if is_met else _needed(bad, len(seen), target)
    return Standing(len(seen), bad, upper, is_met, more)


def _needed(bad: int, seen: int, target: float) -> int | None:
    """Return how many further good items reach the target."""
    low, high = 0, LONGEST - seen
    if high <= 0 or running_upper(bad, seen + high, CONFIDENCE) >= target:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if running_upper(bad, seen + middle, CONFIDENCE) < target else (middle, high)
    return high
