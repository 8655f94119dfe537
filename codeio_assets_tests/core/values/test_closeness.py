import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeio_assets.core.values.closeness import closeness
from codeio_assets.core.values.comparison import equal_values

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("target", "predicted", "near"),
    [
        ("1", "1", 1.0),
        ("10", "9", 0.9),
        ("10", "-10", 0.0),
        ("0", "5", 0.0),
        ("1", "true", 0.0),
        ("1", '"1"', 0.0),
        ("null", "0", 0.0),
        ('"abcd"', '"abxd"', 0.75),
        ('"aaaa"', '"aa"', 0.5),
        ('""', '"a"', 0.0),
        ("[1,2,3,4]", "[1,2]", 0.5),
        ("[1,2]", "[2,1]", 0.5),
        ("[]", "[1]", 0.0),
        ('{"a":1,"b":2}', '{"a":1}', 0.5),
        ('{"a":1}', "[1]", 0.0),
        ('{"a":[1,2]}', '{"a":[1,3]}', (1 + 2 / 3) / 2),
        ("1e400", "1", 0.0),
        ("NaN", "1", 0.0),
    ],
)
def test_wrong_values_are_as_near_as_their_parts(target: str, predicted: str, near: float) -> None:
    assert closeness(json.loads(target), json.loads(predicted)) == pytest.approx(near)


@given(VALUES, VALUES)
def test_only_equal_values_are_at_one(target: object, predicted: object) -> None:
    near = closeness(target, predicted)
    assert 0.0 <= near <= 1.0
    if equal_values(target, predicted):
        assert near == 1.0


def test_deep_values_end() -> None:
    deep: object = 1
    for _ in range(3_000):
        deep = [deep]
    assert closeness(deep, [deep]) in {0.0, 1.0}
