import json
import math
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from codeio_assets.core.values.canonical import canonical_json
from codeio_assets.core.values.comparison import (
    ABSOLUTE_TOLERANCE,
    RELATIVE_TOLERANCE,
    Rule,
    equal_values,
    rule_version,
)
from codeio_assets_tests.core.comparison_cases import CASES

NUMBERS = st.integers() | st.integers(min_value=10**300, max_value=10**320) | st.floats()
NEAR = st.tuples(st.floats(-1e12, 1e12), st.floats(-0.01, 0.01)).map(lambda p: (p[0], p[0] * (1 + p[1])))
EXACT_SCALARS = st.none() | st.booleans() | st.integers(0, 2) | st.sampled_from(["", "a", "1"])


def json_values(scalars: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    keys = st.sampled_from(["", "a", "b"]) | st.text(max_size=4)
    return st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
        max_leaves=8,
    )


VALUES = json_values(NUMBERS | EXACT_SCALARS | st.text(max_size=8))
EXACT = json_values(EXACT_SCALARS)
RULES: list[Rule] = ["default", "paper"]


def test_there_are_enough_labelled_comparisons() -> None:
    assert len({(target, predicted) for target, predicted, *_ in CASES}) == len(CASES) >= 100


@pytest.mark.parametrize(("target", "predicted", "default", "paper"), CASES, ids=lambda v: str(v)[:30])
def test_labelled_comparison(target: str, predicted: str, default: bool, paper: bool) -> None:
    expected, found = json.loads(target), json.loads(predicted)
    assert equal_values(expected, found) is default
    assert equal_values(expected, found, "paper") is paper


@given(VALUES, st.sampled_from(RULES))
@settings(deadline=None)
def test_reflexive_and_stable_under_a_json_round_trip(value: Any, rule: Rule) -> None:
    again = json.loads(canonical_json(value))
    assert equal_values(value, value, rule)
    assert equal_values(value, again, rule)
    assert equal_values(again, value, rule)


@given(VALUES, VALUES, st.sampled_from(RULES))
@settings(deadline=None)
def test_a_json_round_trip_changes_no_comparison(target: Any, predicted: Any, rule: Rule) -> None:
    again = (json.loads(canonical_json(target)), json.loads(canonical_json(predicted)))
    assert equal_values(target, predicted, rule) == equal_values(*again, rule)


@given(VALUES, VALUES)
@settings(deadline=None)
def test_what_the_paper_accepts_is_accepted(target: Any, predicted: Any) -> None:
    assert equal_values(target, predicted) or not equal_values(target, predicted, "paper")


@given(st.tuples(NUMBERS, NUMBERS) | NEAR, st.sampled_from(RULES))
@settings(deadline=None)
def test_symmetric_outside_the_band_between_the_two_tolerances(pair: tuple[float, float], rule: Rule) -> None:
    a, b = pair
    finite = -math.inf < a < math.inf and -math.inf < b < math.inf
    if finite and not (type(a) is int and type(b) is int):
        difference = abs(Fraction(a) - Fraction(b))
        floor = Fraction(ABSOLUTE_TOLERANCE if rule == "default" else 0)
        tolerances = [max(Fraction(RELATIVE_TOLERANCE) * abs(Fraction(x)), floor) for x in (a, b)]
        assume(not min(tolerances) * Fraction(0.999) <= difference <= max(tolerances) * Fraction(1.001))
    assert equal_values(a, b, rule) == equal_values(b, a, rule)


@given(st.floats(min_value=1e-3, max_value=1e12), st.floats(min_value=-0.002, max_value=0.002))
@settings(deadline=None)
def test_near_numbers_are_judged_by_the_tolerance_alone(target: float, shift: float) -> None:
    predicted = target * (1 + shift)
    assume(abs(abs(shift) - RELATIVE_TOLERANCE) > 1e-9)
    assert equal_values(target, predicted) is (abs(shift) < RELATIVE_TOLERANCE)


@given(EXACT, EXACT)
@settings(deadline=None)
def test_values_without_floats_are_symmetric(target: Any, predicted: Any) -> None:
    assert equal_values(target, predicted) == equal_values(predicted, target)


def test_defect_1_floats_are_judged_like_any_value() -> None:
    assert equal_values(0.5, 0.5)
    assert not equal_values(0.5, 0.6)


def test_defect_2_no_truncation_trap_by_default_and_the_published_rule_on_request() -> None:
    for target, predicted in [(1.0, 0.9999999), (1000.0, 999.99999), (0, 1e-9)]:
        assert equal_values(target, predicted)
        assert not equal_values(target, predicted, "paper")


def test_defect_3_booleans_equal_only_booleans() -> None:
    for rule in RULES:
        assert not equal_values(1, True, rule)
        assert not equal_values(True, 1.0, rule)
        assert not equal_values([0], [False], rule)


def test_defect_4_one_rule_at_any_depth() -> None:
    target = json.loads(canonical_json({"1": [0.1, float("nan")]}))
    assert equal_values(target, json.loads('{"1": [0.10000001, NaN]}'))
    assert not equal_values(target, json.loads('{"1": [0.10000001, null]}'))


def test_versions_tell_rules_apart() -> None:
    assert rule_version("default") != rule_version("paper")
    assert rule_version() == rule_version("default")
