"""instruction_data and training_sets: reading conversations, and building the rows a recipe trains on.

What does not live here: how one sample is built (`core.assembly`), which rows are held out (`core.splits`).
"""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from codeio_assets.core.assembly import NoSample, Turn, build_sample, prompts_of_format
from codeio_assets.core.canonical import canonical_json, content_id, sha256_hex
from codeio_assets.core.recipes import Recipe
from codeio_assets.core.settings import InstructionSource, Phrases, SettingsError, Split
from codeio_assets.core.splits import side, takes_part
from codeio_assets.stages.result import Row, StageResult, account, rejection, storable

ROLES = {"system", "user", "assistant"}


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
            if isinstance(row, NoSample):
                rejections.append(rejection(sha256_hex(line), name, row.reason, f"{where}: {row.detail}"))
            elif row["sample_id"] in rows:
                rejections.append(rejection(row["sample_id"], name, "duplicate_conversation", where))
            else:
                rows[row["sample_id"]] = row
    return account("instruction_data", list(rows.values()), rejections, items_in=lines_in)


def _conversation(source: str, line: bytes, split: Split) -> Row | NoSample:
    try:
        messages = json.loads(line)["messages"]
        chat = [{"role": message["role"], "content": message["content"]} for message in messages]
    except (ValueError, RecursionError) as error:
        return NoSample("broken_json", str(error))
    except (KeyError, TypeError, IndexError):
        return NoSample("bad_conversation", "no list `messages` of objects with `role` and `content`")
    problem = _problem(chat)
    if problem:
        return NoSample("bad_conversation", problem)
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


def assemble(
    recipe: Recipe, task_turns: pl.DataFrame, conversations: pl.DataFrame, phrases: Phrases, split: Split
) -> StageResult:
    """Build the rows of all stages of a recipe; each (stage, item) ends as a row or a rejection.

    `task_turns` is the result of sql/transforms/task_turns.sql. Rejections: the reasons of `core.assembly`,
    `source_left_out`, `outside_fraction`.
    """
    rows: list[Row] = []
    rejections: list[Row] = []
    items_in = 0
    prompts = prompts_of_format(recipe.format)
    samples = [_codeio_sample(recipe, task, phrases, prompts) for task in task_turns.to_dicts()]
    chats = conversations.to_dicts()
    for stage_number, stage in sorted(recipe.stages.items()):
        for kind, share in sorted(stage.mix.items()):
            items = samples if kind == "codeio" else [_instruction_sample(chat) for chat in chats]
            items_in += len(items)
            for item in items:
                owner = item["function_id"] or item["sample_id"]
                if item["reason"] is None and not takes_part(owner, share, "mix"):
                    item = {**item, "reason": "outside_mix_share", "detail": f"share {share} of {kind}"}
                if item["reason"]:
                    text = f"stage {stage_number}: {item['detail']}"
                    rejections.append(rejection(item["sample_id"], item["source"], item["reason"], text))
                else:
                    plain = {name: value for name, value in item.items() if name not in {"reason", "detail"}}
                    rows.append({**plain, "stage": stage_number, "split": side(owner, split)})
    counts = Counter(f"stage_{row['stage']}_{row['split']}" for row in rows)
    return account(
        "training_sets",
        rows,
        rejections,
        items_in=items_in,
        info={"rows_by_split": dict(sorted(counts.items()))},
    )


def _codeio_sample(recipe: Recipe, task: Row, phrases: Phrases, prompts: Mapping[str, Any]) -> Row:
    """Return a sample with `reason` and `detail` (both None when it takes part)."""
    problem = _left_out(recipe, task)
    sample = problem or build_sample(recipe, task, [Turn(**turn) for turn in task["turns"]], phrases, prompts)
    if isinstance(sample, NoSample):
        ids = {"sample_id": task["task_id"], "function_id": task["function_id"], "source": task["source"]}
        return {**ids, "reason": sample.reason, "detail": sample.detail}
    return {**sample, "reason": None, "detail": None}


def _left_out(recipe: Recipe, task: Row) -> NoSample | None:
    data = recipe.data
    if not data.sources.allows(task["source"]):
        return NoSample("source_left_out", f"source {task['source']}")
    if not takes_part(task["function_id"], data.fraction, "fraction"):
        return NoSample("outside_fraction", f"outside the fraction {data.fraction}")
    return None


def _instruction_sample(chat: Row) -> Row:
    messages = json.loads(chat["messages_json"])
    empty = dict.fromkeys(
        ("task_id", "function_id", "direction", "repository", "path", "license", "turn_1", "feedback_1", "turn_2",
         "feedback_2", "final_status", "reason", "detail")
    )  # fmt: skip
    return {
        **empty,
        "sample_id": chat["sample_id"],
        "kind": "instruction",
        "source": chat["source"],
        "prompt_json": canonical_json(messages[:-1]),
        "completion": messages[-1]["content"],
    }
