import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from codeio_assets.core.method.splits import position, side
from codeio_assets.core.settings.project import Split
from codeio_assets.core.settings.recipes import RecipeError
from codeio_assets.core.tables.data import frame
from codeio_assets.core.values.canonical import content_id
from codeio_assets.graph.uses import assembled
from codeio_assets.project import INSTALLED_ROOT, Project
from codeio_assets.steps.benchmark_questions import load_questions
from codeio_assets.steps.training_sets import pin_name, withheld_by
from codeio_assets.store import Warehouse
from codeio_assets_tests.steps.answered_tasks import (
    CODE,
    LEAKAGE,
    RIGHT,
    TRAIN_ALL,
    WRONG,
    Made,
    Task,
    Turn,
    ask,
    fill,
    group_id,
    made,
    recipe,
    row,
)

SPLIT = Split(validation_ratio=0.3, test_ratio=0.1)
TRUNCATED = Turn("cut", "no_answer", "x", "truncated")
FENCED = f"```python\n{CODE}\n```"


@pytest.fixture
def built(tmp_path: Path):
    """Assemble tasks, which are one of function 1 if only its turns are given."""

    def build(*tasks: Task, conversations: int = 0, split: Split = TRAIN_ALL, **options: Any) -> Made:
        return made(fill(tmp_path / "warehouse", tasks, conversations), recipe(**options), split)

    return build


class TestTurns:
    @pytest.mark.parametrize(
        ("turns", "limit", "used"),
        [
            ([RIGHT], 0, 1),
            ([RIGHT], 3, 1),
            ([WRONG, RIGHT], 0, 1),
            ([WRONG, RIGHT], 1, 2),
            ([WRONG, WRONG, RIGHT], 1, 2),
            ([WRONG, WRONG, RIGHT], 2, 3),
            ([WRONG, TRUNCATED, RIGHT], 2, 1),
            ([WRONG, Turn("", "infrastructure", "x", "failed")], 1, 1),
            ([WRONG, Turn("lost", "infrastructure", "x"), RIGHT], 2, 1),
            ([WRONG, Turn("no", "no_answer", "x", "refused")], 1, 1),
        ],
    )
    def test_a_sample_ends_before_a_turn_that_is_not_usable(
        self, built, turns: list[Turn], limit: int, used: int
    ) -> None:
        sample = built(Task(turns=turns), revision_turns=limit).only()
        assert sample["final_status"] == turns[used - 1].verdict
        assert sample["completion"].count("AGAIN.") == used - 1

    @pytest.mark.parametrize(
        ("status", "verdict", "reason"),
        [
            ("truncated", "no_answer", "response_truncated"),
            ("truncated", "correct", "response_truncated"),
            ("refused", "no_answer", "response_refused"),
            ("failed", "infrastructure", "response_infrastructure"),
            ("answered", "infrastructure", "response_infrastructure"),
        ],
    )
    def test_without_a_usable_first_turn_there_is_no_sample(
        self, built, status: str, verdict: str, reason: str
    ) -> None:
        lost = Task(turns=[Turn("x", verdict, "f", status), RIGHT])
        result = built(lost, Task(function=2))
        assert result.dropped_by_reason == {reason: 1}
        (row,) = result.rejections.to_dicts()
        assert row["id"] == lost.task_id
        assert row["detail"] == f"stage 1: turn 1 ended as {status}, verdict {verdict}"


class TestText:
    @pytest.mark.parametrize(
        ("turns", "revisions", "text"),
        [
            ([WRONG, RIGHT], 0, "It is 5."),
            (
                [WRONG, RIGHT],
                1,
                'It is 5.\n\nCHECK: no. Not correct.\n\nAGAIN.\n\nI think {"output": 2}\n\nCHECK: yes.',
            ),
            ([RIGHT], 1, 'I think {"output": 2}\n\nCHECK: yes.'),
            ([WRONG, WRONG], 1, "It is 5.\n\nCHECK: no. Not correct.\n\nAGAIN.\n\nIt is 5.\n\nCHECK: no. Not correct."),
            ([Turn(" \t\n ü\u00a0 \r\n")], 0, "ü\u00a0"),
        ],
    )
    def test_turns_are_joined_with_their_checks(self, built, turns: list[Turn], revisions: int, text: str) -> None:
        assert built(Task(turns=turns), revision_turns=revisions).only()["completion"] == text

    def test_three_turns(self, built) -> None:
        text = built(Task(turns=[WRONG, WRONG, RIGHT]), revision_turns=2).only()["completion"]
        assert (text.count("AGAIN."), text.count("CHECK: no."), text.count("CHECK: yes.")) == (2, 2, 1)

    def test_the_published_columns_stand_beside_the_text(self, built) -> None:
        sample = built(Task(turns=[WRONG, RIGHT])).only()
        assert (sample["turn_1"], sample["feedback_1"]) == (WRONG.response, WRONG.feedback)
        assert (sample["turn_2"], sample["feedback_2"]) == (RIGHT.response, RIGHT.feedback)
        without = built(Task(turns=[WRONG, RIGHT]), revision_turns=0).only()
        assert (without["turn_2"], without["feedback_2"], without["final_status"]) == (None, None, "wrong")

    def test_a_sample_keeps_its_origin(self, built) -> None:
        sample = built(Task()).only()
        assert (sample["repository"], sample["path"], sample["license"]) == ("repo", "1.py", "mit")
        assert (sample["task_id"], sample["function_id"]) == (Task().task_id, Task().function_id)
        assert json.loads(sample["prompt_json"]) == [{"role": "user", "content": "prompt 1 0 output"}]

    @pytest.mark.parametrize("prompt", ["plain", 'a "b" \\ \n\t\x01 ü 漢 \u2028 🙂 </x> $given'])
    def test_the_id_is_that_of_the_task_and_the_texts(self, built, prompt: str) -> None:
        sample = built(Task(prompt=prompt)).only()
        assert sample["sample_id"] == content_id(
            task_id=sample["task_id"], prompt=sample["prompt_json"], completion=sample["completion"]
        )
        assert json.loads(sample["prompt_json"])[0]["content"] == prompt


class TestVariants:
    @pytest.mark.parametrize(
        ("variant", "direction", "reason"),
        [
            ("full", "input", {}),
            ("full", "output", {}),
            ("input_only", "input", {}),
            ("input_only", "output", {"direction_left_out": 1}),
            ("output_only", "output", {}),
            ("output_only", "input", {"direction_left_out": 1}),
        ],
    )
    def test_directions(self, built, variant: str, direction: str, reason: dict[str, int]) -> None:
        assert built(Task(direction=direction), variant=variant).dropped_by_reason == reason

    @pytest.mark.parametrize(
        ("turns", "revisions", "kept"),
        [
            ([RIGHT], 0, True),
            ([WRONG], 0, False),
            ([WRONG, RIGHT], 0, False),
            ([WRONG, RIGHT], 1, True),
            ([WRONG, WRONG], 1, False),
        ],
    )
    def test_correct_only_looks_at_the_last_turn_that_is_used(
        self, built, turns: list[Turn], revisions: int, kept: bool
    ) -> None:
        result = built(Task(turns=turns), variant="correct_only", revision_turns=revisions)
        assert result.dropped_by_reason == ({} if kept else {"not_correct": 1})

    @pytest.mark.parametrize("revisions", [0, 1])
    @pytest.mark.parametrize(
        ("direction", "answer"), [("output", '{"output":{"b":[2,null]}}'), ("input", '{"input":{"a":1}}')]
    )
    def test_wrong_answers_become_the_bare_truth(self, built, direction: str, answer: str, revisions: int) -> None:
        task = Task(direction=direction, turns=[WRONG, WRONG])
        sample = built(task, variant="wrong_to_ground_truth", revision_turns=revisions).only()
        assert sample["turn_1"] == answer
        assert sample["completion"] == (f"{answer}\n\nCHECK: yes." if revisions else answer)
        assert (sample["turn_2"], sample["feedback_1"], sample["final_status"]) == (None, "Success", "correct")

    def test_right_answers_stay_in_wrong_to_ground_truth(self, built) -> None:
        assert built(Task(turns=[WRONG, RIGHT]), variant="wrong_to_ground_truth").only()["turn_1"] == WRONG.response

    @pytest.mark.parametrize(
        ("options", "pairs", "kept"),
        [
            ({}, 6, 6),
            ({"pairs_per_function": 1}, 6, 1),
            ({"pairs_per_function": 9}, 6, 6),
            ({"pairs_fraction": 0.1667}, 6, 1),
            ({"pairs_fraction": 0.3333}, 6, 2),
            ({"pairs_fraction": 0.6667}, 6, 4),
            ({"pairs_fraction": 0.1667}, 2, 1),
            ({"pairs_fraction": 0.6667}, 3, 2),
            ({"pairs_fraction": 0.6667, "pairs_per_function": 3}, 10, 3),
        ],
    )
    def test_the_first_pairs_of_each_function(self, built, options: dict[str, Any], pairs: int, kept: int) -> None:
        tasks = [Task(function, pair) for function in (1, 2) for pair in range(pairs)]
        result = built(*tasks, **options)
        wanted = {task.task_id for task in tasks if task.pair < kept}
        assert set(result.samples["task_id"]) == wanted
        assert set(result.dropped_by_reason) <= {"beyond_pairs_per_function"}

    def test_sources(self, built) -> None:
        tasks = [Task(n, source=source) for n, source in enumerate("abc")]
        assert set(built(*tasks, sources={"exclude": ["b"]}).samples["source"]) == {"a", "c"}
        assert set(built(*tasks, sources={"include": ["a", "b"], "exclude": ["b"]}).samples["source"]) == {"a"}

    @pytest.mark.parametrize(
        ("licenses", "left_out"),
        [
            ({"allow": ["MIT"]}, {"gpl-3.0": 2, "unknown": 1}),
            ({"allow": ["mit"], "allow_unknown": True}, {"gpl-3.0": 2}),
            ({"allow": ["mit", "GPL-3.0"]}, {"unknown": 1}),
        ],
    )
    def test_licenses_and_what_they_cost(self, built, licenses: dict[str, Any], left_out: dict[str, int]) -> None:
        given = ["mit", "MIT", "gpl-3.0", "gpl-3.0", None]
        result = built(*(Task(n, license=name) for n, name in enumerate(given)), licenses=licenses)
        assert result.info["left_out_by_license"] == left_out
        assert sum(result.dropped_by_reason.values()) == sum(left_out.values())


class TestControl:
    """The revision text is replaced by unrelated text of equal length (a control of ours)."""

    def test_it_is_as_long_and_of_another_function(self, built) -> None:
        tasks = [
            Task(n, pair, turns=[Turn(f"{n}{n} thinks " * (1 + 3 * n), "wrong", "No."), Turn(f"fix {n}", "correct")])
            for n in range(3)
            for pair in range(2)
        ]
        own = {row["task_id"]: row for row in built(*tasks).samples.to_dicts()}
        control = {row["task_id"]: row for row in built(*tasks, revision_text="unrelated").samples.to_dicts()}
        for task in tasks:
            before, after = own[task.task_id], control[task.task_id]
            first = task.turns[0].response.strip()
            assert len(after["completion"]) == len(before["completion"])
            assert after["completion"].startswith(first)
            rest = after["completion"].removeprefix(first)
            assert f"{task.function}{task.function}" not in rest
            assert "fix" not in rest
            assert "thinks" in rest

    def test_other_shards_change_nothing(self, tmp_path: Path) -> None:
        few = [Task(n, turns=[Turn(f"it is {n}")]) for n in range(4)]
        more = [*few, *(Task(n, turns=[Turn(f"it is {n}")], shard="s-0001") for n in range(10, 20))]
        of = recipe(revision_text="unrelated")
        small, large = (made(fill(tmp_path / name, tasks), of).samples for name, tasks in (("a", few), ("b", more)))
        assert small.equals(large.filter(pl.col("sample_id").is_in(small["sample_id"].to_list())))

    def test_a_function_alone_in_its_shard_has_no_unrelated_text(self, built) -> None:
        assert built(Task(), revision_text="unrelated").dropped_by_reason == {"no_unrelated_text": 1}


class TestFormats:
    @pytest.mark.parametrize("direction", ["input", "output"])
    @pytest.mark.parametrize(
        ("sample_format", "query", "code", "completion"),
        [
            ("query_to_cot", True, False, "cot"),
            ("code_to_cot", False, True, "cot"),
            ("query_to_code_cot", True, False, "code+cot"),
            ("query_to_code", True, False, "code"),
        ],
    )
    def test_prompt_and_completion(
        self, built, sample_format: str, query: bool, code: bool, completion: str, direction: str
    ) -> None:
        task = Task(direction=direction, query="What is $given in ${query}?")
        sample = built(task, sample_format=sample_format).only()
        ((message),) = json.loads(sample["prompt_json"])
        cot = 'I think {"output": 2}\n\nCHECK: yes.'
        assert message["role"] == "user"
        assert ("What is $given in ${query}?" in message["content"]) is query
        assert (f"```python\n{CODE}\n```" in message["content"]) is code
        given = '{"a":1}' if direction == "output" else '{"b":[2,null]}'
        assert f"is:\n{given}\n" in message["content"]
        assert sample["completion"] == {"cot": cot, "code": FENCED, "code+cot": f"{FENCED}\n\n{cot}"}[completion]


class TestStages:
    def test_each_stage_takes_what_its_mix_names(self, built) -> None:
        stages = {1: {"codeio": 1.0}, 2: {"instruction": 1.0}}
        result = built(Task(1), Task(2), conversations=3, stages=stages)
        assert result.samples.group_by("stage", "kind").len().sort("stage").rows() == [
            (1, "codeio", 2), (2, "instruction", 3),
        ]  # fmt: skip
        assert result.info["rows_by_split"] == {"stage_1_train": 2, "stage_2_train": 3}

    def test_a_conversation_is_trained_on_its_last_message(self, built) -> None:
        rows = built(Task(), conversations=1, stages={2: {"instruction": 1.0}}).samples
        (row,) = rows.to_dicts()
        assert row["prompt_json"] == '[{"content":"q 0","role":"user"}]'
        assert (row["completion"], row["function_id"], row["turn_1"]) == ("a 0", None, None)

    def test_both_kinds_may_be_mixed_in_both_stages(self, built) -> None:
        both = {"codeio": 1.0, "instruction": 1.0}
        rows = built(Task(), conversations=2, stages={1: both, 2: both}).samples
        assert rows.group_by("stage", "kind").len().sort("stage", "kind").rows() == [
            (1, "codeio", 1), (1, "instruction", 2), (2, "codeio", 1), (2, "instruction", 2),
        ]  # fmt: skip

    def test_a_fraction_takes_whole_functions_and_grows_by_adding(self, tmp_path: Path) -> None:
        tasks = [Task(n, pair, direction) for n in range(60) for pair in range(2) for direction in ("input", "output")]
        warehouse = fill(tmp_path, tasks)
        taken: list[set[str]] = []
        for fraction in (0.2, 0.6, 1.0):
            rows = made(warehouse, recipe(fraction=fraction)).samples
            assert set(rows.group_by("function_id").len()["len"]) == {4}
            taken.append(set(rows["function_id"]))
        assert taken[0] < taken[1] < taken[2]
        assert taken[0] == {task.function_id for task in tasks if position(task.function_id, "fraction") < 0.2}

    def test_a_share_of_the_mix_takes_whole_functions(self, built) -> None:
        tasks = [Task(n, pair) for n in range(60) for pair in range(2)]
        result = built(*tasks, conversations=40, stages={1: {"codeio": 1.0}, 2: {"codeio": 0.3, "instruction": 0.5}})
        second = result.samples.filter(pl.col("stage") == 2)
        counts = dict(second.group_by("kind").len().iter_rows())
        assert 0 < counts["codeio"] < 120
        assert 0 < counts["instruction"] < 40
        assert set(second.filter(pl.col("kind") == "codeio").group_by("function_id").len()["len"]) == {2}
        assert set(result.dropped_by_reason) == {"outside_mix_share"}


class TestSides:
    def test_a_function_is_on_one_side_in_every_stage(self, built) -> None:
        tasks = [Task(n, pair) for n in range(60) for pair in range(2)]
        rows = built(*tasks, stages={1: {"codeio": 1.0}, 2: {"codeio": 1.0}}, split=SPLIT).samples
        assert set(rows.group_by("function_id").agg(pl.col("split").n_unique())["split"]) == {1}
        assert set(rows["split"]) == {"train", "validation", "test"}
        assert all(row["split"] == side(row["group_id"], SPLIT) for row in rows.to_dicts())

    def test_near_duplicates_are_on_the_side_of_their_group(self, built) -> None:
        tasks = [Task(n, group=n // 10 * 10) for n in range(60)]
        rows = built(*tasks, split=SPLIT).samples
        assert set(rows.group_by("group_id").agg(pl.col("split").n_unique())["split"]) == {1}
        assert rows["group_id"].n_unique() == 6
        assert rows["split"].n_unique() > 1

    def test_what_is_near_to_another_side_is_left_out(self, built) -> None:
        sides = {n: side(group_id(n), SPLIT) for n in range(60)}
        ours = next(n for n in sides if sides[n] == "train")
        same = next(n for n in sides if sides[n] == "train" and n != ours)
        other = next(n for n in sides if sides[n] != "train")
        tasks = [Task(100, group=ours, bridges=[same]), Task(101, group=ours, bridges=[same, other])]
        result = built(*tasks, split=SPLIT)
        assert result.dropped_by_reason == {"near_another_side": 1}
        assert result.only()["task_id"] == tasks[0].task_id

    def test_growth_moves_no_function_to_another_side(self, tmp_path: Path) -> None:
        tasks = [Task(n) for n in range(80)]
        few, all_ = (
            dict(made(fill(tmp_path / name, part), recipe(), SPLIT).samples.select("function_id", "split").iter_rows())
            for name, part in (("few", tasks[30:50]), ("all", tasks))
        )
        assert all_.items() >= few.items()


class TestRebuilding:
    def many(self) -> list[Task]:
        return [
            Task(shard * 10 + n, pair, turns=[WRONG, RIGHT], shard=f"s-{shard:04d}")
            for shard in range(5)
            for n in range(4)
            for pair in range(2)
        ]

    def build(self, warehouse: Warehouse, **options: Any) -> tuple[str, str]:
        """Commit a training set and return the hashes of its two files."""
        from codeio_assets.project import Project
        from codeio_assets.steps.training_sets import Assembly, assemble
        from codeio_assets_tests.steps.answered_tasks import LEAKAGE, PHRASES

        snapshot = options.pop("snapshot", None) or warehouse.snapshot()
        of = recipe({1: {"codeio": 1.0}, 2: {"codeio": 0.5, "instruction": 1.0}})
        query = Project.find().sql
        result = assemble(
            Assembly.of(of, warehouse, snapshot, query, phrases=PHRASES, split=SPLIT, leakage=LEAKAGE, **options)
        )
        tables = warehouse.write("training_sets", "r", result.streams).tables
        return tables["training_sets"].sha256, tables["training_sets_rejections"].sha256

    def test_the_bytes_do_not_depend_on_how_shards_are_grouped(self, tmp_path: Path) -> None:
        warehouse = fill(tmp_path, self.many(), conversations=5)
        assert len({self.build(warehouse, tasks_per_group=size) for size in (1, 9, 30_000)}) == 1

    def test_a_pinned_snapshot_gives_the_same_bytes_after_everything_changed(self, tmp_path: Path) -> None:
        warehouse = fill(tmp_path, self.many(), conversations=5)
        snapshot = warehouse.snapshot()
        warehouse.pin(pin_name("r", snapshot), snapshot)
        before = self.build(warehouse)
        fill(tmp_path, [Task(n, shard=f"s-{n:04d}", turns=[Turn("new")]) for n in range(7)], conversations=9)
        assert self.build(warehouse) != before
        warehouse.collect_garbage(grace_s=0)
        pinned = warehouse.load_snapshot(warehouse.pins()[pin_name("r", snapshot)])
        assert self.build(warehouse, snapshot=pinned) == before


def test_a_recipe_may_take_a_range_of_pass_rates(tmp_path: Path) -> None:
    tasks = [Task(n) for n in range(5)]
    warehouse = fill(tmp_path, tasks)
    rates = [
        row(
            "pass_rates", rate_id=content_id(task=n, model=model), task_id=tasks[n].task_id, samples=10, correct=correct
        )
        for n, model, correct in ((0, "a", 0), (1, "a", 1), (2, "a", 9), (3, "a", 10), (3, "b", 0))
    ]  # fmt: skip
    warehouse.write("pass_rates", "s-0000", {"pass_rates": frame("pass_rates", rates)})
    taken = made(warehouse, recipe(pass_rate=[0.1, 0.9]))
    assert set(taken.samples["task_id"]) == {tasks[n].task_id for n in (1, 2, 3)}
    assert taken.dropped_by_reason == {"no_pass_rate": 1, "outside_pass_rate": 1}
    detail = dict(taken.rejections.select("reason", "detail").iter_rows())
    assert detail["outside_pass_rate"] == "stage 1: pass rate 0.0"
    assert made(warehouse, recipe()).dropped_by_reason == {}


def test_a_recipe_may_leave_out_what_has_a_wrong_state_line(tmp_path: Path) -> None:
    tasks = [Task(n, turns=[WRONG, RIGHT]) for n in range(6)]
    warehouse = fill(tmp_path, tasks)
    lines = [
        row(
            "cot_grounding", prediction_id=content_id(task=n, turn=turn), task_id=tasks[n].task_id, turn=turn,
            state_lines=count, right_state_lines=right,
        )
        for n, turn, count, right in (
            (0, 1, 2, 2), (1, 1, 2, 2), (1, 2, 2, 1), (2, 1, 3, None), (3, 1, 0, None), (5, 1, 1, None), (5, 2, 1, 0)
        )
    ]  # fmt: skip
    warehouse.write("cot_grounding", "s-0000", {"cot_grounding": frame("cot_grounding", lines)})
    taken = made(warehouse, recipe(state_lines="right"))
    assert set(taken.samples["task_id"]) == {tasks[n].task_id for n in (0, 3, 4)}
    assert taken.dropped_by_reason == {"wrong_state_line": 2, "state_line_unchecked": 1}
    once = made(warehouse, recipe(state_lines="right", revision_turns=0))
    assert once.dropped_by_reason == {"state_line_unchecked": 2}, "turns that are not trained on do not count"
    assert made(warehouse, recipe()).dropped_by_reason == {}


class TestSteps:
    """Questions about steps as a kind of their own."""

    TASKS = tuple(Task(n, pair=pair, group=n - n % 2) for n in range(8) for pair in (0, 1))

    def asked(self, warehouse: Warehouse, *unanswered: int) -> dict[str, Task]:
        """Write a question about each pair, those about the functions `unanswered` without an answer."""
        of: dict[str, Task] = {}
        for task in self.TASKS:
            of[content_id(question=task.task_id)] = task
        rows = [
            row(
                "step_questions",
                question_id=question,
                pair_id=content_id(function=task.function, pair=task.pair),
                function_id=task.function_id,
                source="s",
                kind="times_run",
                prompt=f'How often? "{task.task_id}"',
                target_json="3",
                answer=None if task.function in unanswered else 'We count. {"output": 3}',
            )
            for question, task in of.items()
        ]
        warehouse.write("execution_traces", "s-0000", {"step_questions": frame("step_questions", rows)})
        return of

    def test_they_are_mixed_in_by_share_and_split_with_their_function(self, tmp_path: Path) -> None:
        warehouse = fill(tmp_path, self.TASKS, conversations=2)
        of = self.asked(warehouse)
        mix = {1: {"codeio": 1.0, "steps": 0.5, "instruction": 1.0}}
        taken = made(warehouse, recipe(mix), SPLIT)
        assert set(taken.samples["kind"]) == {"codeio", "instruction", "steps"}
        steps = taken.samples.filter(pl.col("kind") == "steps")
        inside = {question for question in of if position(question, "mix") < 0.5}
        assert 0 < len(inside) < len(of)
        assert len(steps) == len(inside)
        assert taken.dropped_by_reason == {"outside_mix_share": len(of) - len(inside)}
        assert set(taken.rejections["id"]) == set(of) - inside
        about_code = taken.samples.filter(pl.col("function_id").is_not_null())
        assert about_code.group_by("group_id").agg(pl.col("split").n_unique())["split"].max() == 1
        sample = steps.to_dicts()[0]
        assert json.loads(sample["prompt_json"])[0]["content"].startswith('How often? "')
        assert (sample["completion"], sample["final_status"]) == ('We count. {"output": 3}', "correct")
        assert (sample["direction"], sample["task_id"], sample["license"]) == (None, None, "mit")
        assert made(warehouse, recipe(mix), SPLIT, tasks_per_group=1).samples.equals(taken.samples)
        assert set(made(warehouse, recipe()).samples["kind"]) == {"codeio"}

    def test_what_is_left_out_of_tasks_is_left_out_of_steps(self, tmp_path: Path) -> None:
        warehouse = fill(tmp_path, self.TASKS)
        self.asked(warehouse, 0, 1)
        only = {1: {"steps": 1.0}}
        assert made(warehouse, recipe(only)).dropped_by_reason == {"no_walk": 4}
        first = made(warehouse, recipe(only, pairs_per_function=1))
        assert first.dropped_by_reason == {"no_walk": 4, "beyond_pairs_per_function": 6}
        assert len(made(warehouse, recipe(only, licenses={"allow": ["apache-2.0"]})).samples) == 0
        assert len(made(warehouse, recipe(only, sources={"exclude": ["s"]})).samples) == 0
        ask(warehouse, "def main solution " * 20)
        assert len(made(warehouse, recipe(only, without_leaks_of=["leetcode_o"])).samples) == 12


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (
            "data: {state_lines: right}\nstages: {1: {mix: {codeio: 1.0}, learning_rate: 1.0e-5, epochs: 1.0}}",
            "state_lines",
        ),
        ("stages: {1: {mix: {steps: 1.0}, learning_rate: 1.0e-5, epochs: 1.0}}", "the kind `steps`"),
    ],
)
def test_what_comes_from_traces_is_refused_where_there_are_none(tmp_path: Path, given: str, named: str) -> None:
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "r.yaml").write_text(f"base_model: m\n{given}\n")
    (tmp_path / "codeio.yaml").write_text("chat: {model: m}\n")
    with pytest.raises(RecipeError, match=rf"recipe 'r': .*{named}.* needs traces: set `traces: "):
        assembled(Project(tmp_path, tmp_path / "var"), "r")


PROBLEM = "Given an array of whole numbers and a target return the places of the two numbers that add up to it."


class TestLeaks:
    @pytest.mark.parametrize("groups_of", [30_000, 1])
    def test_a_function_that_shares_thirteen_words_with_a_question_is_left_out(
        self, tmp_path: Path, groups_of: int
    ) -> None:
        leaked = Task(function=1, query=f"Once more: {PROBLEM.upper().replace(' ', '  ')}")
        near = Task(function=2, query=" ".join(PROBLEM.split()[:12]), shard="s-0001")
        warehouse = fill(tmp_path / "warehouse", [leaked, near])
        ask(warehouse, PROBLEM, "Another question.")
        found = made(warehouse, recipe(without_leaks_of=["leetcode_o"]), tasks_per_group=groups_of)
        assert found.dropped_by_reason == {"leaked": 1}
        assert found.samples["function_id"].to_list() == [near.function_id]
        assert made(warehouse, recipe()).dropped_by_reason == {}

    def test_what_is_withheld_is_the_questions_of_the_benchmarks_that_are_named(self, tmp_path: Path) -> None:
        warehouse, named = Warehouse(tmp_path), recipe(without_leaks_of=["leetcode_o"])
        with pytest.raises(RecipeError, match=r"materialise benchmark_questions\[leetcode_o\] first"):
            withheld_by(named, warehouse, LEAKAGE)
        tables = load_questions("leetcode_o", INSTALLED_ROOT / "samples" / "benchmarks").tables
        warehouse.write("benchmark_questions", "leetcode_o", tables, run_id="r")
        found = withheld_by(named, warehouse, LEAKAGE)
        assert found is not None
        assert len(found.texts) == tables["benchmark_questions"]["question"].n_unique()
        assert withheld_by(recipe(), warehouse, LEAKAGE) is None
