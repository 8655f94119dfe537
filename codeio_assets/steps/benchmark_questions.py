"""benchmark_questions: what the models of every recipe are asked, from the benchmarks' own files.

What does not live here: loaders and prompts (`benchmarks`).
"""

from collections.abc import Sequence
from pathlib import Path

from codeio_assets.benchmarks.catalogue import BENCHMARKS
from codeio_assets.benchmarks.contract import Question
from codeio_assets.core.settings.benchmarks import BenchmarkSettings
from codeio_assets.core.tables.data import Row, frame
from codeio_assets.core.values.canonical import canonical_json, content_id, sha256_hex
from codeio_assets.evaluation.asking import asked_questions
from codeio_assets.evaluation.running import present
from codeio_assets.steps.result import StepResult


def names_of(settings: BenchmarkSettings, folder: Path) -> Sequence[str]:
    """Return the benchmarks that are asked."""
    return present(folder) if settings.benchmarks is None else settings.benchmarks


def folder_hash(folder: Path) -> str:
    """Return a hash over the names and contents of all files of a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []
    return content_id(files=[[path.relative_to(folder).as_posix(), sha256_hex(path.read_bytes())] for path in files])


def load_questions(settings: BenchmarkSettings, folder: Path) -> StepResult:
    """Read the questions of all benchmarks.

    Raises:
        BadBenchmarkData: the data of a benchmark is missing or damaged.
    """
    rows = [
        _row(name, question)
        for name in names_of(settings, folder)
        for question in asked_questions(BENCHMARKS[name], BENCHMARKS[name].load(folder), settings.limit)
    ]
    table = frame("benchmark_questions", rows)
    counts = dict(table.group_by("benchmark").len().sort("benchmark").iter_rows())
    return StepResult({"benchmark_questions": table}, len(rows), len(rows), info={"questions": counts})


def _row(benchmark: str, question: Question) -> Row:
    return {
        "item_id": content_id(benchmark=benchmark, question=question.id, prompt=question.prompt),
        "benchmark": benchmark,
        "question_id": question.id,
        "question_group": question.group,
        "question": question.text,
        "prompt": question.prompt,
        "gold_json": canonical_json(question.gold),
        "facts_json": canonical_json(dict(question.facts)),
        "prompt_version": BENCHMARKS[benchmark].prompt_version,
    }
