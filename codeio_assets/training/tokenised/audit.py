"""The token audit: what a training job will really do with its rows, before the first step.

What lives here: what follows from the counts of tokens per row (truncation, packing, epochs).
What does not: counting, changing rows (`tokenised`), or training on them (`training.process.sft`).

Source: CodeI/O, sec. 3.1: 700 steps of 1024 sequences are 0.61 epochs of 1.18M samples unless some 4.9 samples
are packed in a sequence; `epochs_implied` answers that for the data at hand.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from itertools import takewhile
from math import ceil
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from codeio_assets.core.settings.recipes import AuditLimits, StageRecipe
from codeio_assets.core.values.canonical import Json
from codeio_assets.training.contract import TrainingError
from codeio_assets.training.plain_text import control_tokens, plain_messages
from codeio_assets.training.tokenised.layout import pack
from codeio_assets.training.tokenised.samples import Sample

SHOWN_IDS = 5


@dataclass(frozen=True, slots=True)
class RowTokens:
    """Token counts of one row before truncation; `has_end` tells that the completion ends the model's turn."""

    sample_id: str
    prompt: int
    completion: int
    has_end: bool = True


@dataclass(frozen=True, slots=True)
class RowCounts:
    """Token counts of all rows before truncation, as arrays of one number per row.

    Attributes:
        prompts: Tokens of each prompt.
        completions: Tokens of each completion.
        ended: Whether the completion ends the model's turn.
        controlled: Control tokens that the texts spelled, which are plain text to the model.
        untrainable_ids: Rows whose prompt alone fills the sequence.
    """

    prompts: NDArray[np.int32]
    completions: NDArray[np.int32]
    ended: NDArray[np.bool_]
    controlled: NDArray[np.int32]
    untrainable_ids: tuple[str, ...] = ()

    @classmethod
    def of(cls, rows: Iterable[RowTokens], max_length: int) -> Self:
        """Return the counts of single rows."""
        known = list(rows)
        return cls(
            prompts=np.array([row.prompt for row in known], dtype=np.int32),
            completions=np.array([row.completion for row in known], dtype=np.int32),
            ended=np.array([row.has_end for row in known], dtype=np.bool_),
            controlled=np.zeros(len(known), dtype=np.int32),
            untrainable_ids=tuple(row.sample_id for row in known if row.completion <= 0 or row.prompt >= max_length),
        )

    def kept(self, max_length: int) -> NDArray[np.int64]:
        """Return the completion tokens that remain when rows are cut to `max_length` tokens."""
        return np.clip(np.minimum(self.completions, max_length - self.prompts), 0, None).astype(np.int64)

    def lengths(self, max_length: int) -> NDArray[np.int64]:
        """Return the lengths of the rows that can be trained on, cut."""
        whole = self.prompts.astype(np.int64) + self.completions
        return np.minimum(whole, max_length)[self.kept(max_length) > 0]


@dataclass(frozen=True, slots=True)
class TokenAudit:
    """What the rows of a stage come to. Tokens are counted once per row; `_ratio` fields are 0 to 1.

    Attributes:
        completion_tokens_lost: Cut off because their row is longer than `max_length`.
        trainable_tokens: Completion tokens that remain: what the loss is computed on, per epoch.
        untrainable_ids: Rows whose prompt alone fills `max_length`.
        rows_without_end: Rows whose completion does not end the turn: cut off, or the template forgets it.
        rows_with_control_tokens: Rows whose text spells a control token, which is plain text to the model.
        control_tokens: How many such spellings there are.
        sequences: What an epoch consists of: rows, or packs of rows.
        padding_ratio: Share of positions that hold no sample: padding, or the unfilled end of packs.
        epochs_implied: How often each row is seen on average.
    """

    rows: int
    prompt_tokens: int
    completion_tokens: int
    max_row_tokens: int
    rows_truncated: int
    completion_tokens_lost: int
    trainable_tokens: int
    untrainable_ids: tuple[str, ...]
    rows_without_end: int
    rows_with_control_tokens: int
    control_tokens: int
    packing: bool
    sequences: int
    samples_per_sequence: float
    padding_ratio: float
    steps: int
    epochs_implied: float

    def as_json(self) -> dict[str, Json]:
        """Return the audit as plain JSON."""
        return {**asdict(self), "untrainable_ids": list(self.untrainable_ids)}

    def require_trainable(self, untrainable_rows: Literal["error", "drop"] = "error") -> None:
        """Refuse rows that nothing can be learned from.

        Raises:
            TrainingError: there are no rows to train on, or (unless they may be dropped) some have no trainable
                token; names the first of them.
        """
        if not self.rows:
            raise TrainingError("there are no training rows for this stage. Check the recipe's mix and splits.")
        if self.untrainable_ids and (untrainable_rows == "error" or not self.trainable_tokens):
            shown = ", ".join(self.untrainable_ids[:SHOWN_IDS])
            raise TrainingError(
                f"{len(self.untrainable_ids)} of {self.rows} rows have no trainable token, because the prompt "
                f"alone fills max_length: {shown}. Raise max_length, or set untrainable_rows: drop."
            )

    def ratios(self) -> dict[str, float]:
        """Return what limits are set for, by the limit's name without `max_`."""
        return {
            "truncated_ratio": self.rows_truncated / max(1, self.rows),
            "lost_ratio": self.completion_tokens_lost / max(1, self.completion_tokens),
            "untrainable_ratio": len(self.untrainable_ids) / max(1, self.rows),
            "without_end_ratio": self.rows_without_end / max(1, self.rows),
            "padding_ratio": self.padding_ratio,
            "epochs": self.epochs_implied,
        }

    def require_within(self, limits: AuditLimits) -> None:
        """Refuse rows that a recipe's limits exclude.

        Raises:
            TrainingError: names what is beyond which limit.
        """
        beyond = beyond_limits(self.ratios(), limits)
        if beyond:
            raise TrainingError(
                f"the token audit is beyond the recipe's limits: {'; '.join(beyond)}. Raise max_length, choose other "
                f"rows, or raise the limit."
            )


def beyond_limits(ratios: Mapping[str, float], limits: AuditLimits) -> list[str]:
    """Return what of `TokenAudit.ratios` is beyond a recipe's limits, for people."""
    allowed: dict[str, float | None] = limits.model_dump()
    return [
        f"{name} is {value:.4g}, max_{name} {limit:.4g}"
        for name, value in ratios.items()
        if (limit := allowed[f"max_{name}"]) is not None and value > limit
    ]


def rendered(sample: Sample, tokenizer: Any) -> tuple[list[int], int]:
    """Return a sample's tokens through the chat template, and how many of them are the prompt."""
    control = control_tokens(tokenizer)
    prompt = _ids(plain_messages(sample.prompt, control), tokenizer, prompt=True)
    whole = _ids(plain_messages([*sample.prompt, *sample.answer], control), tokenizer, prompt=False)
    return whole, sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(prompt, whole, strict=False)))


def _ids(messages: list[dict[str, str]], tokenizer: Any, *, prompt: bool) -> list[int]:
    return tokenizer.apply_chat_template(messages, add_generation_prompt=prompt, return_dict=True)["input_ids"]


def audit(counts: RowCounts, stage: StageRecipe, world_size: int = 1, sequences: int | None = None) -> TokenAudit:
    """Work out what a stage will do with rows of these lengths on `world_size` devices.

    Untrainable rows are counted in all that is about rows and tokens, and in nothing about sequences.

    Args:
        counts: of all rows.
        stage: that will train on them.
        world_size: devices.
        sequences: how many packs the rows made, where that is known already.
    """
    lengths = counts.lengths(stage.max_length)
    if sequences is None:
        sequences = len(pack(lengths.tolist(), stage.max_length)) if stage.packing else len(lengths)
    steps = planned_steps(stage, sequences, world_size)
    trainable_tokens = int(counts.kept(stage.max_length).sum())
    completion_tokens = int(counts.completions.sum(dtype=np.int64))
    whole = counts.prompts.astype(np.int64) + counts.completions
    cut = whole > stage.max_length
    return TokenAudit(
        rows=len(whole),
        prompt_tokens=int(counts.prompts.sum(dtype=np.int64)),
        completion_tokens=completion_tokens,
        max_row_tokens=int(whole.max(initial=0)),
        rows_truncated=int(cut.sum()),
        completion_tokens_lost=completion_tokens - trainable_tokens,
        trainable_tokens=trainable_tokens,
        untrainable_ids=counts.untrainable_ids,
        rows_without_end=int((cut | ~counts.ended).sum()),
        rows_with_control_tokens=int(np.count_nonzero(counts.controlled)),
        control_tokens=int(counts.controlled.sum(dtype=np.int64)),
        packing=stage.packing,
        sequences=sequences,
        samples_per_sequence=round(len(lengths) / sequences, 4) if sequences else 0.0,
        padding_ratio=round(_padding_ratio(lengths, stage, sequences), 4),
        steps=steps,
        epochs_implied=round(_epochs(stage, steps, sequences), 4),
    )


def planned_steps(stage: StageRecipe, sequences: int, world_size: int = 1) -> int:
    """Return the optimiser steps of a stage; the last step of an epoch may hold less than a full batch."""
    if stage.max_steps is not None:
        return stage.max_steps
    assert stage.epochs is not None
    micro_batches = ceil(ceil(sequences / world_size) / stage.per_device_batch_size)
    return ceil(stage.epochs * ceil(micro_batches / accumulation_steps(stage, world_size)))


def accumulation_steps(stage: StageRecipe, world_size: int) -> int:
    """Return how many micro-batches make one step, so that the global batch is what the recipe says.

    Raises:
        TrainingError: the global batch cannot be divided over that many devices.
    """
    at_once = stage.per_device_batch_size * world_size
    if stage.global_batch_size % at_once:
        raise TrainingError(
            f"global_batch_size {stage.global_batch_size} is no multiple of per_device_batch_size "
            f"{stage.per_device_batch_size} x {world_size} devices. Change per_device_batch_size or the launch."
        )
    return stage.global_batch_size // at_once


def _padding_ratio(lengths: NDArray[np.int64], stage: StageRecipe, sequences: int) -> float:
    if not len(lengths):
        return 0.0
    if stage.packing:
        return 1 - int(lengths.sum()) / (sequences * stage.max_length)
    if stage.padding_free:
        return 0.0
    size = stage.per_device_batch_size
    order = np.random.default_rng(stage.seed).permutation(lengths)  # batches mix lengths at random, as the sampler does
    starts = np.arange(0, len(order), size)
    sizes = np.diff(np.append(starts, len(order)))
    positions = int((np.maximum.reduceat(order, starts) * sizes).sum())
    return 1 - int(lengths.sum()) / positions


def _epochs(stage: StageRecipe, steps: int, sequences: int) -> float:
    """Return how often each sequence is seen; the last batch of an epoch holds only what is left."""
    if stage.epochs is not None:
        return stage.epochs
    if not sequences:
        return 0.0
    whole, rest = divmod(steps, ceil(sequences / stage.global_batch_size))
    return whole + rest * stage.global_batch_size / sequences
