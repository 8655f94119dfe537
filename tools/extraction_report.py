"""Answers found in the real responses of ../shared/data/responses, next to what a strict parser finds.

Per file: found by both with the same or another value, by one alone, by none; with `--show` each response in which
nothing is found or in which the two differ. `python tools/extraction_report.py`.
"""

import argparse
import json
import re
from collections import Counter
from typing import Any

from bench_execution import RESPONSES
from execution_material import rows_of

from codeio_assets.core.method.answers import Answer, extract_answer
from codeio_assets.core.values.canonical import canonical_json

KEY = "answer"
_FENCE = re.compile(r"```(?:json)?\s*\n(.*?)```", re.DOTALL)


def main() -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--show", type=int, default=0, help="characters of the end of each odd response")
    options = parser.parse_args()
    print(f"{'model':<32}{'responses':>10}{'same':>8}{'differ':>8}{'ours only':>11}{'strict only':>13}{'none':>6}")
    for model in RESPONSES:
        counts: Counter[str] = Counter()
        ways: Counter[str] = Counter()
        for row in rows_of("responses", f"crux_{model}.jsonl"):
            ours, strict = extract_answer(row["response"], KEY), strict_answer(row["response"])
            result = compared(ours, strict)
            counts[result] += 1
            ways[ours.how] += 1
            if options.show and result in ("none", "differ", "strict only"):
                print(
                    f"--- {result} {row['id']}: {ours.value!r} / {strict.value!r}\n{row['response'][-options.show :]}"
                )
        shown = "".join(f"{counts[name]:>{width}}" for name, width in COLUMNS)
        print(f"{model:<32}{sum(counts.values()):>10}{shown}  {dict(ways.most_common())}")


COLUMNS = (("same", 8), ("differ", 8), ("ours only", 11), ("strict only", 13), ("none", 6))


def strict_answer(response: str) -> Answer:
    """Return what `json.loads` makes of the last fenced block, or else of the whole response."""
    blocks = _FENCE.findall(response)
    try:
        value: Any = json.loads(blocks[-1] if blocks else response)
    except ValueError:
        value = None
    if isinstance(value, dict) and KEY in value:
        return Answer(found=True, value=value[KEY], how="json")
    return Answer(found=False, value=None, how="none")


def compared(ours: Answer, strict: Answer) -> str:
    """Return how the two findings relate."""
    if ours.found and strict.found:
        return "same" if canonical_json(ours.value) == canonical_json(strict.value) else "differ"
    if ours.found or strict.found:
        return "ours only" if ours.found else "strict only"
    return "none"


if __name__ == "__main__":
    main()
