"""Which draws become pairs: distinct, within the complexity rule, reproducible (CodeI/O, sec. 2.3, appendix A).

What lives here: decisions over outcomes that were executed elsewhere. What does not: executing (`steps.io_pairs`).
"""

import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from codeio_assets.core.values.canonical import Json, canonical_text, written_json
from codeio_assets.core.values.complexity import check_complexity

MISSING_PACKAGE: Final = "missing_package"
_LACKING = re.compile(r"ModuleNotFoundError: No module named '(\w+)'")


@dataclass(slots=True)
class Draws:
    """Inputs drawn so far: accepted ones in order, and how many draws were lost to which reason.

    An input keeps the order in which its generator wrote it, and counts as known in any order. With `any_size` the
    complexity rule is not asked: the values are executed and compared, and nobody predicts them.
    """

    inputs: list[str] = field(default_factory=list[str])
    lost: Counter[str] = field(default_factory=Counter[str])
    first_error: str = ""
    any_size: bool = False
    _known: set[str] = field(default_factory=set[str])

    def add(self, status: str, value_json: str | None, error: str = "") -> None:
        """Take one generator outcome: keep a new input within the complexity rule, count anything else."""
        if status != "ok" or value_json is None:
            self.lose(f"generator_{status}", error)
            return
        value: Json = json.loads(value_json)
        if not isinstance(value, dict):
            self.lose("input_not_an_object", f"input_generator returned {value_json[:80]}")
            return
        problem = None if self.any_size else check_complexity(value)
        text = written_json(value)
        if problem:
            self.lose(f"input_{problem}", explain(f"input_{problem}", text))
        elif (identity := canonical_text(text)) in self._known:
            self.lose("duplicate_input", "")
        else:
            self._known.add(identity)
            self.inputs.append(text)

    def lose(self, reason: str, detail: str) -> None:
        """Count a lost draw; the first detail is kept for the rejection row and the repair prompt."""
        if reason.endswith("_exception") and package_lacking(detail):
            reason = MISSING_PACKAGE
        self.lost[reason] += 1
        if reason != "duplicate_input" and not self.first_error:
            self.first_error = detail or reason


def package_lacking(detail: str) -> str | None:
    """Return the package that was not there, by the words of an error; a part of one that is there is no package."""
    found = _LACKING.search(detail)
    return found[1] if found else None


def packages_lacking(rejections: Iterable[tuple[str, str]]) -> dict[str, int]:
    """Return how many items of (reason, detail) were lost to each package that the sandbox lacks, most first."""
    counted = Counter(package_lacking(detail) for reason, detail in rejections if reason == MISSING_PACKAGE)
    return {package: count for package, count in counted.most_common() if package}


def reject_output(status: str, value_json: str | None, *, any_size: bool = False) -> str | None:
    """Return why an executed input gives no pair: `output_<status>`, `output_none`, `output_<complexity>`; or None."""
    if status != "ok" or value_json is None:
        return f"output_{status}"
    if value_json == "null":
        return "output_none"
    problem = None if any_size else check_complexity(json.loads(value_json))
    return f"output_{problem}" if problem else None


_IN_WORDS = {
    "output_none": "main_solution returned None; it must return a value on every path",
    "too_large_bytes": "takes too much memory; use fewer and shorter items",
    "too_many_items": "has a list or dictionary of 20 items or more",
    "string_too_long": "has a string of 100 characters or more",
    "scalar_too_large": "has a number that is too large",
}


def explain(reason: str, value_json: str) -> str:
    """Put the loss of a value that was returned in words that a model can act on: what is wrong, and the value."""
    if reason in _IN_WORDS:
        return _IN_WORDS[reason]
    side, _, problem = reason.partition("_")
    who = "an input drawn by input_generator" if side == "input" else "a value returned by main_solution"
    return f"{who} {_IN_WORDS.get(problem, problem.replace('_', ' '))}: {value_json[:120]}"


def is_degenerate(outputs: Iterable[str]) -> bool:
    """Tell whether all outputs are the same one."""
    return len(set(map(canonical_text, outputs))) <= 1


def main_reason(lost: Counter[str]) -> str:
    """Return the most frequent reason, ties by name; repeated inputs count only where nothing else was lost."""
    return min(lost, key=lambda reason: (reason == "duplicate_input", -lost[reason], reason), default="no_draws")
