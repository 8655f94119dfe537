"""How near a wrong value is to the right one, from 0 to 1: for partial credit in training, never for a verdict.

What does not live here: whether a value is right (`comparison`).
"""

from collections.abc import Iterable, Iterator
from itertools import takewhile
from typing import Final, cast

from codeio_assets.core.values.canonical import Json
from codeio_assets.core.values.comparison import Rule, equal_values

MAX_DEPTH: Final = 20
"""Deeper parts count as a whole: equal or not."""


def closeness(target: Json, predicted: Json, rule: Rule = "default") -> float:
    """Return 1.0 for equal values, 0.0 for values of different kinds, and a share in between.

    A list or object has the mean of its parts, over the longer of both; a text the share of characters that agree
    from both ends; a number 1 minus its relative error, where that is positive.
    """
    return _closeness(target, predicted, rule, 0)


def _closeness(target: Json, predicted: Json, rule: Rule, depth: int) -> float:
    if equal_values(target, predicted, rule):
        return 1.0
    if isinstance(target, bool) or isinstance(predicted, bool) or depth >= MAX_DEPTH:
        return 0.0
    if isinstance(target, int | float) and isinstance(predicted, int | float):
        return _number(target, predicted)
    if type(target) is not type(predicted):
        return 0.0
    if isinstance(target, str):
        return _text(target, cast("str", predicted))
    if isinstance(target, list):
        found = cast("list[Json]", predicted)
        return _mean(_items(target, found, rule, depth), max(len(target), len(found)))
    if isinstance(target, dict):
        return _mapping(target, cast("dict[str, Json]", predicted), rule, depth)
    return 0.0


def _number(target: float, predicted: float) -> float:
    try:
        error = abs(target - predicted) / max(abs(target), abs(predicted))
    except (OverflowError, ZeroDivisionError):
        return 0.0
    return max(0.0, 1.0 - error) if error == error else 0.0  # only NaN differs from itself


def _text(target: str, predicted: str) -> float:
    shorter = min(len(target), len(predicted))
    head = _agreeing(target, predicted)
    tail = min(_agreeing(reversed(target), reversed(predicted)), shorter - head)
    return (head + tail) / max(len(target), len(predicted))


def _agreeing(one: Iterable[str], other: Iterable[str]) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _items(target: list[Json], predicted: list[Json], rule: Rule, depth: int) -> Iterator[float]:
    return (_closeness(want, got, rule, depth + 1) for want, got in zip(target, predicted, strict=False))


def _mapping(target: dict[str, Json], predicted: dict[str, Json], rule: Rule, depth: int) -> float:
    shared = target.keys() & predicted.keys()
    parts = (_closeness(target[key], predicted[key], rule, depth + 1) for key in sorted(shared))
    return _mean(parts, len(target.keys() | predicted.keys()))


def _mean(parts: Iterable[float], of: int) -> float:
    return sum(parts) / of if of else 0.0
