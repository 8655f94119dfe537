"""The paper's Table 1 with rows of one's own beside the published ones: averages, gains, leaked and unleaked.

What lives here: which rows and columns there are, and their numbers. What does not: how they look (`rendering`), and
where scores come from (`scoring`).

Source: CodeI/O, table 1; its average is the plain mean of the fourteen columns. Another average is over the columns
that were run, and says so.
"""

import csv
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from statistics import fmean
from typing import Final

from codeio_assets.core.values.intervals import mean_per_unit, wilson
from codeio_assets.evaluation.paired import Paired, compare

COLUMNS: Final[dict[str, str]] = {
    "winogrande": "WinoGrande",
    "drop": "DROP",
    "gsm8k": "GSM8K",
    "math": "MATH",
    "gpqa": "GPQA",
    "mmlu_stem": "MMLU-STEM",
    "leetcode_o": "LC-O",
    "cruxeval_input": "CRUX-I",
    "cruxeval_output": "CRUX-O",
    "bbh_en": "BBH-EN",
    "bbh_zh": "BBH-ZH",
    "zebralogic": "Zebra",
    "korbench": "KorBench",
    "livebench": "LiveBench",
}
"""Benchmark -> its heading, in the paper's order."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One model's score on one benchmark, in percent, with what it rests on; published cells have a value alone.

    `unleaked` is the score on questions that are not in the model's training data, `rare_unleaked` on those that are
    not by n-grams of few questions. Shares are of the questions asked.
    """

    value: float
    low: float | None = None
    high: float | None = None
    n_questions: int | None = None
    no_answer_ratio: float | None = None
    truncated_ratio: float | None = None
    unleaked: float | None = None
    rare_unleaked: float | None = None


@dataclass(frozen=True, slots=True)
class TableRow:
    """A model in the table: what it was made from, its cells by benchmark, and whether the paper has it."""

    base: str
    name: str
    cells: Mapping[str, Cell]
    is_published: bool = False
    group: str = ""

    def average(self, columns: Iterable[str]) -> float | None:
        """Return the mean over the columns that this row has, of those given; None of none."""
        values = [self.cells[column].value for column in columns if column in self.cells]
        return fmean(values) if values else None


@cache
def published() -> tuple[TableRow, ...]:
    """Return the rows of the paper's Table 1."""
    text = files("codeio_assets.evaluation").joinpath("paper_table1.csv").read_text("utf-8")
    return tuple(
        TableRow(
            base=record["base"],
            name=record["stage1"],
            cells={column: Cell(float(record[column])) for column in COLUMNS},
            is_published=True,
        )
        for record in csv.DictReader(text.splitlines())
    )


def cell(scores: Sequence[float], statuses: Sequence[str], value: float) -> Cell:
    """Return a cell for the scores (0 to 1) of a benchmark's questions, whose own figure is `value`, in percent.

    The interval is Wilson's where every score is 0 or 1, and the normal one otherwise. It is that of the mean over
    questions, moved to the benchmark's own figure where that is another mean.

    Raises:
        ValueError: no scores.
    """
    if not scores:
        raise ValueError("a benchmark without a question has no score")
    n, mean = len(scores), fmean(scores)
    if all(score in (0, 1) for score in scores):
        low, high = wilson(round(sum(scores)), n)
    else:
        _, low, high = mean_per_unit(scores, [1] * n)
    moved = value - 100 * mean
    return Cell(
        value=value,
        low=max(0.0, 100 * low + moved),
        high=min(100.0, 100 * high + moved),
        n_questions=n,
        no_answer_ratio=sum(status == "no_answer" for status in statuses) / n,
        truncated_ratio=sum(status == "truncated" for status in statuses) / n,
    )


@dataclass(frozen=True, slots=True)
class Gain:
    """What a recipe gained over its baseline on one benchmark, and on the questions that neither training set has."""

    column: str
    paired: Paired
    unleaked: Paired | None = None


Scores = Mapping[str, Mapping[str, float]]
"""Benchmark -> question id -> score, 0 to 1."""


def gains(baseline: Scores, ours: Scores, leaked: Mapping[str, Collection[str]] | None = None) -> list[Gain]:
    """Compare scores; a question that only one side has is left out. `leaked`: benchmark -> ids of questions."""
    found: list[Gain] = []
    for column in COLUMNS:
        before, after = baseline.get(column, {}), ours.get(column, {})
        common = [question for question in before if question in after]
        kept = [question for question in common if question not in (leaked or {}).get(column, ())]
        if common:
            found.append(Gain(column, _paired(before, after, common), _paired(before, after, kept) if kept else None))
    return found


def _paired(before: Mapping[str, float], after: Mapping[str, float], questions: Sequence[str]) -> Paired:
    return compare([before[question] for question in questions], [after[question] for question in questions])


@dataclass(frozen=True, slots=True)
class Member:
    """A recipe in a group: its label there, the paper's average of fourteen if it prints one, and our row."""

    label: str
    published: float | None
    row: TableRow


@dataclass(frozen=True, slots=True)
class Group:
    """Recipes of one base model that the paper has in one table or figure."""

    title: str
    members: Sequence[Member]

    @property
    def columns(self) -> list[str]:
        """The benchmarks that all members were asked: an average over others would compare unlike things."""
        return [column for column in COLUMNS if all(column in member.row.cells for member in self.members)]


def groups(rows: Mapping[str, TableRow], reported: Mapping[str, Mapping[str, float | str]]) -> list[Group]:
    """Group recipes' rows by the table or figure in which the paper has them; Table 1 is the whole table.

    `reported`: recipe -> "Table 2, only correct" -> the paper's average, or that it is plotted.
    """
    found: dict[str, list[Member]] = {}
    for recipe, places in reported.items():
        for place, average in places.items() if recipe in rows else ():
            table_name, _, label = place.partition(", ")
            if table_name != "Table 1":
                member = Member(label, average if isinstance(average, float) else None, rows[recipe])
                found.setdefault(f"{table_name}, {rows[recipe].base}", []).append(member)
    return [Group(title, found[title]) for title in sorted(found)]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows and the columns that are shown; `averaged` are the columns over which every average is taken."""

    rows: Sequence[TableRow]
    columns: Sequence[str]
    averaged: Sequence[str]
    gains: Mapping[str, Sequence[Gain]] = field(default_factory=dict[str, Sequence[Gain]])
    groups: Sequence[Group] = ()

    @property
    def is_whole(self) -> bool:
        """Whether the average is over all fourteen columns, as the paper's is."""
        return len(self.averaged) == len(COLUMNS)


def table(
    ours: Sequence[TableRow],
    gains: Mapping[str, Sequence[Gain]] | None = None,
    bases: Iterable[str] | None = None,
    groups: Sequence[Group] = (),
) -> Table:
    """Return the table of one's own rows and the published ones of the same bases, or of all bases.

    Averages are over the columns that every row of ours has, so that they can be compared.
    """
    wanted = None if bases is None else set(bases)
    rows = [row for row in published() if wanted is None or row.base in wanted]
    run = [column for column in COLUMNS if ours and all(column in row.cells for row in ours)]
    return Table([*rows, *ours], list(COLUMNS), run or list(COLUMNS), gains or {}, groups)
