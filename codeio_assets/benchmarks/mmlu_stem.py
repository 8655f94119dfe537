"""MMLU-STEM: 3,153 questions of four options in 19 subjects; the figure is the mean over all questions.

Source: hendrycks/test (MIT), the subjects that its authors call STEM, with anatomy.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from codeio_assets.benchmarks import choices
from codeio_assets.benchmarks.contract import (
    BadBenchmarkData,
    Benchmark,
    Figure,
    Question,
    Scored,
    by_group,
    numbered_id,
    percent,
    scores_of,
)
from codeio_assets.benchmarks.files import find, json_lines, text_of
from codeio_assets.core.values.canonical import Json

FILES: Final = ("mmlu_stem_test.jsonl", "mmlu_stem/test.jsonl")


def load(folder: Path) -> Iterator[Question]:
    """Yield the questions; an id is the line's number from 0."""
    path = find(folder, *FILES)
    for number, record in enumerate(json_lines(path)):
        text, options = text_of(record, "question", str(path)), record.get("choices")
        if not isinstance(options, list):
            raise BadBenchmarkData(f"{path}:{number + 1}: `choices`: a list is needed")
        texts = [str(option) for option in options]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        yield Question(
            id=str(number),
            text=text,
            prompt=choices.prompt(text, texts),
            gold=_letter(record.get("answer")),
            group=str(record.get("subject", "")),
            facts={"options": texts},
        )


def _letter(answer: Json) -> Json:
    """Return the letter; the dataset on the hub has the option's place instead."""
    return chr(ord("A") + answer) if isinstance(answer, int) and not isinstance(answer, bool) else answer


def figure(scored: Sequence[Scored]) -> Figure:
    """Return the mean over all questions, with each subject's."""
    return Figure(
        percent(scores_of(scored)), {name: percent(scores_of(each)) for name, each in by_group(scored).items()}
    )


BENCHMARK: Final = Benchmark(
    name="mmlu_stem",
    title="MMLU-STEM",
    id_fields=("id",),
    question_id=numbered_id,
    load=load,
    score=choices.score,
    files=FILES,
    figure=figure,
)
