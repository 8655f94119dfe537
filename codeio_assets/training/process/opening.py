"""What a job trains on: a tokenised set, opened and audited; made here when the job brings none.

What lives here: sets as the datasets that TRL takes. What does not: making them (`tokenised`), training (`trainer`).
"""
# accelerate and datasets are typed in part:
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from accelerate import PartialState
from datasets import Dataset, concatenate_datasets

from codeio_assets.core.settings.recipes import Recipe, StageRecipe
from codeio_assets.training.contract import TrainingJob
from codeio_assets.training.flops import Work
from codeio_assets.training.reporting import Report
from codeio_assets.training.tokenised.audit import TokenAudit, audit
from codeio_assets.training.tokenised.chat import ChatTokenizer
from codeio_assets.training.tokenised.making import layout_of, make_set
from codeio_assets.training.tokenised.sets import (
    TRAIN,
    VALIDATION,
    TokenisedSet,
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
        larger_batches: The same for larger values of `per_device_batch_size` that the global batch allows.
        mean_square_length: Sum of squared sample lengths over the sum of lengths.
        highest_token: The greatest token id of all rows, and a row that has it.
    """

    train: Dataset
    validation: Dataset | None
    audit: TokenAudit
    longest_batch: int
    larger_batches: tuple[tuple[int, int], ...]
    mean_square_length: float
    highest_token: tuple[int, str]

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
        highest_token=tokens.highest_token,
        train=_dataset(tokens, TRAIN),
        validation=_dataset(tokens, VALIDATION) if tokens.sequences[VALIDATION] else None,
        audit=summary,
        longest_batch=longest_batch(lengths, stage, stage.per_device_batch_size),
        larger_batches=_larger_batches(lengths, stage, processes),
        mean_square_length=float((lengths.astype(np.float64) ** 2).sum() / lengths.sum()),
    )


def _larger_batches(lengths: Any, stage: StageRecipe, processes: int) -> tuple[tuple[int, int], ...]:
    sizes = (stage.per_device_batch_size << power for power in range(1, 10))
    fitting = (rows for rows in sizes if not stage.global_batch_size % (rows * processes))
    return tuple((rows, longest_batch(lengths, stage, rows)) for rows in fitting)


def longest_batch(lengths: Any, stage: StageRecipe, rows: int) -> int:
    """Return the most tokens that a forward pass of so many rows can hold: the longest ones, met by chance at once."""
    if stage.packing:
        return rows * stage.max_length
    longest = np.sort(lengths)[-rows:]
    return int(longest.sum() if stage.padding_free else longest.max(initial=0) * rows)


def _dataset(tokens: TokenisedSet, split: str) -> Dataset:
    return concatenate_datasets([Dataset.from_file(file) for file in tokens.files(split)])


def tokens_of(
    job: TrainingJob, recipe: Recipe, words: ChatTokenizer, state: PartialState, work: Path, *, report: Report
) -> TokenisedSet:
    """Return the tokenised set of a job: the one that it names, or one made now by the first process.

    One that was made for another stage or tokenizer, as where stage 1 changed the tokenizer, is made again, and said.
    """
    if job.tokens:
        given = open_set(Path(job.tokens))
        differing = given.differing(layout_of(recipe, job.stage), tokenizer_sha256(words.tokenizer))
        if not differing:
            return given
        if state.is_main_process:
            report({"kind": "note", "text": f"tokenised again: {job.tokens} differs in {', '.join(differing)}"})
    with state.main_process_first():
        if state.is_main_process:
            make_set(job, recipe, words, work / "tokens")
    return open_set(work / "tokens")
