"""GPQA: 448 questions of four options by experts, read and never written on: its authors ask for that.

The options' order is drawn per question from the hash of its text, so that it is the same on every machine and
independent of the other questions; there is no generator whose state could move it.

Source: idavidrein/gpqa (CC-BY, with the request not to publish its questions in plain text).
"""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from codeio_assets.benchmarks import choices
from codeio_assets.benchmarks.contract import BadBenchmarkData, Benchmark, Question, field_id
from codeio_assets.benchmarks.files import find, json_lines
from codeio_assets.core.values.canonical import sha256_hex

FILES: Final = ("gpqa/gpqa_main.csv", "gpqa_main.csv", "gpqa/gpqa_diamond.csv", "gpqa_diamond.csv")
WRONG: Final = ("Incorrect Answer 1", "Incorrect Answer 2", "Incorrect Answer 3")


def load(folder: Path) -> Iterator[Question]:
    """Yield the questions of the authors' CSV file, or of its rows as JSONL; an id is the record's, or its number.

    Raises:
        BadBenchmarkData: no such file, or a column is missing.
    """
    path = find(folder, *FILES)
    for number, record in enumerate(json_lines(path) if path.suffix == ".jsonl" else _lines_of_csv(path)):
        try:
            text, right = record["Question"].strip(), record["Correct Answer"].strip()
            options = shuffled(text, [right, *(record[name].strip() for name in WRONG)])
        except (KeyError, AttributeError):
            raise BadBenchmarkData(f"{path}: question {number}: lacks the question or one of its answers") from None
        yield Question(
            id=record.get("Record ID") or str(number),
            text=text,
            prompt=choices.prompt(text, options),
            gold=chr(ord("A") + options.index(right)),
            group=record.get("High-level domain") or "",
            facts={"options": options},
        )


def _lines_of_csv(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def shuffled(question: str, options: list[str]) -> list[str]:
    """Return the options in the order of the hashes of question and option."""
    return sorted(options, key=lambda option: sha256_hex(f"{question}\0{option}"))


BENCHMARK: Final = Benchmark(
    name="gpqa",
    title="GPQA",
    id_fields=("id",),
    question_id=field_id("id"),
    load=load,
    score=choices.score,
    files=FILES,
    is_private=True,
)
