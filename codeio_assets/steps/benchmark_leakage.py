"""benchmark_leakage: which questions a recipe's training set holds.

What does not live here: n-grams (`evaluation.leakage`).
"""

import json
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from codeio_assets.core.settings.benchmarks import Leakage
from codeio_assets.core.tables.data import frame
from codeio_assets.evaluation.leakage import LeakageIndex, WordRule, summary
from codeio_assets.steps.result import StepResult

ROWS = 2_000
"""Rows of a training set that are held at a time."""


def find_leaks(recipe: str, questions: pl.DataFrame, samples: Path, settings: Leakage) -> StepResult:
    """Stream the samples of a training set, a Parquet file, past the questions."""
    asked = {row["item_id"]: row for row in questions.to_dicts()}
    rule = WordRule(are_cjk_words=settings.cjk == "characters")
    index = LeakageIndex(((item_id, row["question"]) for item_id, row in asked.items()), settings.n, rule)
    index.add(texts_of(samples))
    leaks = list(index.leaks())
    rows = [
        {
            "item_id": leak.question_id,
            "recipe": recipe,
            "benchmark": asked[str(leak.question_id)]["benchmark"],
            "question_id": asked[str(leak.question_id)]["question_id"],
            "is_leaked": leak.is_leaked,
            "hits": leak.hits,
            "rare_hits": leak.rare_hits,
            "span": leak.span,
            "sample_id": leak.text_id,
            "is_short": leak.is_short,
        }
        for leak in leaks
    ]
    table = frame("benchmark_leakage", rows)
    return StepResult({"benchmark_leakage": table}, len(rows), len(rows), info=dict(summary(leaks)))


def texts_of(samples: Path) -> Iterator[tuple[str, str]]:
    """Yield (sample id, all that the model is trained on and sees) of a training set, a few rows at a time."""
    rows = pl.scan_parquet(samples).select("sample_id", "prompt_json", "completion")
    for batch in rows.collect_batches(chunk_size=ROWS, maintain_order=True):
        for sample_id, prompt_json, completion in batch.iter_rows():
            said = [str(message["content"]) for message in json.loads(prompt_json)]
            yield sample_id, "\n".join([*said, completion])
