"""How the authors' public scripts compare a predicted output with the recorded one, to tell what they misjudge.

What lives here: that rule as it behaves, which is not as it is meant. What does not: the rule of this project
(`comparison`), the published rule as the paper words it (`comparison`, rule *paper*).

Source: `hkust-nlp/CodeIO` at commit 1d3541c. Its tolerant comparison names a module that it does not import, inside a
handler that takes every error for "not equal", so that any two numbers of which one is a float differ. Otherwise values
are compared as Python compares them, where True is 1.
"""

from typing import Final, Literal, cast

from codeio_assets.core.values.canonical import Json
from codeio_assets.core.values.comparison import equal_values

Misjudgement = Literal["right_called_wrong", "wrong_called_right"]
MISJUDGEMENTS: Final = ("right_called_wrong", "wrong_called_right")


def equal_publicly(target: Json, predicted: Json) -> bool:
    """Tell whether the public scripts call a predicted output right."""
    if isinstance(target, dict) and isinstance(predicted, dict):
        one, other = cast("dict[str, Json]", target), cast("dict[str, Json]", predicted)
        return one.keys() == other.keys() and all(equal_publicly(value, other[key]) for key, value in one.items())
    if isinstance(target, list) and isinstance(predicted, list):
        items, others = cast("list[Json]", target), cast("list[Json]", predicted)
        return len(items) == len(others) and all(map(equal_publicly, items, others))
    if isinstance(target, float) or isinstance(predicted, float):
        return False
    return target == predicted


def misjudges(output: Json) -> Misjudgement | None:
    """Return how the public rule judges an answer to a recorded output wrongly, or None.

    Two answers are tried: the output itself, and the output with numbers for its booleans.
    """
    if not equal_publicly(output, output):
        return "right_called_wrong"
    other = _with_numbers(output)
    return "wrong_called_right" if equal_publicly(output, other) and not equal_values(output, other) else None


def _with_numbers(value: Json) -> Json:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, dict):
        return {key: _with_numbers(item) for key, item in cast("dict[str, Json]", value).items()}
    return [_with_numbers(item) for item in cast("list[Json]", value)] if isinstance(value, list) else value
