"""The tokenised set of a training job, from the table `training_sets`; needs no torch and no GPU.

What lives here: which rows, in which order, and their identity. What does not: tokens and files (`sets`).
"""

import hashlib
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from codeio_assets.core.settings.recipes import Recipe
from codeio_assets.training.contract import TrainingJob
from codeio_assets.training.tokenised.chat import ChatTokenizer
from codeio_assets.training.tokenised.samples import Sample, line, sample_of, stage_rows
from codeio_assets.training.tokenised.sets import TRAIN, VALIDATION, Layout, TokenisedSet, build_set

MOST_PROCESSES = 32


def layout_of(recipe: Recipe, number: int) -> Layout:
    """Return what a stage of a recipe wants of its set."""
    stage = recipe.stage(number)
    return Layout(stage.max_length, stage.packing, recipe.system_messages == "fold", stage.validation_rows)


def make_set(
    job: TrainingJob, recipe: Recipe, words: ChatTokenizer, folder: Path, processes: int | None = None
) -> TokenisedSet:
    """Tokenise the rows of a job's stage into a folder, which appears whole or not at all.

    Args:
        job: whose `data_files` are read.
        recipe: of the job: length, packing, number of held-out rows, and what becomes of system messages.
        words: the tokenizer.
        folder: where the set shall be.
        processes: how many render and tokenise; None for one per core, up to `MOST_PROCESSES`.
    """
    digest, layout = hashlib.sha256(), layout_of(recipe, job.stage)
    return build_set(
        {
            TRAIN: _samples(job, TRAIN, digest, layout.fold),
            VALIDATION: _first(_samples(job, VALIDATION, digest, layout.fold), layout.validation_rows),
        },
        words=words,
        layout=layout,
        folder=folder,
        data_sha256=digest.hexdigest,
        processes=processes or min(MOST_PROCESSES, os.cpu_count() or 1),
    )


def _samples(job: TrainingJob, split: str, digest: Any, fold: bool) -> Iterator[Sample]:
    for batch in stage_rows(job, split):
        for row in batch:
            digest.update(line(row))
            yield sample_of(row, fold=fold)


def _first(samples: Iterator[Sample], count: int | None) -> Iterator[Sample]:
    """Yield the first ones, and read the rest, whose identity counts too."""
    yield from islice(samples, count)
    for _ in samples:
        pass
