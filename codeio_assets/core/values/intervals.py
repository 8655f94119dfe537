"""Confidence intervals of what is counted and averaged: Wilson's for shares, the normal one for ratios of sums.

What does not live here: counting (`steps.held_out_scores`). Both take their observations as independent; prompts of one
function are not quite, so that real uncertainty is somewhat larger.

Source: Wilson 1927 (shares); Cochran 1977, sec. 6.3 (variance of a ratio).
"""

from collections.abc import Sequence
from math import lgamma, log, log1p, sqrt
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


def running_upper(bad: int, seen: int, confidence: float = 0.95) -> float:
    """Return a bound that the true share of bad items stays below, however often one looks while going on.

    A fixed-size interval is too short for who stops when it suits; this one holds at all times together (a mixture of
    likelihood ratios with a prior at small shares). None bad among 143 gives less than 3%; with a number fixed
    beforehand it were 99.

    Source: Robbins 1970 (confidence sequences by mixtures); Ville's inequality.

    Raises:
        ValueError: more bad items than items, or a negative number.
    """
    if not 0 <= bad <= seen:
        raise ValueError(f"{bad} of {seen} is no share")
    if bad == seen:
        return 1.0
    good = seen - bad
    mixture = _log_beta(_PRIOR[0] + bad, _PRIOR[1] + good) - _log_beta(*_PRIOR)
    limit = -log(1 - confidence)
    low, high = bad / seen, 1.0 - 1e-9
    for _ in range(60):
        share = (low + high) / 2
        against = mixture - (bad * log(share) if bad else 0.0) - good * log1p(-share)
        low, high = (low, share) if against > limit else (share, high)
    return high


_PRIOR: Final = (1.0, 50.0)
"""Of the mixture, as a beta distribution: bad items are expected to be few."""


def _log_beta(a: float, b: float) -> float:
    return lgamma(a) + lgamma(b) - lgamma(a + b)
