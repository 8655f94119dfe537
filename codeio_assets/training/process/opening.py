"""What a job trains on: a tokenised set, opened and audited; made here when the job brings none.

What lives here: sets as the datasets that TRL takes. What does not: making them (`tokenised`), training (`trainer`).
"""
# accelerate and datasets are typed in part:
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from accelerate import PartialState
from datasets import Dataset, concatenate_datasets

from codeio_assets.core.settings.recipes import StageRecipe
from codeio_assets.training.contract import TrainingJob
from codeio_assets.training.flops import Work
from codeio_assets.training.tokenised.audit import TokenAudit, audit
from codeio_assets.training.tokenised.chat import ChatTokenizer
from codeio_assets.training.tokenised.samples import Sample, line, sample_of, stage_rows
from codeio_assets.training.tokenised.sets import (
    TRAIN,
    VALIDATION,
    Layout,
    TokenisedSet,
    build_set,
    open_set,
    tokenizer_sha256,
)


@dataclass(frozen=True)
class Data:
    """Rows in the form TRL takes; `validation` is None when there are no held-out rows.

    Attributes:
        train: Sequences to train on.
        validation: Held-out rows.
        audit: What was counted.
        longest_batch: Tokens of the largest forward pass there can be on a device, padding included.
        mean_square_length: Sum of squared sample lengths over the sum of lengths.
    """

    train: Dataset
    validation: Dataset | None
    audit: TokenAudit
    longest_batch: int
    mean_square_length: float

    def work(self, matrices: int, head: int, attention: int) -> Work:
        """Return what an average token costs in a model of this shape."""
        tokens = self.audit.prompt_tokens + self.audit.completion_tokens - self.audit.completion_tokens_lost
        return Work(matrices, head, attention, self.audit.trainable_tokens / max(1, tokens), self.mean_square_length)


def open_data(tokens: TokenisedSet, stage: StageRecipe, processes: int) -> Data:
    """Open a set for a stage on that many devices; nothing is read but what is trained on."""
    lengths = tokens.counts.lengths(stage.max_length)
    summary = audit(tokens.counts, stage, processes, tokens.sequences[TRAIN])
    if not summary.trainable_tokens:
        summary.require_trainable(stage.untrainable_rows)
    return Data(
        train=_dataset(tokens, TRAIN),
        validation=_dataset(tokens, VALIDATION) if tokens.sequences[VALIDATION] else None,
        audit=summary,
        longest_batch=longest_batch(lengths, stage),
        mean_square_length=float((lengths.astype(np.float64) ** 2).sum() / lengths.sum()),
    )


def longest_batch(lengths: Any, stage: StageRecipe) -> int:
    """Return the most tokens that one forward pass can hold: its longest rows, met by chance at once."""
    rows = stage.per_device_batch_size
    if stage.packing:
        return rows * stage.max_length
    longest = np.sort(lengths)[-rows:]
    return int(longest.sum() if stage.padding_free else longest.max(initial=0) * rows)


def _dataset(tokens: TokenisedSet, split: str) -> Dataset:
    return concatenate_datasets([Dataset.from_file(file) for file in tokens.files(split)])


def tokens_of(
    job: TrainingJob, stage: StageRecipe, words: ChatTokenizer, state: PartialState, work: Path
) -> TokenisedSet:
    """Return the tokenised set of a job: the one that it names, or one made now by the first process.

    Raises:
        TrainingError: the set was made for another stage or tokenizer.
    """
    layout = Layout(stage.max_length, stage.packing)
    folder = Path(job.tokens) if job.tokens else work / "tokens"
    with state.main_process_first():
        if state.is_main_process and not job.tokens:
            tokenise(job, stage, words, folder)
    opened = open_set(folder)
    opened.require(layout, tokenizer_sha256(words.tokenizer))
    return opened


def tokenise(
    job: TrainingJob, stage: StageRecipe, words: ChatTokenizer, folder: Path, processes: int | None = None
) -> TokenisedSet:
    """Make the tokenised set of a job."""
    digest = hashlib.sha256()
    return build_set(
        {
            TRAIN: _samples(job, TRAIN, digest),
            VALIDATION: _first(_samples(job, VALIDATION, digest), stage.validation_rows),
        },
        words=words,
        layout=Layout(stage.max_length, stage.packing),
        folder=folder,
        data_sha256=digest.hexdigest,
        processes=processes or min(8, os.cpu_count() or 1),
    )


def _samples(job: TrainingJob, split: str, digest: Any) -> Iterator[Sample]:
    for batch in stage_rows(job, split):
        for row in batch:
            digest.update(line(row))
            yield sample_of(row)


def _first(samples: Iterator[Sample], count: int) -> Iterator[Sample]:
    """Yield the first ones, and read the rest, whose identity counts too."""
    yield from islice(samples, count)
    for _ in samples:
        pass
