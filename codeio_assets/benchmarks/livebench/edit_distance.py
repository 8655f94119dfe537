"""Edit distance between two sequences, whose lengths are bounded by the callers.

Source: Levenshtein 1966, in one row.
"""

from collections.abc import Sequence


def edit_distance(left: Sequence[object], right: Sequence[object]) -> int:
    """Return the least number of insertions, deletions and replacements that make one sequence the other."""
    row = list(range(len(right) + 1))
    for n, item in enumerate(left, start=1):
        diagonal, row[0] = row[0], n
        for m, other in enumerate(right, start=1):
            kept = diagonal if item == other else 1 + min(diagonal, row[m], row[m - 1])
            diagonal, row[m] = row[m], kept
    return row[-1]
