"""Serialisation by exact types agrees with `json` where that has a form, and refuses the rest."""

import enum
import json
import math
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codeio_assets.sandbox.inside import values
from codeio_assets.sandbox.inside.values import MAX_DEPTH, NotSerialisable, TooLarge, encode

LIMIT = 1 << 20
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@pytest.fixture(autouse=True, scope="module")
def _our_own_limits() -> Iterator[None]:
    """A leaf may set the limits of its interpreter; here that would be ours."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(values, "_set_recursion_limit", lambda limit: None)
        patch.setattr(values, "_set_integer_digits", lambda digits: None)
        yield


@settings(max_examples=50, deadline=None)
@given(JSON)
def test_json_values_survive(value: Any) -> None:
    assert json.loads(encode(value, LIMIT)) == json.loads(json.dumps(value))


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.integers() | st.floats(allow_nan=False) | st.text(), st.none()))
def test_keys_are_those_of_json_or_refused(value: Any) -> None:
    expected = json.loads(json.dumps(value))
    if len(expected) == len(value):
        assert json.loads(encode(value, LIMIT)) == expected
    else:
        with pytest.raises(NotSerialisable, match="same JSON text"):
            encode(value, LIMIT)


class Colour(enum.IntEnum):
    RED = 1


class Word(enum.StrEnum):
    A = "a"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (OrderedDict(a=1), '{"a":1}'),
        (defaultdict(list, a=1), '{"a":1}'),
        (Counter("aa"), '{"a":2}'),
        (Colour.RED, "1"),
        ({Colour.RED: Word.A}, '{"1":"a"}'),
        ({True: 1, None: 2, 1.5: 3}, '{"true":1,"null":2,"1.5":3}'),
        ([True, None, (1, 2)], "[true,null,[1,2]]"),
        (-0.0, "-0.0"),
        (math.inf, "Infinity"),
        ("é\u2028", '"é\u2028"'),
        ("\ud800", '"\\ud800"'),
        (np.float64(0.5), "0.5"),
        (np.float32(0.5), "0.5"),
        (np.int8(-3), "-3"),
        (np.bool_(True), "true"),
        (np.str_("x"), '"x"'),
        (np.array([[1, 2], [3, 4]]), "[[1,2],[3,4]]"),
        ({np.int64(1): np.array(2)}, '{"1":2}'),
        ({np.float32(0.5): 1, np.str_("x"): 2, np.bool_(True): 3}, '{"0.5":1,"x":2,"true":3}'),
        ({np.complex128(1j): 1}, None),
        ({np.datetime64("2020-01-01", "ns"): 1}, None),
        (np.datetime64("2020-01-01", "ns"), None),
        (np.datetime64("2020-01-01"), None),
        (np.timedelta64(3, "ns"), None),
        (np.array(["2020-01-01"], dtype="M8[ns]"), None),
        (np.array([(1, "2020-01-01")], dtype=[("x", int), ("t", "M8[ns]")]), None),
        (np.array([(1, "a")], dtype=[("x", int), ("y", "U3")]), '[[1,"a"]]'),
    ],
)
def test_what_counts_as_a_base_type(value: Any, text: str | None) -> None:
    if text is None:
        with pytest.raises(NotSerialisable):
            encode(value, LIMIT)
    else:
        assert encode(value, LIMIT).decode() == text


@pytest.mark.parametrize(
    "value",
    [{1}, b"x", 1j, object(), frozenset(), range(3), iter([]), {(1,): 1}, 10**5000, {b"k": 1}, np.complex128(1j), len],
    ids=lambda value: type(value).__name__,
)
def test_what_has_no_form(value: Any) -> None:
    with pytest.raises(NotSerialisable):
        encode([value], LIMIT)


def test_the_size_limit_is_exact() -> None:
    assert encode("x" * 98, 100) == b'"' + b"x" * 98 + b'"'
    with pytest.raises(TooLarge):
        encode("x" * 99, 100)


def test_escapes_count_towards_the_limit() -> None:
    with pytest.raises(TooLarge):
        encode("\x00" * 50, 100)


def test_sharing_does_not_cost_more_than_the_limit() -> None:
    value: Any = [1, 2]
    for _ in range(150):
        value = [value, value]
    with pytest.raises(TooLarge):
        encode(value, 10_000)


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def test_the_depth_limit_is_below_what_the_host_can_read() -> None:
    assert json.loads(encode(nested(MAX_DEPTH), LIMIT)) == nested(MAX_DEPTH)
    with pytest.raises(NotSerialisable):
        encode(nested(MAX_DEPTH + 2), LIMIT)
