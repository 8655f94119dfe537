from pathlib import Path

import pytest

from codeio_assets.products.diff import changed_partitions, compare, find_snapshot, snapshots_of
from codeio_assets.products.trace import trace_item
from codeio_assets.project import Project
from codeio_assets.steps.training_sets import Assembly
from codeio_assets.store import Snapshot, StoreError, Warehouse
from codeio_assets_tests.products.test_export import built
from codeio_assets_tests.reports import tiny
from codeio_assets_tests.steps.answered_tasks import (
    LEAKAGE,
    PHRASES,
    RIGHT,
    TRAIN_ALL,
    WRONG,
    Task,
    Turn,
    ask,
    fill,
    recipe,
)

SQL = Project.find().sql
OF = recipe(licenses={"allow": ["mit"]})


class TestTrace:
    def test_the_way_from_sample_to_file(self, tmp_path: Path) -> None:
        task = Task(turns=[WRONG, RIGHT])
        warehouse = built(fill(tmp_path, [task, Task(2)]), OF)
        rows = warehouse.read("training_sets", "r").to_dicts()
        sample = next(row for row in rows if row["task_id"] == task.task_id)
        text = "\n".join(trace_item(warehouse, SQL("lineage/trace.sql"), sample["sample_id"][:12]))
        for part in (
            f"sample {sample['sample_id']}", f"task {task.task_id}", f"function {task.function_id}", "1.py", "s-0000",
            "turn 1", "turn 2", "wrong", "correct", "io_pairs/s-0000", "training_sets/r", '{"a":1}',
        ):  # fmt: skip
            assert part in text
        assert Task(2).task_id not in text

    @pytest.mark.parametrize(
        ("table", "column"),
        [
            ("predictions", "prediction_id"), ("revised_predictions", "prediction_id"), ("verdicts", "verdict_id"),
            ("prediction_tasks", "task_id"), ("io_pairs", "pair_id"), ("unified_functions", "function_id"),
            ("raw_code_files", "file_id"),
        ],
    )  # fmt: skip
    def test_every_id_that_a_check_shows_leads_to_its_file(self, tmp_path: Path, table: str, column: str) -> None:
        warehouse = tiny.write(Warehouse(tmp_path), {"beta-0001": tiny.tables()["beta-0001"]})
        row = warehouse.read(table)[-1].row(0, named=True)
        text = "\n".join(trace_item(warehouse, SQL("lineage/trace.sql"), row[column][:16]))
        shown = row["prediction_id"] if table == "verdicts" else row[column]
        assert shown in text
        assert "src/part_" in text
        assert "\nsample" not in text

    @pytest.mark.parametrize(("sample", "message"), [("abc", "may be many items"), ("f" * 64, "Nothing has the id")])
    def test_unknown_ids_are_told(self, tmp_path: Path, sample: str, message: str) -> None:
        with pytest.raises(StoreError, match=message):
            list(trace_item(Warehouse(tmp_path), SQL("lineage/trace.sql"), sample))


class TestDiff:
    def test_every_kind_of_change_has_its_reason(self, tmp_path: Path) -> None:
        before = [
            Task(1),
            Task(2, turns=[WRONG, RIGHT]),
            Task(3, turns=[Turn("old")]),
            Task(4),
            Task(5),
            Task(6, turns=[Turn("cut", "no_answer", "x", "truncated")]),
        ]
        after = [
            Task(1),
            Task(2, turns=[WRONG, WRONG]),
            Task(3, turns=[Turn("new")]),
            Task(5, license="gpl-3.0"),
            Task(6),
            Task(1, 1),
            Task(7, shard="s-0001"),
        ]
        warehouse = built(fill(tmp_path, before), OF)
        old = next(iter(snapshots_of(warehouse, "r").values()))
        built(fill(tmp_path, after), OF)
        new = next(id_ for id_ in snapshots_of(warehouse, "r").values() if id_ != old)
        snapshots = [find_snapshot(warehouse, "r", id_[:8]) for id_ in (old, new)]

        def assembly_of(snapshot: Snapshot) -> Assembly:
            return Assembly.of(OF, warehouse, snapshot, SQL, phrases=PHRASES, split=TRAIN_ALL, leakage=LEAKAGE)

        changes = compare(assembly_of, *snapshots, SQL("lineage/diff.sql"))
        assert {(change.what, change.why): change.count for change in changes} == {
            ("same", "nothing changed"): 1,
            ("changed", "verdict correct became wrong"): 1,
            ("changed", "the text of a turn or its feedback changed"): 1,
            ("gone", "its function is no longer there"): 1,
            ("gone", "is left out: license_not_allowed"): 1,
            ("new", "was left out: response_truncated"): 1,
            ("new", "new pair or prompt of a known function"): 1,
            ("new", "new function"): 1,
        }
        assert changes[0].what == "same"
        partitions = changed_partitions(*snapshots)
        assert partitions["io_pairs"] == {"changed": 1, "new": 1}

    def test_what_shares_an_n_gram_with_a_benchmark_is_in_neither_build(self, tmp_path: Path) -> None:
        of, problem = recipe(without_leaks_of=["leetcode_o"]), " ".join(f"word{'x' * n}" for n in range(13))
        warehouse = fill(tmp_path, [Task(1), Task(2, query=problem)])
        ask(warehouse, problem)
        built(warehouse, of)
        [old] = snapshots_of(warehouse, "r").values()
        built(fill(tmp_path, [Task(1), Task(2, query=problem), Task(3), Task(4, query=f"Again: {problem}")]), of)
        [new] = {*snapshots_of(warehouse, "r").values()} - {old}
        snapshots = [find_snapshot(warehouse, "r", id_) for id_ in (old, new)]

        def assembly_of(snapshot: Snapshot) -> Assembly:
            return Assembly.of(of, warehouse, snapshot, SQL, phrases=PHRASES, split=TRAIN_ALL, leakage=LEAKAGE)

        changes = compare(assembly_of, *snapshots, SQL("lineage/diff.sql"))
        assert {(change.what, change.why): change.count for change in changes} == {
            ("same", "nothing changed"): 1,
            ("new", "new function"): 1,
        }

    def test_an_unknown_snapshot_names_those_that_are_kept(self, tmp_path: Path) -> None:
        warehouse = built(fill(tmp_path, [Task()]), OF)
        kept = next(iter(snapshots_of(warehouse, "r").values()))
        with pytest.raises(StoreError, match=rf"no such snapshot\. Kept are: {kept[:12]}"):
            find_snapshot(warehouse, "r", "none")
        assert snapshots_of(warehouse, "other") == {}
