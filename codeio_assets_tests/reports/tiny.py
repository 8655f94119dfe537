"""A tiny but complete warehouse whose numbers can be counted by hand: see `SHARDS`.

Tables are plain rows, so that a test can break one of them before it writes.
"""

import json
from typing import Any

from codeio_assets.core.settings.quality import FLAWS
from codeio_assets.core.tables.data import frame, polars_schema
from codeio_assets.core.values.canonical import canonical_json, content_id
from codeio_assets.store import Warehouse

Rows = list[dict[str, Any]]
Tables = dict[str, dict[str, Rows]]
"""Partition -> table -> rows."""

RECIPE = "demo"
MODEL = "tiny-model"
WRITER = {
    "transform_attempts": "unified_functions",
    "revised_verdicts": "revised_predictions",
    "near_duplicate_groups": "eligible_code_files",
    "sft_stage1_training_log": "sft_stage1_checkpoint",
    "sft_stage2_training_log": "sft_stage2_checkpoint",
    "held_out_answers": "held_out_scores",
}

# Per shard and file: what became of it. A function has two pairs, so four tasks; the four letters are the verdicts of
# its tasks over the turns: "wc" = wrong, then correct.
STATUS = {"c": "correct", "w": "wrong", "n": "no_answer", "e": "exception", "t": "timeout"}
SHARDS: dict[str, list[tuple[str, tuple[str, ...]]]] = {
    "alpha-0001": [
        ("not_python", ()),
        ("too_short", ()),
        ("broken_json", ()),
        ("no_output", ()),
        ("function", ("c", "wc", "c", "ww")),
        ("function", ("c", "c", "nc", "ec")),
        ("function", ("c", "wn", "wc", "te")),
    ],
    "beta-0001": [
        ("too_short", ()),
        ("function", ("c", "c", "c", "c")),
        ("function", ("ww", "wc", "nn", "c")),
    ],
}
RAW_FILES, ELIGIBLE, FUNCTIONS, WITH_PAIRS, PAIRS, TASKS = 10, 7, 6, 5, 10, 20
ANSWERED, CORRECT_FIRST, CORRECT_AT_LAST = 18, 10, 15


def tables() -> Tables:
    """Return the rows of all partitions."""
    shards = {shard: _shard(shard, files) for shard, files in SHARDS.items()}
    chats = [_conversation(index) for index in range(3)]
    every = {"instruction_data": chats, "instruction_data_rejections": [_rejection("x", "chat", "broken_json")]}
    every["published_data_audit"] = [
        published(0, "reproduces"),
        published(1, "reproduces", misjudged="right_called_wrong"),
    ]
    every["results"] = [_result("mine stage 2", gain=2.5, gain_low=0.5, gain_high=4.5, changed=3)]
    return {**shards, "all": every, RECIPE: _recipe(shards, chats)}


def _result(name: str, **gained: float) -> dict[str, Any]:
    nothing = dict.fromkeys(polars_schema("results"))
    cell = {"base": "m", "name": name, "is_published": False, "benchmark": "gsm8k", "value": 40.0}
    return {**nothing, **cell, "cell_id": content_id(cell=name), "low": 35.0, "high": 45.0, **gained}


def published(number: int, result: str, **other: str) -> dict[str, Any]:
    """Return a recorded pair of a published function, and what became of it."""
    flags = dict.fromkeys(("is_degenerate", "repeats_input", "repeats_input_prompt", "repeats_function"), False)
    return {
        "pair_id": content_id(published=number),
        "function_number": number,
        "pair_index": 0,
        "entry": "main_solution",
        "result": result,
        "input_json": '{"a":1}',
        "output_json": "2",
        "now_json": "2",
        **flags,
        "misjudged": None,
        **other,
    }


def write(warehouse: Warehouse, content: Tables) -> Warehouse:
    """Commit rows to a warehouse and return it."""
    for partition, named in content.items():
        assets: dict[str, dict[str, Any]] = {}
        for table, rows in named.items():
            asset = WRITER.get(table, table.removesuffix("_rejections"))
            assets.setdefault(asset, {})[table] = frame(table, rows)
        for asset, frames in assets.items():
            warehouse.write(asset, partition, frames)
    return warehouse


def _shard(shard: str, files: list[tuple[str, tuple[str, ...]]]) -> dict[str, Rows]:
    source = shard.rsplit("-", 1)[0]
    named: dict[str, Rows] = {
        table: []
        for table in (
            "raw_code_files", "raw_code_files_rejections", "eligible_code_files", "eligible_code_files_rejections",
            "transform_attempts", "unified_functions", "unified_functions_rejections", "io_pairs",
            "io_pairs_rejections", "prediction_tasks", "prediction_tasks_rejections", "predictions", "verdicts",
            "revised_predictions", "revised_verdicts", "cot_flaws", "cot_grounding", "pass_rates", "model_usage",
            "verdict_history", "function_costs", "near_duplicate_groups",
        )
    }  # fmt: skip
    for number, (fate, verdicts) in enumerate(files):
        _add_file(named, source, number, fate, verdicts)
    named["model_usage"].append(_usage(shard))
    named["verdict_history"] += [history(shard, direction, 5, 10) for direction in ("input", "output")]
    return named


def history(shard: str, direction: str, correct: int, total: int, **other: str) -> dict[str, Any]:
    """Return how many verdicts of a version of a shard were right."""
    return {
        "version": content_id(version=shard),
        "shard": shard,
        "source": shard.rsplit("-", 1)[0],
        "direction": direction,
        "turn": 1,
        "model_id": MODEL,
        "correct": correct,
        "total": total,
        "written_at": "2026-01-02T03:04:05+00:00",
        **other,
    }


def _usage(shard: str) -> dict[str, Any]:
    counts = {"requests": 12, "replayed": 4, "failed": 0, "tries": 9, "prompt_tokens": 800, "cached_tokens": 80}
    return {
        "usage_id": content_id(shard=shard),
        "run_id": f"run of {shard}",
        "asset": "predictions",
        "shard": shard,
        "model_id": MODEL,
        "ended_at": "2026-01-02T03:04:05+00:00",
        **counts,
        "completion_tokens": 240,
        "cost": 0.5,
        "wall_time_s": 4.0,
        "currency": "USD",
    }


def _add_file(named: dict[str, Rows], source: str, number: int, fate: str, verdicts: tuple[str, ...]) -> None:
    content = f"def add_{number}(a, b):\n    return a + b + {number}\n"
    file_id = content_id(source=source, number=number)
    origin = {"source": source, "repository": "someone/project", "path": f"src/part_{number}.py", "license": "MIT"}
    file = {
        "file_id": file_id,
        **origin,
        "content": content,
        "content_sha256": content_id(content=content),
        "size_bytes": len(content),
    }
    named["raw_code_files"].append(file)
    if fate in {"not_python", "too_short"}:
        named["eligible_code_files_rejections"].append(_rejection(file_id, source, fate))
        return
    named["eligible_code_files"].append(file)
    fails = fate == "broken_json"
    asked = 2 if fails or number % 2 else 1
    for attempt in range(1, asked + 1):
        named["transform_attempts"].append(_attempt(file_id, source, attempt, fails or attempt < asked))
    if fails:
        named["unified_functions_rejections"].append(_rejection(file_id, source, fate))
        return
    function = _function(file_id, origin, number, asked)
    named["unified_functions"].append(function)
    cost = {"shard": f"{source}-0001", "calls": 10 + number, "cpu_s": 0.5 * (number + 1), "shard_share": 0.1}
    named["function_costs"].append({"function_id": function["function_id"], **cost})
    if fate == "no_output":
        named["io_pairs_rejections"].append(_rejection(function["function_id"], source, fate))
        return
    for pair_index in range(2):
        pair = _pair(function, pair_index, number)
        named["io_pairs"].append(pair)
        for offset, direction in enumerate(("input", "output")):
            _add_task(named, function, pair, direction, verdicts[2 * pair_index + offset])


def _add_task(named: dict[str, Rows], function: dict[str, Any], pair: dict[str, Any], direction: str, turns: str):
    given = pair["output_json"] if direction == "input" else pair["input_json"]
    task = {
        "task_id": content_id(pair=pair["pair_id"], direction=direction),
        "pair_id": pair["pair_id"],
        "function_id": function["function_id"],
        "source": function["source"],
        "direction": direction,
        "prompt": f"{function['query']}\nGiven {given}, predict the {direction}.\n{function['reference_code']}",
        "prompt_sha256": content_id(prompt=direction),
    }
    named["prediction_tasks"].append(task)
    for turn, letter in enumerate(turns, start=1):
        prediction = _prediction(task, turn)
        named["predictions" if turn == 1 else "revised_predictions"].append(prediction)
        named["verdicts" if turn == 1 else "revised_verdicts"].append(_verdict(prediction, STATUS[letter], pair))
        shared = ("prediction_id", "task_id", "function_id", "source", "direction", "turn", "model_id")
        flags = dict.fromkeys(FLAWS, False) | {"answer_missing": letter == "n", "too_short": True}
        named["cot_flaws"].append({name: prediction[name] for name in shared} | flags)
        grounded = {"statements": 2, "grounded": 2 if letter == "c" else 1, "ungrounded_json": "[]"}
        grounded |= {"state_lines": 1, "right_state_lines": 1, "wrong_state_lines_json": "[]"}
        named["cot_grounding"].append({name: prediction[name] for name in shared[:-1]} | grounded)
    named["pass_rates"].append(_rate(task, 4 if turns[0] == "c" else 0))


def _rate(task: dict[str, Any], correct: int) -> dict[str, Any]:
    return {
        "rate_id": content_id(rate=task["task_id"]),
        **{name: task[name] for name in ("task_id", "function_id", "source", "direction")},
        "model_id": MODEL,
        "samples": 4,
        "correct": correct,
        "pass_rate": correct / 4,
        "pass_rate_low": 0.0,
        "pass_rate_high": 1.0,
        "rule_version": "default-1",
    }


def _attempt(file_id: str, source: str, attempt: int, fails: bool) -> dict[str, Any]:
    key = content_id(file=file_id, attempt=attempt)
    return {
        "attempt_id": content_id(attempt=key),
        "file_id": file_id,
        "source": source,
        "attempt": attempt,
        "request_key": key,
        "status": "answered",
        "reason": "broken_json" if fails else None,
        "detail": "no closing brace" if fails else None,
        "model_id": MODEL,
        "prompt_tokens": 900,
        "completion_tokens": 400,
    }


def _function(file_id: str, origin: dict[str, Any], number: int, attempt: int) -> dict[str, Any]:
    return {
        "function_id": content_id(function=file_id),
        "file_id": file_id,
        **origin,
        "reference_code": f"def main_solution(a, b):\n    return a + b + {number}",
        "io_description": "Input: a (int), b (int). Output: int.",
        "input_generator": "def input_generator():\n    return {'a': 1, 'b': 2}",
        "query": "Add two numbers and a constant.",
        "attempt": attempt,
        "request_key": content_id(file=file_id, attempt=attempt),
        "model_id": MODEL,
        "prompt_sha256": content_id(prompt="transform"),
    }


def _pair(function: dict[str, Any], index: int, number: int) -> dict[str, Any]:
    return {
        "pair_id": content_id(function=function["function_id"], index=index),
        "function_id": function["function_id"],
        "source": function["source"],
        "pair_index": index,
        "input_json": canonical_json({"a": index, "b": 2}),
        "output_json": canonical_json(index + 2 + number),
        "is_degenerate": False,
    }


def _prediction(task: dict[str, Any], turn: int) -> dict[str, Any]:
    key = content_id(task=task["task_id"], turn=turn)
    size = 40 + int(key[:2], 16)
    return {
        "prediction_id": content_id(prediction=key),
        **{name: task[name] for name in ("task_id", "function_id", "source", "direction")},
        "turn": turn,
        "request_key": key,
        "status": "answered",
        "response": f"Turn {turn}: a and b are added. {key[:size]}\n" + '{"output": 3}',
        "reasoning": None,
        "finish_reason": "stop",
        "model_id": MODEL,
        "prompt_tokens": 300 + size,
        "completion_tokens": size,
        "attempts": 1,
        "failure": None,
    }


def _verdict(prediction: dict[str, Any], status: str, pair: dict[str, Any]) -> dict[str, Any]:
    executed = prediction["direction"] == "input" and status in {"correct", "wrong"}
    return {
        "verdict_id": content_id(verdict=prediction["prediction_id"]),
        **{name: prediction[name] for name in ("prediction_id", "task_id", "function_id", "source", "direction")},
        "turn": prediction["turn"],
        "status": status,
        "predicted_json": _predicted(prediction["direction"], status, pair),
        "executed_output_json": (pair["output_json"] if status == "correct" else "-1") if executed else None,
        "error_type": "ValueError" if status == "exception" else None,
        "feedback": "Success" if status == "correct" else f"The prediction is not correct ({status}).",
        "rule_version": "default-1",
    }


def _predicted(direction: str, status: str, pair: dict[str, Any]) -> str | None:
    if status == "no_answer":
        return None
    right = pair["output_json"] if direction == "output" else pair["input_json"]
    return right if status == "correct" else '{"a":-3,"b":0}'


def _rejection(item: str, source: str, reason: str) -> dict[str, Any]:
    return {"id": item, "source": source, "reason": reason, "detail": f"found: {reason}"}


def _conversation(index: int) -> dict[str, Any]:
    messages = [{"role": "user", "content": f"Question {index}"}, {"role": "assistant", "content": f"Answer {index}"}]
    return {
        "sample_id": content_id(messages=messages),
        "source": "chat",
        "messages_json": canonical_json(messages),
        "split": "train",
    }


def _recipe(shards: dict[str, dict[str, Rows]], chats: Rows) -> dict[str, Rows]:
    tasks = [task for named in shards.values() for task in named["prediction_tasks"]]
    functions = sorted({task["function_id"] for task in tasks})
    samples = [_task_sample(task, "validation" if task["function_id"] == functions[0] else "train") for task in tasks]
    samples += [_chat_sample(chat) for chat in chats]
    return {
        "training_sets": samples,
        "training_sets_rejections": [_rejection("y", "alpha", "outside_fraction")],
        "sft_stage1_checkpoint": [_checkpoint(1)],
        "sft_stage1_training_log": _log(1),
        "sft_stage2_checkpoint": [_checkpoint(2)],
        "sft_stage2_training_log": _log(2),
        **_evaluation([task for task in tasks if task["function_id"] == functions[0]]),
    }


_ABSENT = dict.fromkeys(
    ("task_id", "function_id", "group_id", "direction", "repository", "path", "license", "turn_1", "feedback_1",
     "turn_2", "feedback_2", "final_status")
)  # fmt: skip


def _task_sample(task: dict[str, Any], split: str) -> dict[str, Any]:
    return {
        **_ABSENT,
        "sample_id": content_id(sample=task["task_id"]),
        "stage": 1,
        "kind": "codeio",
        "split": split,
        **{name: task[name] for name in ("task_id", "function_id", "source", "direction")},
        "group_id": task["function_id"],
        "prompt_json": canonical_json([{"role": "user", "content": task["prompt"]}]),
        "completion": f"For {task['task_id'][:8]}: add them.",
    }


def _chat_sample(chat: dict[str, Any]) -> dict[str, Any]:
    messages = json.loads(chat["messages_json"])
    return {
        **_ABSENT,
        "sample_id": chat["sample_id"],
        "stage": 2,
        "kind": "instruction",
        "split": "train",
        "source": "chat",
        "prompt_json": canonical_json(messages[:-1]),
        "completion": messages[-1]["content"],
    }


def _checkpoint(stage: int) -> dict[str, Any]:
    return {
        "checkpoint_sha256": content_id(checkpoint=stage),
        "recipe": RECIPE,
        "stage": stage,
        "path": f"/checkpoints/{RECIPE}/stage{stage}",
        "parent_sha256": content_id(checkpoint=1) if stage == 2 else None,
        "base_model": "tiny-base",
        "steps": 6,
        "train_rows": 16,
        "validation_rows": 4,
        "tokens_seen": 12_000 * stage,
        "loss_before": 2.5,
        "loss_after": 2.0,
        "audit_json": canonical_json({"epochs_implied": 1.5, "padding_ratio": 0.25, "trainable_tokens": 4000}),
    }


def _log(stage: int) -> Rows:
    return [{"step": step, "recipe": RECIPE, "stage": stage, "loss": 3.0 - step / 10} for step in range(1, 7)]


def _evaluation(tasks: Rows) -> dict[str, Rows]:
    """Return answers of base and stage 1 to the held-out tasks: stage 1 has all right, the base none."""
    models = {"base": None, "stage1": content_id(checkpoint=1)}
    answers = [
        {
            "answer_id": content_id(model=model, task=task["task_id"]),
            "recipe": RECIPE,
            "model": model,
            "checkpoint_sha256": checkpoint,
            **{name: task[name] for name in ("task_id", "function_id", "source", "direction")},
            "response": "{}",
            "finish_reason": "stop",
            "prompt_tokens": 10,
            "completion_tokens": 2,
            "status": "correct" if checkpoint else "no_answer",
            "predicted_json": None,
            "executed_output_json": None,
            "error_type": None,
            "rule_version": "default-1",
        }
        for model, checkpoint in models.items()
        for task in tasks
    ]
    scores = [_score(answers, model, subject) for model in models for subject in ("input", "output")]
    return {"held_out_scores": scores, "held_out_answers": answers}


def _score(answers: Rows, model: str, subject: str) -> dict[str, Any]:
    own = [row for row in answers if (row["model"], row["direction"]) == (model, subject)]
    correct = sum(row["status"] == "correct" for row in own)
    return {
        "score_id": content_id(model=model, subject=subject),
        "recipe": RECIPE,
        "model": model,
        "checkpoint_sha256": own[0]["checkpoint_sha256"],
        "subject": subject,
        "answers": len(own),
        "without_value": len(own) - correct,
        "correct": correct,
        "accuracy": correct / len(own),
        "accuracy_low": 0.0,
        "accuracy_high": 1.0,
        "loss_rows": len(own),
        "loss_tokens": 20,
        "loss": 1.5,
        "loss_low": 1.0,
        "loss_high": 2.0,
    }
