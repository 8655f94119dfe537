"""LiveBench: 672 questions of twelve tasks in four categories, as they were in June and July 2024.

The figure is the mean of the categories' means, each the mean of its tasks' means. Answers to the tasks typos,
connections and plot_unscrambling are not in every copy of the data; responses to such questions have no score.

What does not live here: the tasks' scorers (`maths`, `puzzles`, `language`, `tables`).

Source: LiveBench/LiveBench (Apache-2.0); prompts are the questions as given.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Final

from codeio_assets.benchmarks.contract import (
    NO_ANSWER,
    NO_GOLD,
    BadBenchmarkData,
    Benchmark,
    Figure,
    Question,
    Row,
    Scored,
    Verdict,
    by_group,
    field_id,
    percent,
    scores_of,
)
from codeio_assets.benchmarks.files import find_folder, json_lines, text_of
from codeio_assets.benchmarks.livebench import language, maths, puzzles, tables

CATEGORIES: Final[dict[str, str]] = {
    **dict.fromkeys(("AMPS_Hard", "math_comp", "olympiad"), "math"),
    **dict.fromkeys(("spatial", "web_of_lies_v2", "zebra_puzzle"), "reasoning"),
    **dict.fromkeys(("cta", "tablejoin", "tablereformat"), "data_analysis"),
    **dict.fromkeys(("connections", "plot_unscrambling", "typos"), "language"),
}
"""Task -> category."""
RELEASE: Final = "2024-07-26"
NEW_ZEBRA: Final = "2024-11-25"
"""From this release on, a zebra puzzle asks for several answers."""
_REASONING: Final = re.compile(r"<think>.*?</think>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a task's scorer is given beside the response."""

    gold: str
    text: str
    subtask: str
    release: str


def _math_comp(response: str, asked: Asked) -> tuple[float, str | None]:
    if asked.subtask.startswith("aime"):
        return maths.aime(response, asked.gold)
    return maths.lettered_contest(response, asked.gold, asked.text)


def _zebra(response: str, asked: Asked) -> tuple[float, str | None]:
    return (puzzles.zebra if asked.release >= NEW_ZEBRA else puzzles.zebra_of_june)(response, asked.gold)


SCORERS: Final[dict[str, Callable[[str, Asked], tuple[float, str | None]]]] = {
    "AMPS_Hard": lambda response, asked: maths.amps_hard(response, asked.gold),
    "math_comp": _math_comp,
    "olympiad": lambda response, asked: maths.olympiad(response, asked.gold),
    "spatial": lambda response, asked: puzzles.spatial(response, asked.gold),
    "web_of_lies_v2": lambda response, asked: puzzles.web_of_lies(response, asked.gold),
    "zebra_puzzle": _zebra,
    "cta": lambda response, asked: tables.column_type(response, asked.gold),
    "tablejoin": lambda response, asked: tables.join_mapping(response, asked.gold),
    "tablereformat": lambda response, asked: tables.reformatted(response, asked.gold, asked.text),
    "connections": lambda response, asked: language.connections(response, asked.gold),
    "plot_unscrambling": lambda response, asked: language.plot_unscrambling(response, asked.gold),
    "typos": lambda response, asked: language.typos(response, asked.gold),
}


def load(folder: Path) -> Iterator[Question]:
    """Yield the questions of all tasks; those whose answers are not in the data have no gold.

    Raises:
        BadBenchmarkData: no such folder, or a question of a task that is not known.
    """
    for path in sorted(find_folder(folder, "cta.jsonl", "livebench").glob("*.jsonl")):
        for record in json_lines(path):
            task, turns = text_of(record, "task", str(path)), record.get("turns")
            if task not in CATEGORIES or not isinstance(turns, list) or not turns:
                raise BadBenchmarkData(f"{path}: the task {task!r} is not known, or has no `turns`")
            text = str(turns[0])  # pyright: ignore[reportUnknownArgumentType]
            yield Question(
                id=text_of(record, "question_id", str(path)),
                text=text,
                prompt=text,
                gold=record.get("ground_truth"),
                group=task,
                facts={
                    "subtask": record.get("subtask") or task,
                    "release": str(record.get("livebench_release_date") or ""),
                },
            )


def is_of_july(question: Question) -> bool:
    """Return whether a question belongs to the release of July 2024; copies without answers have no dates."""
    return str(question.facts.get("release", "")) <= RELEASE


def own_question(row: Row, known: Question | None) -> Question | None:
    """Return the known question, with the line's own gold answer where it has one."""
    gold = row.get("ground_truth")
    if not isinstance(gold, str):
        return known
    task = str(row.get("task", ""))
    base = known or Question(str(row.get("question_id", "")), "", "", None, task if task in CATEGORIES else "")
    return replace(base, gold=gold)


def score(response: str, question: Question) -> Verdict:
    """Judge by the task's own scorer."""
    if not isinstance(question.gold, str) or question.group not in SCORERS:
        return NO_GOLD
    answer = _REASONING.sub("", response)
    if not answer.strip():
        return NO_ANSWER
    facts = question.facts
    asked = Asked(question.gold, question.text, str(facts.get("subtask", "")), str(facts.get("release", "")))
    worth, extracted = SCORERS[question.group](answer, asked)
    if extracted is None and worth == 0:
        return NO_ANSWER
    return Verdict("correct" if worth == 1 else "wrong", float(worth), extracted)


def figure(scored: Sequence[Scored]) -> Figure:
    """Return the mean of the categories' means; beside it categories and tasks."""
    tasks = {task: percent(scores_of(each)) for task, each in by_group(scored).items() if scores_of(each)}
    categories = {
        category: fmean(value for task, value in tasks.items() if CATEGORIES.get(task) == category)
        for category in dict.fromkeys(CATEGORIES[task] for task in tasks if task in CATEGORIES)
    }
    return Figure(fmean(categories.values()) if categories else 0.0, {**categories, **tasks})


BENCHMARK: Final = Benchmark(
    name="livebench",
    title="LiveBench",
    id_fields=("question_id",),
    question_id=field_id("question_id"),
    load=load,
    score=score,
    files=("livebench/*.jsonl", "*.jsonl"),
    own_question=own_question,
    figure=figure,
    is_asked=is_of_july,
)
