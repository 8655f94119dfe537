"""The token audit: what a training job will really do with its rows, before the first step.

What lives here: counting tokens as TRL will, and what follows from the counts (truncation, packing, epochs).
What does not: changing rows, or training on them (`sft`).

Source: CodeI/O, sec. 3.1: 700 steps of 1024 sequences are 0.61 epochs of 1.18M samples unless some 4.9 samples
are packed in a sequence; `epochs_implied` answers that for the data at hand.
"""

import random
from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import takewhile
from math import ceil
from typing import Any, Literal

from codeio_assets.core.settings.recipes import AuditLimits, StageRecipe
from codeio_assets.core.values.canonical import Json
from codeio_assets.training.contract import TrainingError
from codeio_assets.training.process.samples import Sample

SHOWN_IDS = 5


@dataclass(frozen=True, slots=True)
class RowTokens:
    """Token counts of one row before truncation; `has_end` tells that the completion ends the model's turn.

    `highest_token` is the greatest of its token ids.
    """

    sample_id: str
    prompt: int
    completion: int
    has_end: bool = True
    highest_token: int = 0

    def kept(self, max_length: int) -> int:
        """Completion tokens that remain when the row is cut to `max_length` tokens."""
        return max(0, min(self.completion, max_length - self.prompt))


@dataclass(frozen=True, slots=True)
class TokenAudit:
    """What the rows of a stage come to. Tokens are counted once per row; `_ratio` fields are 0 to 1.

    Attributes:
        completion_tokens_lost: Cut off because their row is longer than `max_length`.
        trainable_tokens: Completion tokens that remain: what the loss is computed on, per epoch.
        untrainable_ids: Rows whose prompt alone fills `max_length`.
        rows_without_end: Rows whose completion does not end the turn: cut off, or the template forgets it.
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


def count_tokens(samples: Iterable[Sample], tokenizer: Any) -> list[RowTokens]:
    """Count the tokens of each row through the chat template, as TRL does for prompt/completion conversations.

    Raises:
        TrainingError: the template refuses a row; names the row, its roles and the template's words.
    """
    ends = set(tokenizer.all_special_ids)
    return [_row_tokens(sample, tokenizer, ends) for sample in samples]


def rendered(sample: Sample, tokenizer: Any) -> tuple[list[int], int]:
    """Return a sample's tokens through the chat template, and how many of them are the prompt."""
    prompt: list[int] = tokenizer.apply_chat_template(sample.prompt, add_generation_prompt=True, return_dict=True)[
        "input_ids"
    ]
    whole: list[int] = tokenizer.apply_chat_template([*sample.prompt, *sample.answer], return_dict=True)["input_ids"]
    return whole, sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(prompt, whole, strict=False)))


def _row_tokens(sample: Sample, tokenizer: Any, ends: set[int]) -> RowTokens:
    try:
        whole, shared = rendered(sample, tokenizer)
    except Exception as error:  # templates are programs: they raise whatever they like
        roles = ", ".join(message["role"] for message in [*sample.prompt, *sample.answer])
        advice = "system_messages: fold in the recipe puts system text into the first user message; else c"
        raise TrainingError(
            f"the chat template refuses row {sample.sample_id} (roles: {roles}): {_first_line(error)}. "
            f"{advice if 'system' in roles else 'C'}hoose other rows, or another chat template."
        ) from error
    # templates may end a turn with the end token and a newline
    has_end = not ends.isdisjoint(whole[shared:][-2:])
    return RowTokens(sample.sample_id, shared, len(whole) - shared, has_end, max(whole, default=0))


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")


def audit(rows: Sequence[RowTokens], stage: StageRecipe, world_size: int = 1) -> TokenAudit:
    """Work out what a stage will do with rows of these lengths on `world_size` devices.

    Untrainable rows are counted in all that is about rows and tokens, and in nothing about sequences.
    """
    trainable = [row for row in rows if row.kept(stage.max_length)]
    lengths = [min(row.prompt + row.completion, stage.max_length) for row in trainable]
    packs = pack(lengths, stage.max_length) if stage.packing else lengths
    steps = planned_steps(stage, len(packs), world_size)
    kept = [row.kept(stage.max_length) for row in rows]
    completion_tokens = sum(row.completion for row in rows)
    cut = [row.prompt + row.completion > stage.max_length for row in rows]
    per_sequence = len(trainable) / len(packs) if packs else 0.0
    return TokenAudit(
        rows=len(rows),
        prompt_tokens=sum(row.prompt for row in rows),
        completion_tokens=completion_tokens,
        max_row_tokens=max((row.prompt + row.completion for row in rows), default=0),
        rows_truncated=sum(cut),
        completion_tokens_lost=completion_tokens - sum(kept),
        trainable_tokens=sum(kept),
        untrainable_ids=tuple(row.sample_id for row, count in zip(rows, kept, strict=True) if not count),
        rows_without_end=sum(was_cut or not row.has_end for row, was_cut in zip(rows, cut, strict=True)),
        packing=stage.packing,
        sequences=len(packs),
        samples_per_sequence=round(per_sequence, 4),
        padding_ratio=round(_padding_ratio(packs, stage), 4),
        steps=steps,
        epochs_implied=round(_epochs(stage, steps, len(packs)), 4),
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


def pack(lengths: Sequence[int], max_length: int) -> list[int]:
    """Return the filled length of each sequence after best-fit-decreasing packing, as TRL's strategy `bfd` does."""
    room: list[int] = []
    for length in sorted(lengths, reverse=True):
        index = bisect_left(room, length)
        left = (room.pop(index) if index < len(room) else max_length) - length
        insort(room, left)
    return [max_length - left for left in room]


def _padding_ratio(packs: Sequence[int], stage: StageRecipe) -> float:
    if not packs:
        return 0.0
    if stage.packing:
        return 1 - sum(packs) / (len(packs) * stage.max_length)
    order = list(packs)
    random.Random(stage.seed).shuffle(order)  # batches mix lengths at random, as the trainer's sampler does
    size = stage.per_device_batch_size
    batches = [order[start : start + size] for start in range(0, len(order), size)]
    return 1 - sum(order) / sum(max(batch) * len(batch) for batch in batches)


def _epochs(stage: StageRecipe, steps: int, sequences: int) -> float:
    """Return how often each sequence is seen; the last batch of an epoch holds only what is left."""
    if stage.epochs is not None:
        return stage.epochs
    if not sequences:
        return 0.0
    whole, rest = divmod(steps, ceil(sequences / stage.global_batch_size))
    return whole + rest * stage.global_batch_size / sequences
