"""Paired comparison: what changed, with its interval and the exact test."""

import pytest

from codeio_assets.evaluation.paired import compare, mcnemar


def test_nothing_changed() -> None:
    same = compare([1, 0, 1], [1, 0, 1])
    assert (same.difference, same.n_gained, same.n_lost, same.p_value) == (0, 0, 0, 1.0)
    assert not same.is_beyond_chance


def test_a_clear_gain() -> None:
    gain = compare([0] * 60 + [1] * 40, [1] * 60 + [1] * 40)
    assert (gain.n_gained, gain.n_lost, round(gain.difference, 6)) == (60, 0, 60.0)
    assert 49 < gain.low < 52
    assert 68 < gain.high < 71
    assert gain.is_beyond_chance
    assert gain.p_value < 1e-15


def test_the_interval_is_the_same_at_each_call() -> None:
    before, after = [0, 1, 0, 1, 1] * 20, [1, 1, 0, 0, 1] * 20
    assert compare(before, after) == compare(before, after)


@pytest.mark.parametrize(
    ("gained", "lost", "p"), [(0, 0, 1.0), (5, 5, 1.0), (10, 2, 0.0385742), (1, 0, 1.0), (2000, 2000, 1.0)]
)
def test_the_exact_test(gained: int, lost: int, p: float) -> None:
    assert mcnemar(gained, lost) == pytest.approx(p, abs=1e-6)


@pytest.mark.parametrize(("before", "after"), [([], []), ([1], [1, 0])])
def test_what_cannot_be_compared(before: list[float], after: list[float]) -> None:
    with pytest.raises(ValueError, match="same questions"):
        compare(before, after)
