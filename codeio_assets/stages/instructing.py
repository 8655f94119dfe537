"""instruction_data: reading chat conversations for stage 2.

What does not live here: which rows are held out (`core.splits`), choosing them for a recipe (`stages.assembling`).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codeio_assets.core.canonical import canonical_json, content_id, sha256_hex
from codeio_assets.core.settings import InstructionSource, SettingsError, Split
from codeio_assets.core.splits import side
from codeio_assets.stages.result import Row, StageResult, account, rejection, storable

ROLES = {"system", "user", "assistant"}


@dataclass(frozen=True, slots=True)
class _Bad:
    """Why a line is no conversation."""

    reason: str
    detail: str


def read_conversations(sources: Mapping[str, InstructionSource], base: Path, split: Split) -> StageResult:
    """Read chat conversations; rejections: `broken_json`, `bad_conversation`, `duplicate_conversation`.

    Raises:
        SettingsError: a file does not exist.
    """
    rows: dict[str, Row] = {}
    rejections: list[Row] = []
    lines_in = 0
    for name, source in sources.items():
        path = base / source.path
        if not path.is_file():
            raise SettingsError(f"instruction data {name}: {path} does not exist. Correct `path` in sources.yaml.")
        for number, line in enumerate(path.read_bytes().splitlines(), start=1):
            if not line.strip():
                continue
            lines_in += 1
            row = _conversation(name, line, split)
            where = f"{path.name}:{number}"
            if isinstance(row, _Bad):
                rejections.append(rejection(sha256_hex(line), name, row.reason, f"{where}: {row.detail}"))
            elif row["sample_id"] in rows:
                rejections.append(rejection(row["sample_id"], name, "duplicate_conversation", where))
            else:
                rows[row["sample_id"]] = row
    return account("instruction_data", list(rows.values()), rejections, items_in=lines_in)


def _conversation(source: str, line: bytes, split: Split) -> Row | _Bad:
    try:
        messages = json.loads(line)["messages"]
        chat = [{"role": message["role"], "content": message["content"]} for message in messages]
    except (ValueError, RecursionError) as error:
        return _Bad("broken_json", str(error))
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


def _problem(chat: list[dict[str, Any]]) -> str | None:
    if any(not isinstance(value, str) for message in chat for value in message.values()) or any(
        message["role"] not in ROLES for message in chat
    ):
        return f"roles must be {', '.join(sorted(ROLES))} and contents text"
    if any(storable(message["content"]) != message["content"] for message in chat):
        return "a content holds a lone surrogate"
    if len(chat) < 2 or chat[-1]["role"] != "assistant" or not chat[-1]["content"].strip():
        return "the last message must be a non-empty one of the assistant, after another message"
    return None
