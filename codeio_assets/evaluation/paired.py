"""Two models on the same questions: how many changed, and how sure the difference is.

What does not live here: intervals of one model's score (`core.values.intervals`), and the table (`results`).

Source: McNemar 1947 in its exact form (a two-sided binomial test of the questions that changed); Efron and Tibshirani
1993 for the percentile bootstrap, over questions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb
from typing import Final

import numpy as np
from numpy.typing import NDArray

RESAMPLES: Final = 2_000
SEED: Final = 20_250_211
MAX_CELLS: Final = 2_000_000
"""Draws that are held at a time."""


@dataclass(frozen=True, slots=True)
class Paired:
    """A comparison; `difference`, `low` and `high` are in points (percent), the interval is of 95%."""

    n: int
    n_gained: int
    n_lost: int
    difference: float
    low: float
    high: float
    p_value: float

    @property
    def is_beyond_chance(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.low > 0 or self.high < 0


def compare(before: Sequence[float], after: Sequence[float]) -> Paired:
    """Compare two models' scores (0 to 1) of the same questions in the same order.

    Raises:
        ValueError: no questions, or not as many on both sides.
    """
    if len(before) != len(after) or not before:
        raise ValueError("give the scores of the same questions, and at least one")
    differences = np.asarray(after, float) - np.asarray(before, float)
    gained, lost = int((differences > 0).sum()), int((differences < 0).sum())
    low, high = np.percentile(_resampled_means(differences), [2.5, 97.5])
    mean = float(differences.mean())
    return Paired(len(before), gained, lost, 100 * mean, 100 * float(low), 100 * float(high), mcnemar(gained, lost))


def _resampled_means(differences: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return means of as many questions drawn with replacement, the same at each call."""
    generator = np.random.default_rng(SEED)
    n, means = len(differences), np.empty(RESAMPLES)
    at_once = max(1, MAX_CELLS // n)
    for start in range(0, RESAMPLES, at_once):
        count = min(at_once, RESAMPLES - start)
        means[start : start + count] = differences[generator.integers(0, n, (count, n))].mean(axis=1)
    return means


def mcnemar(gained: int, lost: int) -> float:
    """Return the probability that as uneven a split of the changed questions is chance."""
    changed, fewer = gained + lost, min(gained, lost)
    if not changed:
        return 1.0
    tail = sum(comb(changed, k) for k in range(fewer + 1))
    return min(1.0, 2 * tail / (1 << changed))
