"""Evaluating one model on benchmarks, without Dagster and without a project: answers, scores and a table in a folder.

What lives here: the files of such a run. What does not: asking (`asking`), the table's numbers (`results`).
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codeio_assets.benchmarks.catalogue import BENCHMARKS
from codeio_assets.benchmarks.contract import BadBenchmarkData, Benchmark, Figure, Question, Scored
from codeio_assets.evaluation import rendering
from codeio_assets.evaluation.asking import GREEDY, Answered, answered, asked_questions, drawn
from codeio_assets.evaluation.results import Cell, TableRow, cell, table
from codeio_assets.evaluation.scoring import Scorer
from codeio_assets.llm.contract import ChatClient, Sampling


@dataclass(frozen=True, slots=True)
class Outcome:
    """One model on one benchmark."""

    benchmark: Benchmark
    answers: list[Answered]
    figure: Figure
    cell: Cell | None

    @property
    def scores(self) -> dict[str, float]:
        """Scores by question id, without the questions that could not be asked."""
        return {each.question.id: each.verdict.score for each in self.answers if each.verdict.score is not None}


def available(data: Path, names: Iterable[str], limit: int | None) -> Iterator[tuple[Benchmark, list[Question]]]:
    """Yield the benchmarks of some names with their questions.

    Raises:
        BadBenchmarkData: the data of one is not in the folder.
    """
    for name in names:
        benchmark = BENCHMARKS[name]
        yield benchmark, drawn(benchmark, asked_questions(benchmark, benchmark.load(data)), limit)


def present(data: Path) -> list[str]:
    """Return the names of the benchmarks whose data a folder has."""
    return [name for name, benchmark in BENCHMARKS.items() if _is_present(benchmark, data)]


def _is_present(benchmark: Benchmark, data: Path) -> bool:
    try:
        return next(iter(benchmark.load(data)), None) is not None
    except BadBenchmarkData:
        return False


def outcome(benchmark: Benchmark, answers: list[Answered]) -> Outcome:
    """Return what a benchmark's answers come to."""
    scored = [Scored(each.question.group, each.verdict) for each in answers if each.verdict.score is not None]
    figure = benchmark.figure(scored)
    scores = [each.verdict.score for each in scored if each.verdict.score is not None]
    statuses = [each.verdict.status for each in scored]
    return Outcome(benchmark, answers, figure, cell(scores, statuses, figure.value) if scores else None)


def evaluate(
    client: ChatClient,
    asked: Iterable[tuple[Benchmark, list[Question]]],
    scorer: Scorer,
    sampling: Sampling = GREEDY,
    tell: Callable[[Outcome], None] = lambda _: None,
) -> list[Outcome]:
    """Ask and score benchmark after benchmark; `tell` is given each as it ends."""
    outcomes: list[Outcome] = []
    for benchmark, questions in asked:
        outcomes.append(outcome(benchmark, list(answered(client, benchmark, questions, scorer, sampling))))
        tell(outcomes[-1])
    return outcomes


def row_of(model: str, outcomes: Iterable[Outcome]) -> TableRow:
    """Return a model's row of the table."""
    cells: Mapping[str, Cell] = {each.benchmark.name: each.cell for each in outcomes if each.cell is not None}
    return TableRow(base=model, name="", cells=cells)


def answer_fields(answer: Answered, benchmark: Benchmark) -> dict[str, Any]:
    """Return an answer as a row; of private benchmarks only ids and verdicts, without what the model said."""
    verdict, response = answer.verdict, answer.response
    said = {} if benchmark.is_private else {"response": response.text, "extracted": verdict.extracted}
    return {
        "benchmark": benchmark.name,
        "question_id": answer.question.id,
        "group": answer.question.group,
        "status": verdict.status,
        "score": verdict.score,
        "finish_reason": response.finish_reason,
        "completion_tokens": response.completion_tokens,
        "scorer_version": benchmark.scorer_version,
        "prompt_version": benchmark.prompt_version,
        **said,
    }


def write(folder: Path, model: str, outcomes: list[Outcome]) -> None:
    """Write answers.jsonl and the table as results.md, results.csv and results.html."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "answers.jsonl").open("w", encoding="utf-8") as lines:
        for each in outcomes:
            lines.writelines(json.dumps(answer_fields(one, each.benchmark)) + "\n" for one in each.answers)
    made = table([row_of(model, outcomes)])
    (folder / "results.md").write_text(rendering.markdown(made), "utf-8")
    (folder / "results.csv").write_text(rendering.as_csv(made), "utf-8")
    (folder / "results.html").write_text(rendering.html(made, f"{model} on the paper's benchmarks"), "utf-8")
