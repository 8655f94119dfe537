import random

import pytest
from scipy.stats import binomtest

from codeio_assets.core.values.intervals import mean_per_unit, wilson


@pytest.mark.parametrize(("successes", "trials"), [(0, 1), (1, 1), (0, 40), (3, 8), (50, 100), (999, 1000)])
def test_shares_have_the_interval_that_scipy_gives(successes: int, trials: int) -> None:
    expected = binomtest(successes, trials).proportion_ci(method="wilson")
    assert wilson(successes, trials) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_nothing_tells_nothing_and_impossible_counts_are_refused() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
    for successes, trials in ((2, 1), (-1, 3)):
        with pytest.raises(ValueError, match="no share"):
            wilson(successes, trials)
    for sums, units in (([], []), ([1.0], [0]), ([1.0], [1, 2])):
        with pytest.raises(ValueError, match="at least one unit"):
            mean_per_unit(sums, units)


def test_a_mean_per_token_weighs_rows_by_their_tokens() -> None:
    assert mean_per_unit([6.0], [3]) == (2.0, 2.0, 2.0)
    mean, low, high = mean_per_unit([1.0, 30.0], [1, 10])
    assert mean == pytest.approx(31 / 11)
    assert low < mean < high


def test_the_interval_of_a_mean_covers_the_truth_as_often_as_it_says() -> None:
    chance = random.Random(0)
    covered = 0
    for _ in range(1_000):
        units = [chance.randint(5, 50) for _ in range(60)]
        sums = [sum(chance.expovariate(1) for _ in range(count)) for count in units]
        _, low, high = mean_per_unit(sums, units)
        covered += low <= 1 <= high
    assert 930 <= covered <= 970
