"""`codeio audit`: which recorded pairs do not reproduce in fresh processes, and why.

Reads the published format (`refcode`, `funcname`, `ios` of `input` and `output`). What does not live here: finding the
cause (`steps.published_data_audit`).
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from codeio_assets.batch.lines import Line, ProgressLine, Writer, chunks
from codeio_assets.core.values.canonical import JsonLike
from codeio_assets.sandbox.contract import Sandbox
from codeio_assets.steps.published_data_audit import CHUNK, REPRODUCES, Case, examine


class RecordedFunction(Line):
    """A function with recorded pairs, in the published format."""

    refcode: str
    funcname: str = "main_solution"
    ios: list[dict[str, Any]]


@dataclass(slots=True)
class Audit:
    """Pairs by result, `reproduces` or a cause, and the functions that have pairs with that result."""

    pairs: Counter[str] = field(default_factory=Counter[str])
    functions: Counter[str] = field(default_factory=Counter[str])

    def add(self, results: list[str]) -> None:
        """Count one function's pairs; as a function it counts as `reproduces` only if all of them do."""
        self.pairs.update(results)
        causes = set(results) - {REPRODUCES}
        self.functions.update(causes or {REPRODUCES})


def audit_functions(functions: Iterable[RecordedFunction], sandbox: Sandbox, out: Writer) -> Audit:
    """Write one line per pair that does not reproduce, and return the counts."""
    progress = ProgressLine("functions")
    audited = Audit()
    numbered = enumerate(functions)
    for chunk in chunks(numbered, CHUNK):
        cases = [Case(number, line.refcode, line.funcname, line.ios) for number, line in chunk]
        examine(cases, sandbox)
        for case in cases:
            audited.add(case.results())
            for index, cause in sorted(case.causes.items()):
                out.write(function=case.number, pair=index, cause=cause, **_shown(case, index))
        progress.advance(len(chunk))
    progress.finish()
    return audited


def summary(audited: Audit) -> dict[str, JsonLike]:
    """Return the counts as JSON: total, and per result pairs, their share, and functions."""
    total = sum(audited.pairs.values())
    rows = [
        {"result": name, "pairs": count, "pairs_ratio": round(count / total, 6), "functions": audited.functions[name]}
        for name, count in sorted(audited.pairs.items(), key=lambda item: (item[0] != REPRODUCES, -item[1], item[0]))
    ]
    return {"pairs": total, "results": rows}


def table(summarised: dict[str, Any]) -> str:
    """Return a summary as a table for people."""
    lines = [f"{'result':<28}{'pairs':>8}{'share':>9}{'functions':>11}"]
    lines += [
        f"{row['result']:<28}{row['pairs']:>8,}{row['pairs_ratio']:>9.2%}{row['functions']:>11,}"
        for row in summarised["results"]
    ]
    return "\n".join([*lines, f"{'all':<28}{summarised['pairs']:>8,}"])


def _shown(case: Case, index: int) -> dict[str, JsonLike]:
    pair = case.pairs[index]
    return {"input": pair["input"], "recorded": pair["output"], "now": case.now(index)}
