"""ZebraLogic: 1,000 grid puzzles of 2x2 to 6x6; a puzzle is right when every cell is.

The answer is the last object between matching braces that has `solution`; cells are compared in lower case without
blanks around, a list counts by its first element. Puzzles without an answer count all their cells as wrong.

Source: WildEval/ZeroEval (Apache-2.0), whose prompt (an example, the puzzle, a template) ours resembles. Solutions
are never written to exports or reports: its authors keep them private.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, cast

from codeio_assets.benchmarks.answers import last_object
from codeio_assets.benchmarks.contract import (
    NO_GOLD,
    Benchmark,
    Figure,
    Question,
    Scored,
    Verdict,
    field_id,
    percent,
    scores_of,
)
from codeio_assets.benchmarks.files import find, json_lines, text_of
from codeio_assets.core.values.canonical import Json, canonical_json

FILES: Final = ("zebralogic/grid_test.jsonl", "grid_test.jsonl")
SMALL: Final = frozenset({"2*2", "2*3", "2*4", "2*5", "2*6", "3*2", "3*3", "4*2"})
PROMPT: Final = """Solve a logic grid puzzle. Here is an example of a puzzle and the form of its answer.

There are 2 houses, numbered 1 to 2 from left to right. Each house is occupied by a different person.
 - Each person has a unique name: `Ana`, `Ben`
 - Each person has a favourite drink: `tea`, `milk`
## Clues:
1. Ana drinks milk.
2. Ben lives in the second house.

{{"reasoning": "Ben lives in House 2, so Ana lives in House 1. Ana drinks milk, so Ben drinks tea.", \
"solution": {{"House 1": {{"Name": "Ana", "Drink": "milk"}}, "House 2": {{"Name": "Ben", "Drink": "tea"}}}}}}

Now solve this puzzle.

{puzzle}

Answer with one JSON object of this form, with every ___ filled in:

{{"reasoning": "___", "solution": {template}}}"""


def load(folder: Path) -> Iterator[Question]:
    """Yield the puzzles; gold is the table of houses."""
    path = find(folder, *FILES)
    for record in json_lines(path):
        table = _table(record["solution"])
        template = {house: dict.fromkeys(cells, "___") for house, cells in table.items()}
        text = text_of(record, "puzzle", str(path))
        yield Question(
            id=text_of(record, "id", str(path)),
            text=text,
            prompt=PROMPT.format(puzzle=text, template=json.dumps(template)),
            gold=cast("Json", table),
            group=text_of(record, "size", str(path)),
        )


def _table(solution: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    columns = solution["header"][1:]
    return {f"House {n}": dict(zip(columns, row[1:], strict=True)) for n, row in enumerate(solution["rows"], start=1)}


def score(response: str, question: Question) -> Verdict:
    """Judge the cells of the last solution in a response."""
    if question.gold is None:
        return NO_GOLD
    gold = cast("dict[str, dict[str, str]]", question.gold)
    n_cells = sum(len(cells) for cells in gold.values())
    found = last_object(response)
    solution = found.get("solution") if found is not None else None
    if solution is None:
        return Verdict("no_answer", 0.0, None, {"n_cells": n_cells, "n_right_cells": 0})
    n_right = sum(
        _is_same(cell, _cell(solution, house, column))
        for house, cells in gold.items()
        for column, cell in cells.items()
    )
    right = n_right == n_cells
    details: dict[str, Json] = {"n_cells": n_cells, "n_right_cells": n_right}
    return Verdict("correct" if right else "wrong", float(right), canonical_json(solution), details)


def _cell(solution: Json, house: str, column: str) -> Json:
    cells = cast("dict[str, Json]", solution).get(house) if isinstance(solution, dict) else None
    return cast("dict[str, Json]", cells).get(column) if isinstance(cells, dict) else None


def _is_same(gold: str, cell: Json) -> bool:
    first: Json = next(iter(cast("list[Json]", cell)), None) if isinstance(cell, list) else cell
    return isinstance(first, str) and first.lower().strip() == gold.lower().strip()


def figure(scored: Sequence[Scored]) -> Figure:
    """Return the share of puzzles solved; beside it cells, small and large puzzles, and those without an answer."""
    details = [each.verdict.details for each in scored if each.verdict.score is not None]
    cells = sum(cast("int", each["n_cells"]) for each in details)
    right = sum(cast("int", each["n_right_cells"]) for each in details)
    return Figure(
        percent(scores_of(scored)),
        {
            "cells": 100 * right / cells if cells else 0.0,
            "small": percent(scores_of(each for each in scored if each.group in SMALL)),
            "large": percent(scores_of(each for each in scored if each.group not in SMALL)),
        },
    )


BENCHMARK: Final = Benchmark(
    name="zebralogic",
    title="ZebraLogic",
    id_fields=("id",),
    question_id=field_id("id"),
    load=load,
    score=score,
    files=FILES,
    is_private=True,
    figure=figure,
)
