"""The folder that trainers open: TRL's columns, verl's columns, and what the audit lets through."""

import json
import random
from pathlib import Path
from typing import Any

import datasets
import polars as pl
import pytest

from codeio_assets.core.settings.project import Split
from codeio_assets.core.tables.data import frame
from codeio_assets.core.values.canonical import content_id
from codeio_assets.products.export_rl import RlExport, export_rl
from codeio_assets.products.marks import Marking, add_marks
from codeio_assets.products.rl_card import RlFacts
from codeio_assets.products.rl_rows import RlChoice
from codeio_assets.project import Project
from codeio_assets.rewards import RewardJudge, trl_reward, verl
from codeio_assets.sandbox import SandboxUnavailable
from codeio_assets.store import StoreError, Warehouse
from codeio_assets_tests.steps.answered_tasks import LEAKAGE, PHRASES, RIGHT, WRONG, Task, ask, fill, recipe, row
from codeio_assets_tests.store.test_damage import flip_a_bit

SQL = Project.find().sql
SPLIT = Split(validation_ratio=0.3, test_ratio=0.1)
PROMPT = Project.find().prompt
EVERYTHING = RlExport(None, PHRASES, SPLIT, PROMPT, LEAKAGE)


@pytest.fixture(scope="module")
def judge():
    try:
        opened = RewardJudge(workers=1)
    except SandboxUnavailable as reason:
        pytest.skip(f"no sandbox on this machine: {reason}")
    with opened:
        yield opened


def true_pairs(warehouse: Warehouse) -> Warehouse:
    """Give all pairs the input that their function, which returns its argument, turns into their output."""
    for shard in warehouse.partitions("io_pairs"):
        pairs = warehouse.read("io_pairs", shard).with_columns(input_json=pl.lit('{"a":{"b":[2,null]}}'))
        warehouse.write("io_pairs", shard, {"io_pairs": pairs})
    return warehouse


def rated(warehouse: Warehouse, rates: dict[str, tuple[int, int]], model: str = "m", part: str = "s-0000") -> None:
    rows = [
        row(
            "pass_rates", rate_id=content_id(task=task_id, model=model), task_id=task_id, model_id=model,
            samples=samples, correct=correct, pass_rate=correct / samples,
        )
        for task_id, (correct, samples) in rates.items()
    ]  # fmt: skip
    warehouse.write("pass_rates", part, {"pass_rates": frame("pass_rates", rows)})


TASKS = [
    Task(n, direction=direction, turns=[WRONG, RIGHT], license="gpl-3.0" if n % 5 == 0 else "mit", source=f"s{n % 2}")
    for n in range(30)
    for direction in ("input", "output")
]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory, judge: RewardJudge) -> tuple[Warehouse, Path, RlFacts]:
    base = tmp_path_factory.mktemp("rl")
    warehouse = true_pairs(fill(base / "warehouse", TASKS))
    return warehouse, base / "out", export_rl(warehouse, EVERYTHING, SQL, judge, base / "out")


def rows_of(folder: Path) -> list[dict[str, Any]]:
    return [item for path in sorted((folder / "data").glob("*.parquet")) for item in pl.read_parquet(path).to_dicts()]


def test_datasets_opens_it_and_trl_scores_its_known_answers(
    exported: tuple[Warehouse, Path, RlFacts], judge: RewardJudge, tmp_path: Path
) -> None:
    _, folder, facts = exported
    opened = datasets.load_dataset(str(folder), cache_dir=str(tmp_path))
    assert set(opened) == {"train", "validation", "test"}
    assert sum(len(side) for side in opened.values()) == facts.tasks == 60
    rows = opened["train"].to_list()
    columns = {name: [item[name] for item in rows] for name in rows[0]}
    prompts, answers = columns.pop("prompt"), columns.pop("answer")
    assert prompts[0] == [{"role": "user", "content": prompts[0][0]["content"]}]
    assert prompts[0][0]["content"].startswith("prompt ")
    reward = trl_reward(judge)
    assert reward(prompts=prompts, completions=answers, **columns) == [1.0] * len(rows)
    assert reward(prompts=prompts, completions=["no"] * len(rows), **columns) == [0.0] * len(rows)


def test_verl_finds_what_its_function_needs(
    exported: tuple[Warehouse, Path, RlFacts], judge: RewardJudge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verl, "shared_judge", lambda: judge)
    for item in rows_of(exported[1]):
        assert item["data_source"] == f"codeio/{item['source']}"
        truth, extra = item["reward_model"]["ground_truth"], item["extra_info"]
        assert verl.compute_score(item["data_source"], item["answer"], truth, extra)["score"] == 1.0
        assert {name: extra[name] for name in ("task_id", "direction", "reference_code")} == {
            name: item[name] for name in ("task_id", "direction", "reference_code")
        }


def test_rows_carry_their_lineage(exported: tuple[Warehouse, Path, RlFacts]) -> None:
    warehouse, folder, _ = exported
    rows = rows_of(folder)
    assert {item["task_id"] for item in rows} == {task.task_id for task in TASKS}
    tasks = {item["task_id"]: item for item in warehouse.read("prediction_tasks", "s-0000").to_dicts()}
    for item in rows:
        assert (item["pair_id"], item["function_id"]) == tuple(
            tasks[item["task_id"]][name] for name in ("pair_id", "function_id")
        )
        assert json.loads(item["answer"]).keys() == {item["direction"]}
        assert (item["rule_version"], item["pass_rate"], item["target"]) == ("default-1", None, '{"b":[2,null]}')


def test_a_near_duplicate_group_stays_on_one_side(exported: tuple[Warehouse, Path, RlFacts]) -> None:
    sides: dict[str, set[str]] = {}
    for item in rows_of(exported[1]):
        sides.setdefault(item["group_id"], set()).add(item["extra_info"]["split"])
    assert {len(found) for found in sides.values()} == {1}


def test_the_card_states_the_audit(exported: tuple[Warehouse, Path, RlFacts]) -> None:
    card = (exported[1] / "README.md").read_text()
    for part in (
        "license: [gpl-3.0, mit]",
        "  - split: test\n    path: data/test.parquet",
        "60 tasks",
        "known answers (all) were judged again by the reward, inputs by execution: all earn 1",
        "| s0 | gpl-3.0 | 6 | 3 |",
        "| rule of comparison | default-1 |",
    ):
        assert part in card


def test_the_same_tasks_give_the_same_bytes(
    exported: tuple[Warehouse, Path, RlFacts], judge: RewardJudge, tmp_path: Path
) -> None:
    warehouse, folder, _ = exported
    export_rl(warehouse, EVERYTHING, SQL, judge, tmp_path / "again")
    for path in folder.rglob("*.*"):
        assert path.read_bytes() == (tmp_path / "again" / path.relative_to(folder)).read_bytes()


def test_what_a_recipe_holds_back_from_training_is_not_exported_either(judge: RewardJudge, tmp_path: Path) -> None:
    problem = " ".join(f"word{'x' * n}" for n in range(13))
    leaking, marked = Task(1, query=problem, shard="s-0001"), Task(2)
    warehouse = true_pairs(fill(tmp_path / "warehouse", [Task(0), leaking, marked]))
    ask(warehouse, problem)
    add_marks(warehouse, "ada", Marking("function", [marked.function_id], "exclude"))
    of = recipe(without_leaks_of=["leetcode_o"], exclude="marked")
    everywhere = Split(validation_ratio=0, test_ratio=0)
    facts = export_rl(warehouse, RlExport(of, PHRASES, everywhere, PROMPT, LEAKAGE), SQL, judge, tmp_path / "out")
    assert [item["task_id"] for item in rows_of(tmp_path / "out")] == [Task(0).task_id]
    assert {item["reason"]: item["tasks"] for item in facts.left_out} == {"leaked": 1, "marked": 1}


def test_a_recipe_decides_as_for_a_training_set(
    exported: tuple[Warehouse, Path, RlFacts], judge: RewardJudge, tmp_path: Path
) -> None:
    of = recipe(
        {1: {"codeio": 1.0}},
        "query_to_cot",
        variant="input_only",
        licenses={"allow": ["mit"]},
        sources={"exclude": ["s1"]},
    )
    choice = RlChoice(splits=["train", "validation"])
    facts = export_rl(exported[0], RlExport(of, PHRASES, SPLIT, PROMPT, LEAKAGE, choice), SQL, judge, tmp_path / "out")
    rows = rows_of(tmp_path / "out")
    assert len(rows) == facts.tasks > 0
    assert {(item["direction"], item["license"], item["source"]) for item in rows} == {("input", "mit", "s0")}
    assert all("What is it?" in item["prompt"][0]["content"] for item in rows)
    assert not any("main_solution" in item["prompt"][0]["content"] for item in rows)
    assert not (tmp_path / "out" / "data" / "test.parquet").exists()
    left = {item["reason"]: item["tasks"] for item in facts.left_out}
    assert sum(left.values()) + facts.tasks == 60
    assert set(left) == {"split_left_out", "source_left_out", "direction_left_out", "license_not_allowed"}


def test_pass_rates_choose_and_order(judge: RewardJudge, tmp_path: Path) -> None:
    tasks = [Task(n) for n in range(6)]
    warehouse = true_pairs(fill(tmp_path / "warehouse", tasks))
    rates = {task.task_id: (n, 4) for n, task in enumerate(tasks[:5])}
    rated(warehouse, rates)
    rated(warehouse, {tasks[1].task_id: (4, 4)}, model="other", part="s-0001")
    choice = RlChoice(pass_rates=(0.25, 0.75), pass_rate_model="m")
    only_training = Split(validation_ratio=0, test_ratio=0)
    facts = export_rl(
        warehouse, RlExport(None, PHRASES, only_training, PROMPT, LEAKAGE, choice), SQL, judge, tmp_path / "m"
    )
    ordered = sorted(rows_of(tmp_path / "m"), key=lambda item: item["curriculum"])
    assert [item["pass_rate"] for item in ordered] == [0.75, 0.5, 0.25]
    assert [item["curriculum"] for item in ordered] == [0.0, 0.5, 1.0]
    assert {item["reason"]: item["tasks"] for item in facts.left_out} == {"outside_pass_rate": 2, "no_pass_rate": 1}
    everyone = RlExport(None, PHRASES, only_training, PROMPT, LEAKAGE, RlChoice(pass_rates=(0.25, 0.75)))
    export_rl(warehouse, everyone, SQL, judge, tmp_path / "all")
    both = {item["task_id"]: (item["pass_rate"], item["pass_rate_samples"]) for item in rows_of(tmp_path / "all")}
    assert both == {
        tasks[1].task_id: (0.625, 8),
        tasks[2].task_id: (0.5, 4),
        tasks[3].task_id: (0.75, 4),
    }


def test_an_answer_that_is_not_right_stops_the_export(judge: RewardJudge, tmp_path: Path) -> None:
    warehouse = fill(tmp_path / "warehouse", [Task(1, direction="input")])  # its input gives 1, its output is another
    with pytest.raises(StoreError, match="is wrong, so that nothing was exported"):
        export_rl(warehouse, EVERYTHING, SQL, judge, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["warehouse"]


def test_a_flipped_bit_stops_the_export(judge: RewardJudge, tmp_path: Path) -> None:
    warehouse = true_pairs(fill(tmp_path / "warehouse", [Task(1)]))
    (shard,) = warehouse.partitions("unified_functions")
    manifest = warehouse.manifest("unified_functions", shard)
    assert manifest is not None
    file = warehouse.root / manifest.tables["unified_functions"].file
    flip_a_bit(file, random.Random(0))
    with pytest.raises(StoreError, match=f"{file} is damaged"):
        export_rl(warehouse, EVERYTHING, SQL, judge, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_nothing_to_export_is_told(judge: RewardJudge, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="prediction_tasks is missing"):
        export_rl(Warehouse(tmp_path / "none"), EVERYTHING, SQL, judge, tmp_path / "out")
    warehouse = fill(tmp_path / "warehouse", [Task(1)])
    choice = RlChoice(pass_rates=(0.1, 0.9))
    with pytest.raises(StoreError, match="no task is left: 1 no_pass_rate"):
        export_rl(warehouse, RlExport(None, PHRASES, SPLIT, PROMPT, LEAKAGE, choice), SQL, judge, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_questions_about_steps_come_along_if_wanted(judge: RewardJudge, tmp_path: Path) -> None:
    tasks = [Task(n, direction="input") for n in range(4)]
    warehouse = true_pairs(fill(tmp_path / "warehouse", tasks))
    pairs = warehouse.read("io_pairs", "s-0000")
    questions = [
        row(
            "step_questions",
            question_id=content_id(question=pair["pair_id"]),
            **{name: pair[name] for name in ("pair_id", "function_id", "source")},
            kind="times_run",
            prompt=f"How often? {pair['pair_id']}",
            target_json="3",
        )
        for pair in pairs.to_dicts()
    ]
    warehouse.write("step_questions", "s-0000", {"step_questions": frame("step_questions", questions)})
    export_rl(warehouse, EVERYTHING, SQL, judge, tmp_path / "without")
    assert {item["kind"] for item in rows_of(tmp_path / "without")} == {"prediction"}
    of = recipe({1: {"codeio": 1.0}}, "query_to_cot")
    export_rl(
        warehouse,
        RlExport(of, PHRASES, SPLIT, PROMPT, LEAKAGE, RlChoice(with_steps=True)),
        SQL,
        judge,
        tmp_path / "with",
    )
    rows = rows_of(tmp_path / "with")
    steps = [item for item in rows if item["kind"] == "times_run"]
    assert (len(rows), len(steps)) == (8, 4)
    for item in steps:
        assert (item["direction"], item["target"], item["answer"]) == ("output", "3", '{"output":3}')
        assert item["prompt"][0]["content"].startswith("How often? ")
        assert item["reward_model"]["ground_truth"] == "3"
    sides = {(item["function_id"], item["extra_info"]["split"]) for item in rows}
    assert len(sides) == len({function for function, _ in sides})
