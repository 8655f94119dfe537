"""Confidence intervals of what is counted and averaged: Wilson's for shares, the normal one for ratios of sums.

What does not live here: counting (`steps.held_out_scores`). Both take their observations as independent; prompts of one
function are not quite, so that real uncertainty is somewhat larger.

Source: Wilson 1927 (shares); Cochran 1977, sec. 6.3 (variance of a ratio).
"""

from collections.abc import Sequence
from math import sqrt
from typing import Final

Z_95: Final = 1.959963984540054


def wilson(successes: int, trials: int, z: float = Z_95) -> tuple[float, float]:
    """Return the interval of a share; of nothing it is everything, (0, 1).

    Raises:
        ValueError: more successes than trials, or a negative number.
    """
    if not 0 <= successes <= trials:
        raise ValueError(f"{successes} of {trials} is no share")
    if not trials:
        return 0.0, 1.0
    share, weight = successes / trials, z * z / trials
    middle = (share + weight / 2) / (1 + weight)
    half = z / (1 + weight) * sqrt(share * (1 - share) / trials + weight / (4 * trials))
    return max(0.0, middle - half), min(1.0, middle + half)


def mean_per_unit(sums: Sequence[float], units: Sequence[int], z: float = Z_95) -> tuple[float, float, float]:
    """Return (mean, low, high) of a quantity per unit, such as loss per token, from the sums of independent rows.

    One row has no spread to estimate: its interval is the mean itself.

    Raises:
        ValueError: no units, or lists of different lengths.
    """
    total = sum(units)
    if len(sums) != len(units) or not total:
        raise ValueError("give one sum per row, and at least one unit")
    mean, rows = sum(sums) / total, len(sums)
    if rows == 1:
        return mean, mean, mean
    squares = sum((value - mean * count) ** 2 for value, count in zip(sums, units, strict=True))
    half = z * sqrt(squares * rows / (rows - 1)) / total
    return mean, mean - half, mean + half
