"""When a predicted value is the expected one: the one rule of both directions, over JSON values.

What lives here: comparing values that `json.loads` returned, by a named and versioned rule.
What does not: finding the value in a response (`core.method.answers`), and statuses (`core.method.verdicts`).

Source: CodeI/O, sec. 2.3 (relative tolerance 1e-3); the paper's rule also wants the same integer part, which calls
0.9999999 and 1.0 different, so it is kept as the rule *paper* only.
"""

from collections.abc import Callable
from fractions import Fraction
from typing import Final, Literal, cast

from codeio_assets.core.values.canonical import Json

Rule = Literal["default", "paper"]
Number = int | float

RULE_VERSION: Final = "1"
"""Raise it when the reading of answers or the comparison changes what is correct: stored verdicts are then stale."""
RELATIVE_TOLERANCE: Final = 1e-3
ABSOLUTE_TOLERANCE: Final = 1e-6
INFINITY: Final = float("inf")


def rule_version(rule: Rule = "default") -> str:
    """Return the name that a verdict stores for a rule, such as "default-1"."""
    return f"{rule}-{RULE_VERSION}"


def equal_values(target: Json, predicted: Json, rule: Rule = "default") -> bool:
    """Tell whether a predicted value equals the target.

    Objects are compared by key, lists by position, strings exactly; booleans equal only booleans and null only
    null. Integers and floats compare as numbers: two integers exactly, otherwise within
    max(1e-3 x |target|, 1e-6); NaN equals NaN, and an infinity equals itself. With the rule `paper` all numbers
    need the same integer part and a difference within 1e-3 x |target|.

    The tolerance is relative to the target, so that swapping the arguments can change the result, but only where
    the difference lies between the two tolerances.
    """
    close = _CLOSE[rule]
    pending: list[tuple[Json, Json]] = [(target, predicted)]
    while pending:  # a stack of our own, because a value may be nested deeper than Python recurses
        expected, found = pending.pop()
        kind: object = type(cast("object", expected))
        if kind in _NUMBERS and type(found) in _NUMBERS:
            if not close(cast("Number", expected), cast("Number", found)):
                return False
        elif kind is not type(found):
            return False
        elif kind is dict:
            if not _push_members(cast("dict[str, Json]", expected), cast("dict[str, Json]", found), pending):
                return False
        elif kind is list:
            if not _push_items(cast("list[Json]", expected), cast("list[Json]", found), pending):
                return False
        elif expected != found:
            return False
    return True


_NUMBERS: Final = frozenset({int, float})


def _push_members(expected: dict[str, Json], found: dict[str, Json], pending: list[tuple[Json, Json]]) -> bool:
    if expected.keys() != found.keys():
        return False
    pending.extend((value, found[key]) for key, value in expected.items())
    return True


def _push_items(expected: list[Json], found: list[Json], pending: list[tuple[Json, Json]]) -> bool:
    if len(expected) != len(found):
        return False
    pending.extend(zip(expected, found, strict=True))
    return True


def _close_by_default(target: Number, predicted: Number) -> bool:
    if target == predicted:
        return True
    if type(target) is int and type(predicted) is int:
        return False
    return _same_special(target, predicted) or _within(target, predicted, ABSOLUTE_TOLERANCE)


def _close_by_paper(target: Number, predicted: Number) -> bool:
    if target == predicted:
        return True
    if not (_is_finite(target) and _is_finite(predicted)):
        return _same_special(target, predicted)
    return int(target) == int(predicted) and _within(target, predicted, 0.0)


_CLOSE: Final = cast(
    "dict[str, Callable[[Number, Number], bool]]", {"default": _close_by_default, "paper": _close_by_paper}
)


def _is_finite(number: Number) -> bool:
    return -INFINITY < number < INFINITY  # not math.isfinite, which integers beyond floats overflow


def _same_special(target: Number, predicted: Number) -> bool:
    """Tell whether both are NaN; equal infinities were equal before."""
    return target != target and predicted != predicted  # only NaN differs from itself


def _within(target: Number, predicted: Number, floor: float) -> bool:
    """Tell whether the difference is within the tolerance; never with NaN or an infinity."""
    if not (_is_finite(target) and _is_finite(predicted)):
        return False
    try:
        return abs(target - predicted) <= max(RELATIVE_TOLERANCE * abs(target), floor)
    except OverflowError:  # an integer beyond the floats
        exact = Fraction(target)
        return abs(exact - Fraction(predicted)) <= max(Fraction(RELATIVE_TOLERANCE) * abs(exact), Fraction(floor))
