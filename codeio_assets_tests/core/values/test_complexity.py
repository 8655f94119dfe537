import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pympler import asizeof

from codeio_assets.core.values.complexity import check_complexity, deep_size_bytes

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=60),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=6), inner, max_size=6),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (1, None),
        ("a" * 99, None),
        ("a" * 100, "string_too_long"),
        ("é" * 99, None),
        (list(range(19)), None),
        (list(range(20)), "too_many_items"),
        ([[0] * 20], "too_many_items"),
        (dict.fromkeys("abcdefghijklmnopqrs", 1), "too_large_bytes"),
        ({str(i): i for i in range(20)}, "too_many_items"),
        ({"k" * 100: 1}, "string_too_long"),
        ({"a": {"b": ["c" * 100]}}, "string_too_long"),
        (10**200, None),
        (10**250, "scalar_too_large"),
        ([1, [10**250]], "scalar_too_large"),
        (["a" * 90] * 5, None),
        (json.loads(json.dumps(["a" * 90] * 10)), "too_large_bytes"),
        ([[i + 0.5 for i in range(10)] for _ in range(5)], "too_large_bytes"),
        ({}, None),
        ([], None),
        ("", None),
        (None, None),
        (float("nan"), None),
        ({"items": [{"name": "pen", "price": 1.5}, {"name": "cup", "price": 4.25}]}, None),
    ],
    ids=lambda v: str(v)[:30],
)
def test_limit(value: Any, problem: str | None) -> None:
    assert check_complexity(value) == problem


@given(VALUES)
@settings(deadline=None)
def test_size_is_that_of_the_public_repository(value: Any) -> None:
    value = json.loads(json.dumps(value))
    assert deep_size_bytes(value) == asizeof.asizeof(value)


@given(VALUES)
@settings(deadline=None)
def test_accepted_exactly_when_no_limit_is_reached(value: Any) -> None:
    value = json.loads(json.dumps(value))
    assert (check_complexity(value) is None) == (asizeof.asizeof(value) < 1024 and within_limits(value))


def within_limits(value: Any) -> bool:
    match value:
        case dict():
            return len(value) < 20 and all(within_limits(k) and within_limits(v) for k, v in value.items())
        case list():
            return len(value) < 20 and all(map(within_limits, value))
        case str():
            return len(value) < 100
        case _:
            return asizeof.asizeof(value) < 128


def test_deep_nesting_is_no_crash() -> None:
    value: list[Any] = []
    for _ in range(5000):
        value = [value]
    assert check_complexity(value) == "too_large_bytes"
