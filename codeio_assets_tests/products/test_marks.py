"""Marks: what is said last holds, rebuilds do not lose them, and recipes go by them."""

import threading
from pathlib import Path

import pytest

from codeio_assets.products.marks import Marking, add_marks, person_named
from codeio_assets.project import Project
from codeio_assets.store import StoreError, Warehouse
from codeio_assets_tests.steps.answered_tasks import Task, chats, fill, group_id, made, recipe

FIRST, SECOND = Task(1), Task(2)


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return fill(tmp_path / "warehouse", [FIRST, SECOND])


def excluded(warehouse: Warehouse) -> set[str]:
    return set(warehouse.sql(Project.find().sql("lineage/marked_out.sql"))["item_id"])


def mark(warehouse: Warehouse, name: str, *items: str, person: str = "ada", kind: str = "task") -> None:
    add_marks(warehouse, person, Marking(kind, items, name))  # type: ignore[arg-type]


def test_the_last_word_of_each_person_counts(warehouse: Warehouse) -> None:
    mark(warehouse, "exclude", FIRST.task_id, SECOND.task_id)
    assert excluded(warehouse) == {FIRST.task_id, SECOND.task_id}
    mark(warehouse, "accept", FIRST.task_id)
    mark(warehouse, "clear", SECOND.task_id)
    assert excluded(warehouse) == set()
    mark(warehouse, "flag", FIRST.task_id)
    mark(warehouse, "exclude", FIRST.task_id, person="bob")
    mark(warehouse, "accept", FIRST.task_id)
    assert excluded(warehouse) == {FIRST.task_id}, "one person does not overrule another"
    assert len(warehouse.read("marks")) == 7, "nothing that was said is lost"


@pytest.mark.parametrize(
    ("kind", "item"), [("task", FIRST.task_id), ("function", FIRST.function_id), ("file", group_id(1))]
)
def test_a_recipe_leaves_out_what_is_marked(warehouse: Warehouse, kind: str, item: str) -> None:
    mark(warehouse, "exclude", item, kind=kind)
    went_by = made(warehouse, recipe(exclude="marked"))
    assert went_by.samples["task_id"].to_list() == [SECOND.task_id]
    assert went_by.rejections.select("id", "reason", "detail").rows() == [
        (FIRST.task_id, "marked", "stage 1: marked as excluded")
    ]
    assert len(made(warehouse, recipe()).samples) == 2


def test_groups_of_shards_all_go_by_the_marks(tmp_path: Path) -> None:
    tasks = [Task(n, shard=f"s-{n:04}") for n in range(4)]
    warehouse = fill(tmp_path / "warehouse", tasks)
    mark(warehouse, "exclude", tasks[3].task_id)
    went_by = made(warehouse, recipe(exclude="marked"), tasks_per_group=1)
    assert set(went_by.samples["task_id"]) == {task.task_id for task in tasks[:3]}


def test_conversations_are_marked_too(tmp_path: Path) -> None:
    warehouse = fill(tmp_path / "warehouse", [FIRST], conversations=3)
    mark(warehouse, "exclude", chats(1)["sample_id"][0], kind="sample")
    of = recipe({1: {"codeio": 1.0}, 2: {"instruction": 1.0}}, exclude="marked")
    assert made(warehouse, of).dropped_by_reason == {"marked": 1}


def test_marks_survive_what_is_made_anew(warehouse: Warehouse) -> None:
    mark(warehouse, "exclude", FIRST.task_id)
    fill(warehouse.root, [FIRST, SECOND])
    assert excluded(warehouse) == {FIRST.task_id}


def test_marking_at_the_same_time_loses_nothing(warehouse: Warehouse) -> None:
    items = [f"{number:064x}" for number in range(12)]
    threads = [threading.Thread(target=mark, args=(Warehouse(warehouse.root), "note", item)) for item in items]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(warehouse.read("marks")["item_id"]) == set(items)


def test_what_is_no_mark_is_refused(warehouse: Warehouse) -> None:
    with pytest.raises(StoreError, match="no mark"):
        mark(warehouse, "like", FIRST.task_id)
    with pytest.raises(StoreError, match="not the id"):
        mark(warehouse, "accept", "../../etc/passwd")
    assert person_named("Ada Lovelace / home") == "Ada-Lovelace-home"
    with pytest.raises(StoreError, match="no name"):
        person_named("///")
