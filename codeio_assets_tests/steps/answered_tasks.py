"""A warehouse of tasks that were asked and judged, from as little as a test wants to say about them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from codeio_assets.core.settings.benchmarks import Leakage
from codeio_assets.core.settings.project import Phrases, Split
from codeio_assets.core.settings.recipes import Recipe
from codeio_assets.core.tables.data import TABLES, frame, polars_schema
from codeio_assets.core.values.canonical import canonical_json, content_id
from codeio_assets.project import Project
from codeio_assets.steps.training_sets import Assembly, assemble
from codeio_assets.store import Warehouse

PHRASES = Phrases(check_failed="CHECK: no.", retry="AGAIN.", check_passed="CHECK: yes.")
TRAIN_ALL = Split(validation_ratio=0, test_ratio=0)
LEAKAGE = Leakage.model_validate({})
CODE = "def main_solution(a): return a"


@dataclass(frozen=True)
class Turn:
    response: str
    verdict: str = "correct"
    feedback: str = "Success"
    status: str = "answered"


RIGHT = Turn('  I think {"output": 2}\n')
WRONG = Turn("It is 5.", "wrong", "Not correct.")


@dataclass(frozen=True)
class Task:
    """One task; what a test does not care about follows from `function`, `pair` and `direction`."""

    function: int = 1
    pair: int = 0
    direction: str = "output"
    turns: Sequence[Turn] = (RIGHT,)
    source: str = "s"
    shard: str = "s-0000"
    license: str | None = "mit"
    group: int | None = None
    bridges: Sequence[int] = ()
    prompt: str | None = None
    query: str = "What is it?"

    @property
    def task_id(self) -> str:
        return content_id(function=self.function, pair=self.pair, direction=self.direction)

    @property
    def function_id(self) -> str:
        return content_id(function=self.function)


def group_id(function: int) -> str:
    """The id of the file of a function, which is that of the group that it founded."""
    return content_id(file=function)


def fill(folder: Path, tasks: Sequence[Task], conversations: int = 0) -> Warehouse:
    """Write the tables of the tasks, shard by shard, and some conversations."""
    warehouse = Warehouse(folder)
    for shard in sorted({task.shard for task in tasks}):
        _write_shard(warehouse, shard, [task for task in tasks if task.shard == shard])
    if conversations:
        warehouse.write("instruction_data", "all", {"instruction_data": chats(conversations)})
    return warehouse


def ask(warehouse: Warehouse, *questions: str, benchmark: str = "leetcode_o") -> None:
    """Write the questions of a benchmark."""
    rows = [
        row("benchmark_questions", item_id=content_id(question=text), benchmark=benchmark, question=text)
        for text in questions
    ]
    warehouse.write("benchmark_questions", benchmark, {"benchmark_questions": frame("benchmark_questions", rows)})


def chats(count: int) -> pl.DataFrame:
    rows: list[dict[str, Any]] = []
    for n in range(count):
        chat = [{"content": f"q {n}", "role": "user"}, {"content": f"a {n}", "role": "assistant"}]
        text = canonical_json(chat)
        rows.append(row("instruction_data", sample_id=content_id(messages=chat), source="chats", messages_json=text))
    return frame("instruction_data", rows)


def row(table: str, **given: Any) -> dict[str, Any]:
    """Return a row with a plain value in every column that is not given."""
    schema = polars_schema(table)
    assert set(given) <= set(schema), (table, set(given) - set(schema))
    plain = {pl.String: "", pl.Int64: 0, pl.Boolean: False, pl.Float64: None}
    return {name: given.get(name, plain[kind]) for name, kind in schema.items()}  # type: ignore[index]


def _write_shard(warehouse: Warehouse, shard: str, tasks: Sequence[Task]) -> None:
    functions = {task.function: task for task in tasks}
    groups = [
        row(
            "near_duplicate_groups",
            file_id=group_id(task.function),
            group_id=group_id(task.function if task.group is None else task.group),
            bridged_groups_json=canonical_json([group_id(other) for other in task.bridges]),
        )
        for task in functions.values()
    ]
    pairs = {(task.function, task.pair): task for task in tasks}
    tables: dict[str, dict[str, list[dict[str, Any]]]] = {
        "eligible_code_files": {"near_duplicate_groups": groups},
        "unified_functions": {"unified_functions": [_function(task) for task in functions.values()]},
        "io_pairs": {"io_pairs": [_pair(task) for task in pairs.values()]},
        "prediction_tasks": {"prediction_tasks": [_task(task) for task in tasks]},
        "predictions": {"predictions": [_prediction(task, 1) for task in tasks]},
        "verdicts": {"verdicts": [_verdict(task, 1) for task in tasks]},
        "revised_predictions": {
            "revised_predictions": [_prediction(task, n) for task in tasks for n in range(2, len(task.turns) + 1)],
            "revised_verdicts": [_verdict(task, n) for task in tasks for n in range(2, len(task.turns) + 1)],
        },
    }
    for asset, named in tables.items():
        warehouse.write(asset, shard, {name: frame(name, rows) for name, rows in named.items()})


def _function(task: Task) -> dict[str, Any]:
    return row(
        "unified_functions",
        function_id=task.function_id,
        file_id=group_id(task.function),
        source=task.source,
        repository="repo",
        path=f"{task.function}.py",
        license=task.license,
        reference_code=f"\n{CODE}\n",
        io_description="a (int)",
        query=task.query,
    )


def _pair(task: Task) -> dict[str, Any]:
    return row(
        "io_pairs",
        pair_id=content_id(function=task.function, pair=task.pair),
        function_id=task.function_id,
        source=task.source,
        pair_index=task.pair,
        input_json='{"a":1}',
        output_json='{"b":[2,null]}',
    )


def _task(task: Task) -> dict[str, Any]:
    return row(
        "prediction_tasks",
        task_id=task.task_id,
        pair_id=content_id(function=task.function, pair=task.pair),
        function_id=task.function_id,
        source=task.source,
        direction=task.direction,
        prompt=task.prompt or f"prompt {task.function} {task.pair} {task.direction}",
    )


def _prediction(task: Task, turn: int) -> dict[str, Any]:
    said = task.turns[turn - 1]
    return row(
        "predictions",
        prediction_id=content_id(task=task.task_id, turn=turn),
        task_id=task.task_id,
        function_id=task.function_id,
        turn=turn,
        status=said.status,
        response=said.response,
    )


def _verdict(task: Task, turn: int) -> dict[str, Any]:
    said = task.turns[turn - 1]
    return row(
        "verdicts",
        verdict_id=content_id(verdict=task.task_id, turn=turn),
        prediction_id=content_id(task=task.task_id, turn=turn),
        task_id=task.task_id,
        turn=turn,
        status=said.verdict,
        feedback=said.feedback,
    )


def recipe(
    stages: dict[int, dict[str, float]] | None = None, sample_format: str = "query_code_to_cot", **data: Any
) -> Recipe:
    given = stages or {1: {"codeio": 1.0}}
    parts = {
        "name": "r",
        "base_model": "m",
        "format": sample_format,
        "stages": {n: {"mix": mix, "learning_rate": 1e-5, "epochs": 1.0} for n, mix in given.items()},
        "data": data,
    }
    return Recipe.model_validate(parts)


@dataclass(frozen=True)
class Made:
    samples: pl.DataFrame
    rejections: pl.DataFrame
    dropped_by_reason: dict[str, int]
    info: dict[str, Any]

    def only(self) -> dict[str, Any]:
        (sample,) = self.samples.to_dicts()
        return sample


def made(
    warehouse: Warehouse, of: Recipe, split: Split = TRAIN_ALL, tasks_per_group: int = 30_000, **options: Any
) -> Made:
    """Assemble a training set, with its account held and its schema kept."""
    snapshot, query = warehouse.snapshot(), Project.find().sql
    assembly = Assembly.of(
        of,
        warehouse,
        snapshot,
        query,
        phrases=PHRASES,
        split=split,
        tasks_per_group=tasks_per_group,
        leakage=LEAKAGE,
        **options,
    )
    result = assemble(assembly)
    tables = {name: pl.DataFrame(stream) for name, stream in result.streams.items()}
    for name, rows in tables.items():
        TABLES[name].validate(rows)
    samples, rejections = tables["training_sets"], tables["training_sets_rejections"]
    assert len(samples) == result.items_out
    assert len(rejections) == result.items_in - result.items_out
    counted = dict(rejections.group_by("reason").len().sort("reason").iter_rows())
    assert counted == result.dropped_by_reason
    return Made(samples, rejections, result.dropped_by_reason, result.info)
