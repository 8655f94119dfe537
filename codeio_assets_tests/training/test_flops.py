"""The share of the hardware that is used, against a count by hand."""

import pytest

from codeio_assets.training.flops import Work, mfu, peak_flops


def test_the_count_is_that_of_the_formula() -> None:
    """Two layers of width 4 with 2 heads of 2, samples of 3 and 1 tokens, of which 2 tokens are labelled."""
    matrices, head, attention = 2 * (4 * 4 * 4 + 3 * 4 * 8), 10 * 4, 2 * 4
    work = Work(matrices, head, attention, labelled_ratio=2 / 4, mean_square_length=(9 + 1) / 4)
    by_hand = 6 * (matrices * 4 + head * 2) + 6 * attention * (9 + 1)
    assert work.flops_per_token * 4 == by_hand


def test_the_share_is_of_all_devices_and_unknown_where_the_peak_is() -> None:
    work = Work(10**9, 0, 0, 1.0, 0.0)
    assert mfu(work, 989e12 / 6e9 / 2, "NVIDIA H200") == pytest.approx(0.5)
    assert mfu(work, 989e12 / 6e9 / 2, "NVIDIA H100 80GB HBM3", devices=2) == pytest.approx(0.25)
    assert peak_flops("NVIDIA H100 PCIe") == 756e12
    assert mfu(work, 1.0, "a CPU") is None
