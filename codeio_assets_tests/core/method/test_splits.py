import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codeio_assets.core.method.splits import position, side, takes_part
from codeio_assets.core.settings.project import Split
from codeio_assets.core.values.canonical import sha256_hex

IDS = [sha256_hex(str(number)) for number in range(4_000)]
SHARES = st.floats(0, 1)


@settings(deadline=None)
@given(st.text(st.characters(codec="utf-8")), st.text(st.characters(codec="utf-8")))
def test_a_position_is_a_share_and_fixed(item: str, salt: str) -> None:
    assert 0 <= position(item, salt) < 1
    assert position(item, salt) == position(item, salt)


def test_positions_do_not_change_between_versions() -> None:
    assert position("function", "split") == pytest.approx(0.8941169835, abs=1e-9)
    sides = [side(each, Split(validation_ratio=0.4, test_ratio=0.2)) for each in IDS[:6]]
    assert sides == ["validation", "train", "validation", "train", "train", "test"]


@settings(deadline=None)
@given(st.text(st.characters(codec="utf-8")), SHARES, SHARES)
def test_a_larger_share_contains_the_smaller(item: str, one: float, other: float) -> None:
    small, large = sorted((one, other))
    assert takes_part(item, large, "fraction") or not takes_part(item, small, "fraction")


def test_the_whole_takes_everything_and_nothing_takes_nothing() -> None:
    assert all(takes_part(each, 1.0, "mix") for each in IDS)
    assert not any(takes_part(each, 0.0, "mix") for each in IDS)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_shares_are_about_right_and_salts_are_independent(share: float) -> None:
    one = [takes_part(each, share, "fraction") for each in IDS]
    other = [takes_part(each, share, "mix") for each in IDS]
    assert abs(sum(one) / len(IDS) - share) < 0.03
    both = sum(a and b for a, b in zip(one, other, strict=True)) / len(IDS)
    assert abs(both - share * share) < 0.03


def test_sides_have_their_ratios() -> None:
    sides = [side(each, Split(validation_ratio=0.2, test_ratio=0.1)) for each in IDS]
    assert abs(sides.count("test") / len(IDS) - 0.1) < 0.03
    assert abs(sides.count("validation") / len(IDS) - 0.2) < 0.03


def test_without_held_out_shares_everything_is_trained_on() -> None:
    assert {side(each, Split(validation_ratio=0, test_ratio=0)) for each in IDS} == {"train"}


def test_a_larger_validation_share_moves_nothing_out_of_validation_or_test() -> None:
    before = [side(each, Split(validation_ratio=0.1, test_ratio=0.1)) for each in IDS]
    after = [side(each, Split(validation_ratio=0.3, test_ratio=0.1)) for each in IDS]
    assert all(then == now for then, now in zip(before, after, strict=True) if then != "train")


def test_the_share_of_training_does_not_decide_the_side() -> None:
    split = Split(validation_ratio=0.2)
    inside = [each for each in IDS if takes_part(each, 0.5, "fraction")]
    held_out = sum(side(each, split) == "validation" for each in inside) / len(inside)
    assert abs(held_out - 0.2) < 0.03
