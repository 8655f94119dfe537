"""Exporting tasks for reinforcement learning: a folder that TRL, verl and plain `datasets` open, audited when written.

What does not live here: which tasks take part (`sql/exports`), the text of the card (`products.rl_card`), the reward
(`rewards`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import polars as pl

from codeio_assets.core.method.assembly import EVERYTHING, Parameters, Withheld, recipe_parameters
from codeio_assets.core.prompts import Prompt
from codeio_assets.core.settings.benchmarks import Leakage
from codeio_assets.core.settings.project import Phrases, Split
from codeio_assets.core.settings.recipes import DataRecipe, Recipe
from codeio_assets.core.tables.data import SPLITS
from codeio_assets.products.new_folder import new_folder
from codeio_assets.products.rl_card import RlFacts, rl_card
from codeio_assets.products.rl_rows import RlChoice, RlRows, choosing
from codeio_assets.rewards import Question, Reward
from codeio_assets.steps.training_sets import TASKS_PER_GROUP, leaked_functions, marked_out, withheld_by
from codeio_assets.store import Snapshot, StoreError, Warehouse

ASSETS = (
    "eligible_code_files",
    "unified_functions",
    "io_pairs",
    "prediction_tasks",
    "step_questions",
    "verdicts",
    "revised_predictions",
    "pass_rates",
)
AUDITED = 1_000
"""Tasks whose known answer is judged again at the export, unless another number is asked for."""
AUDITED_AT_ONCE = 256


class Judge(Protocol):
    """What the audit asks: `rewards.RewardJudge`, or a stand-in."""

    def judge(self, questions: Sequence[Question], completions: Sequence[str]) -> list[Reward]:
        """Return the reward of each completion, in order."""
        ...


@dataclass(frozen=True, slots=True)
class RlExport:
    """What to export and how: `recipe` decides as for a training set, None takes everything as it was asked.

    `prompt` loads a template by name.
    """

    recipe: Recipe | None
    phrases: Phrases
    split: Split
    prompt: Callable[[str], Prompt]
    leakage: Leakage
    choice: RlChoice = field(default_factory=RlChoice)
    audited: int = AUDITED

    def parameters(self, warehouse: Warehouse, snapshot: Snapshot, query: Callable[[str], str]) -> Parameters:
        """Return what the queries need to know.

        Raises:
            RecipeError: a benchmark that the recipe names is not there.
        """
        recipe = self.recipe or _everything()
        marked, withheld = marked_out(recipe, warehouse, query), withheld_by(recipe, warehouse, self.leakage)
        named = recipe_parameters(recipe, self.phrases, self.split, self.prompt, marked)
        leaked = [] if withheld is None else list(_leaked(warehouse, snapshot, withheld))
        return {**named, "leaked": leaked, **self.choice.parameters()}


def export_rl(
    warehouse: Warehouse, export: RlExport, query: Callable[[str], str], judge: Judge, target: Path
) -> RlFacts:
    """Write the tasks to a folder that appears when it is complete, and return what its card says.

    `query` returns the text of a file under sql/. Known answers of `export.audited` tasks, drawn by hash, are judged
    again; all of them must earn 1.

    Raises:
        StoreError: there are no tasks, the folder exists and is not empty, or a known answer does not earn 1.
    """
    with new_folder(target) as folder:
        facts = write_tasks(warehouse, export, query, judge, folder)
        (folder / "README.md").write_text(rl_card(facts), encoding="utf-8")
    return facts


def write_tasks(
    warehouse: Warehouse, export: RlExport, query: Callable[[str], str], judge: Judge, folder: Path
) -> RlFacts:
    """Write `data/<side>.parquet` to a folder, audit it, and return the facts of its card.

    Raises:
        StoreError: there are no tasks, a file is damaged, or a known answer does not earn 1.
    """
    snapshot = warehouse.snapshot(ASSETS)
    if not snapshot.by_table().get("prediction_tasks"):
        raise StoreError("prediction_tasks is missing: materialise it first.")
    warehouse.require_whole(snapshot)
    with choosing(warehouse, snapshot, query, export.parameters(warehouse, snapshot, query)) as rows:
        if not rows.counts():
            raise StoreError(f"no task is left: {_reasons(rows)}. Take a wider recipe, side or range of pass rates.")
        audited = write_sides(rows, folder, export.audited, judge)
        return _facts(warehouse, snapshot, export, rows, audited=audited, query=query)


def write_sides(rows: RlRows, folder: Path, audited: int, judge: Judge) -> int:
    """Write `data/<side>.parquet` for each side that has tasks, audit them, and return how many were audited.

    Raises:
        StoreError: a known answer does not earn 1.
    """
    (folder / "data").mkdir(parents=True, exist_ok=True)
    taken = {row["split"] for row in rows.counts()}
    paths = [folder / "data" / f"{side}.parquet" for side in SPLITS if side in taken]
    for path in paths:
        rows.write(path.stem, path)
    return audit(paths, audited, judge)


def audit(paths: Sequence[Path], wanted: int, judge: Judge) -> int:
    """Judge the known answers of the first `wanted` tasks by id, which are a draw by hash; return how many there were.

    Raises:
        StoreError: one of them does not earn 1; the message names the first such task.
    """
    columns = ("task_id", "direction", "target", "reference_code", "answer")
    tasks = pl.scan_parquet(list(paths), glob=False, hive_partitioning=False).select(columns)
    drawn = tasks.sort("task_id").head(wanted).collect()
    for part in drawn.iter_slices(AUDITED_AT_ONCE):
        questions = [Question(*row) for row in part.select(columns[1:4]).iter_rows()]
        rewards = judge.judge(questions, part["answer"].to_list())
        for task_id, reward in zip(part["task_id"], rewards, strict=True):
            if reward.value != 1.0:
                raise StoreError(
                    f"the known answer of task {task_id} is {reward.status}, so that nothing was exported. "
                    "`codeio trace` tells where it comes from; materialise its shard again."
                )
    return len(drawn)


def _leaked(warehouse: Warehouse, snapshot: Snapshot, withheld: Withheld) -> Iterator[str]:
    for group in snapshot.in_groups("prediction_tasks", TASKS_PER_GROUP):
        with warehouse.connect(group, ["unified_functions"]) as connection:
            yield from leaked_functions(connection, withheld)


def _everything() -> Recipe:
    """Return a recipe that takes every task as it was asked."""
    stage = {"mix": {"codeio": 1.0}, "learning_rate": 1.0, "epochs": 1.0}
    data = DataRecipe.model_validate({"revision_turns": 0})
    return Recipe.model_validate({"name": "all", "base_model": "none", "data": data, "stages": {1: stage}})


def _reasons(rows: RlRows) -> str:
    return ", ".join(f"{row['tasks']} {row['reason']}" for row in rows.left_out()) or "the tables are empty"


def _facts(
    warehouse: Warehouse,
    snapshot: Snapshot,
    export: RlExport,
    rows: RlRows,
    *,
    audited: int,
    query: Callable[[str], str],
) -> RlFacts:
    return RlFacts(
        recipe=export.recipe,
        values=_told(rows.values),
        counts=rows.counts(),
        left_out=rows.left_out(),
        licenses=rows.licenses(),
        rejected_pairs=warehouse.sql(query("exports/card_rejected.sql"), snapshot=snapshot).to_dicts(),
        snapshot=snapshot.id,
        audited=audited,
    )


def _told(values: Mapping[str, Any]) -> Parameters:
    """Return the parameters that a reader of the card wants to know, where they leave something out."""
    told = {
        "rule of comparison": values["rule_version"],
        "variant": values["variant"],
        "prompt format": values["format"],
        "sides": ", ".join(values["splits"]),
    }
    if values["pairs_limit"] != EVERYTHING:
        told["pairs per function"] = values["pairs_limit"]
    if values["by_pass_rate"]:
        told["pass rates"] = f"{values['pass_rate_low']:g} to {values['pass_rate_high']:g}"
    return told
