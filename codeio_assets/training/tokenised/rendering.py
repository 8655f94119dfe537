"""Conversations as token ids through a chat template, in batches.

What lives here: rendering, tokenising, and finding where the completion starts, as TRL finds it. What does not: cutting
and packing (`layout`), files and processes (`sets`). Needs a tokenizer, no torch.

A template renders prompt and whole conversation; tokenising the prompt again, which is half the work, is left out where
the result is known: a tokenizer splits at its special tokens first, so both have the same ids up to the last special
token of the prompt, and only the few characters behind it are tokenised on their own, once.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codeio_assets.training.contract import TrainingError
from codeio_assets.training.tokenised.samples import Sample

Ids = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Rendered:
    """Rows as tokens, before they are cut.

    Attributes:
        ids: (tokens,) of all rows, one after the other.
        lengths: (rows,) tokens of each row.
        prompts: (rows,) how many of them are the prompt.
        ended: (rows,) whether the completion ends the model's turn.
        controlled: (rows,) whether a text holds one of the tokenizer's special tokens, which then acts as one.
    """

    ids: Ids
    lengths: Ids
    prompts: Ids
    ended: NDArray[np.bool_]
    controlled: NDArray[np.bool_]


class Renderer:
    """A tokenizer with its chat template, ready for many batches."""

    def __init__(self, tokenizer: Any):
        self.tokenizer = tokenizer
        self.ends = np.array(sorted(tokenizer.all_special_ids), dtype=np.int32)
        added: dict[int, Any] = tokenizer.added_tokens_decoder
        special = {number: token for number, token in added.items() if token.special}
        self.marks = np.array(sorted(special), dtype=np.int32)
        texts = sorted((token.content for token in special.values()), key=len, reverse=True)
        self.mark = re.compile("|".join(re.escape(text) for text in texts)) if texts else None
        cuts_exactly = all(
            not (token.lstrip or token.rstrip or token.single_word or token.normalized) for token in special.values()
        )
        self.quick = bool(texts) and cuts_exactly and bool(getattr(tokenizer, "is_fast", False))
        self._tails: dict[str, list[int]] = {}

    def render(self, samples: Sequence[Sample]) -> Rendered:
        """Return the tokens of a batch."""
        try:
            wholes, prompts = self._rendered(samples)
        except Exception:  # templates are programs: they raise whatever they like
            for sample in samples:
                self._require_rendered(sample)
            raise
        ids: list[Ids] = [np.array(row, dtype=np.int32) for row in self._ids(wholes)]
        shared = [self._shared(*row) for row in zip(prompts, wholes, ids, strict=True)]
        # templates may end a turn with the end token and a newline
        ended = [bool(np.isin(row[start:][-2:], self.ends).any()) for row, start in zip(ids, shared, strict=True)]
        return Rendered(
            ids=np.concatenate(ids) if ids else np.empty(0, dtype=np.int32),
            lengths=np.array([len(row) for row in ids], dtype=np.int32),
            prompts=np.array(shared, dtype=np.int32),
            ended=np.array(ended, dtype=np.bool_),
            controlled=np.array([self._controlled(sample) for sample in samples], dtype=np.bool_),
        )

    def _rendered(self, samples: Sequence[Sample]) -> tuple[list[str], list[str]]:
        """Return whole conversations and prompts as texts."""
        wholes = self._texts([[*sample.prompt, *sample.answer] for sample in samples], prompt=False)
        return wholes, self._texts([sample.prompt for sample in samples], prompt=True)

    def _require_rendered(self, sample: Sample) -> None:
        try:
            self._rendered([sample])
        except Exception as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
            roles = ", ".join(message["role"] for message in [*sample.prompt, *sample.answer])
            advice = "system_messages: fold in the recipe puts system text into the first user message; else c"
            raise TrainingError(
                f"the chat template refuses row {sample.sample_id} (roles: {roles}): {reason}. "
                f"{advice if 'system' in roles else 'C'}hoose other rows, or another chat template."
            ) from error

    def _texts(self, conversations: list[list[dict[str, str]]], *, prompt: bool) -> list[str]:
        if not conversations:
            return []
        return self.tokenizer.apply_chat_template(conversations, tokenize=False, add_generation_prompt=prompt)

    def _ids(self, texts: list[str]) -> list[list[int]]:
        if not texts:
            return []
        return self.tokenizer(texts, add_special_tokens=False, return_attention_mask=False)["input_ids"]

    def _shared(self, prompt: str, whole: str, ids: Ids) -> int:
        """Return how many tokens the prompt alone and the whole conversation have in common at their start."""
        marks = list(self.mark.finditer(prompt)) if self.quick and self.mark and whole.startswith(prompt) else []
        if not marks:
            return _common(self._ids([prompt])[0], ids)
        head = int(np.flatnonzero(np.isin(ids, self.marks))[len(marks) - 1])
        return head + _common(self._tail(prompt[marks[-1].start() :]), ids[head:])

    def _tail(self, text: str) -> list[int]:
        """Return the ids of a prompt's last special token and what follows it; nearly always the same text."""
        known = self._tails.get(text)
        if known is None:
            known = self._ids([text])[0]
            if len(self._tails) < 64:
                self._tails[text] = known
        return known

    def _controlled(self, sample: Sample) -> bool:
        if self.mark is None:
            return False
        texts = (*(message["content"] for message in sample.prompt), sample.completion)
        return any(self.mark.search(text) for text in texts)


def _common(first: Sequence[int], second: Ids) -> int:
    pairs = zip(first, second[: len(first)].tolist(), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
