"""instruction_data: the chat conversations for stage 2, validated and without repeats.

What does not live here: reading files (`sources.conversations`), which rows are held out (`core.method.splits`),
choosing them for a recipe (`steps.training_sets`).
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import polars as pl

from codeio_assets.core.method.splits import side
from codeio_assets.core.settings.project import InstructionSource, Split
from codeio_assets.core.tables.data import Row, frame
from codeio_assets.core.values.canonical import Json, canonical_json, content_id
from codeio_assets.sources.conversations import RawConversation, read_conversations
from codeio_assets.steps.result import StepResult, account, rejection, storable

ROWS_PER_FRAME = 16_384
ROLES = {"system", "user", "assistant"}
_WORD = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class _Bad:
    """Why a line is no conversation."""

    reason: str
    detail: str


def collect_conversations(sources: Mapping[str, InstructionSource], base: Path, split: Split) -> StepResult:
    """Read chat conversations; rejections: `broken_json`, `bad_conversation`, `duplicate_conversation`.

    Tokens are counted by words and signs, whatever the model; the audit before training counts those of its own.

    Raises:
        SettingsError: a source does not exist or cannot be read.
    """
    rows = _Rows()
    rejections: list[Row] = []
    tokens: Counter[str] = Counter()
    for name, source in sources.items():
        for raw in read_conversations(name, source, base):
            row = _conversation(name, raw, split)
            if isinstance(row, _Bad):
                rejections.append(rejection(raw.item_sha256, name, row.reason, f"{raw.where}: {row.detail}"))
            elif not rows.add(row):
                rejections.append(rejection(row["sample_id"], name, "duplicate_conversation", raw.where))
            else:
                tokens[name] += sum(
                    len(_WORD.findall(message["content"])) for message in cast("list[Row]", raw.messages)
                )
    info: dict[str, Json] = {"approximate_tokens_by_source": dict(tokens)}
    made = rows.frame()
    return account("instruction_data", made, rejections, items_in=len(made) + len(rejections), info=info)


class _Rows:
    """Distinct rows, kept as columns, which take less memory than Python objects."""

    def __init__(self) -> None:
        self._seen: set[bytes] = set()
        self._frames: list[pl.DataFrame] = [frame("instruction_data", [])]
        self._pending: list[Row] = []

    def add(self, row: Row) -> bool:
        """Take a row; return False when it is a repeat."""
        known = bytes.fromhex(row["sample_id"])
        if known in self._seen:
            return False
        self._seen.add(known)
        self._pending.append(row)
        if len(self._pending) >= ROWS_PER_FRAME:
            self._put_away()
        return True

    def frame(self) -> pl.DataFrame:
        """Return all rows, sorted by id."""
        self._put_away()
        return pl.concat(self._frames).sort("sample_id")

    def _put_away(self) -> None:
        self._frames.append(frame("instruction_data", self._pending))
        self._pending = []


def _conversation(source: str, raw: RawConversation, split: Split) -> Row | _Bad:
    if raw.broken is not None:
        return _Bad("broken_json", raw.broken)
    try:
        given = cast("list[Row]", raw.messages)
        chat: list[Row] = [{"role": message["role"], "content": message["content"]} for message in given]
    except (KeyError, TypeError, IndexError):
        return _Bad("bad_conversation", "no list `messages` of objects with `role` and `content`")
    problem = _problem(chat)
    if problem:
        return _Bad("bad_conversation", problem)
    sample_id = content_id(messages=chat)
    return {
        "sample_id": sample_id,
        "source": source,
        "messages_json": canonical_json(chat),
        "split": side(sample_id, split),
    }


def _problem(chat: list[Row]) -> str | None:
    if any(not isinstance(value, str) for message in chat for value in message.values()) or any(
        message["role"] not in ROLES for message in chat
    ):
        return f"roles must be {', '.join(sorted(ROLES))} and contents text"
    if any(storable(message["content"]) != message["content"] for message in chat):
        return "a content holds a lone surrogate"
    if len(chat) < 2 or chat[-1]["role"] != "assistant" or not chat[-1]["content"].strip():
        return "the last message must be a non-empty one of the assistant, after another message"
    return None
