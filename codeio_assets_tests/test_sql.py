"""Every SQL file runs, on nothing and on the tiny warehouse; every check finds what it is there to find."""

from collections.abc import Callable
from pathlib import Path

import pytest

from codeio_assets.checks.tables import run_sql_check
from codeio_assets.graph.steps import STEPS
from codeio_assets.project import INSTALLED_ROOT
from codeio_assets.reports.queries import caption_of
from codeio_assets.store import Warehouse
from codeio_assets_tests.reports import tiny

SQL = INSTALLED_ROOT / "sql"
SHARD = "beta-0001"
FOLDERS = ("checks", "evaluation", "lineage", "reports", "transforms", "warnings")
FILES = [path for folder in FOLDERS for path in sorted((SQL / folder).glob("*.sql"))]
QUERIES = [path for path in FILES if path.parent.name == "reports"]  # stages/test_assembling.py runs the transforms
CHECKS = [path for path in FILES if path.parent.name in {"checks", "warnings"}]


def named(paths: list[Path]) -> list:
    return [pytest.param(path, id=f"{path.parent.name}/{path.stem}") for path in paths]


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    return Warehouse(tmp_path_factory.mktemp("empty"))


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    return tiny.write(Warehouse(tmp_path_factory.mktemp("good")), tiny.tables())


@pytest.fixture(scope="module")
def backwards(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """The good rows and their partitions, written in the opposite order."""
    content = {
        partition: {table: rows[::-1] for table, rows in tables.items()}
        for partition, tables in reversed(tiny.tables().items())
    }
    return tiny.write(Warehouse(tmp_path_factory.mktemp("backwards")), content)


def parameters(query: str, partition: str) -> dict[str, str]:
    return {"partition": partition} if "$partition" in query else {}


@pytest.mark.parametrize("path", named(FILES))
def test_file_says_what_it_is(path: Path):
    assert caption_of(path.read_text("utf-8")).endswith(".")


@pytest.mark.parametrize("path", named(QUERIES))
def test_query_runs_and_has_the_same_columns_on_nothing(path: Path, empty: Warehouse, good: Warehouse):
    query = path.read_text("utf-8")
    frame = good.sql(query, **parameters(query, SHARD))
    nothing = empty.sql(query, **parameters(query, SHARD))
    assert len(frame) > 0
    assert nothing.columns == frame.columns
    if path.stem != "funnel":  # it names its steps even when there is nothing
        assert nothing.is_empty()


@pytest.mark.parametrize("path", named(QUERIES))
def test_query_gives_the_same_order_whatever_the_order_of_rows(path: Path, good: Warehouse, backwards: Warehouse):
    query = path.read_text("utf-8")
    expected = good.sql(query, **parameters(query, SHARD))
    assert backwards.sql(query, **parameters(query, SHARD)).equals(expected)


def partition_of(check: Path) -> str:
    return {"shard": SHARD, "recipe": tiny.RECIPE, "project": "all"}[STEPS[check.stem.split("__")[0]].per]


@pytest.mark.parametrize("path", named(CHECKS))
def test_check_passes_on_good_rows_and_on_none(path: Path, empty: Warehouse, good: Warehouse):
    query = path.read_text("utf-8")
    assert run_sql_check(good, query, partition_of(path)).is_empty()
    assert run_sql_check(empty, query, partition_of(path)).is_empty()


# What is wrong with the rows of a partition -> how many rows of the check say so.

Break = Callable[[dict[str, tiny.Rows]], int]


def without(table: str) -> Break:
    """Lose a row."""

    def break_it(tables: dict[str, tiny.Rows]) -> int:
        tables[table].pop()
        return 1

    return break_it


def twice(table: str, **changed: object) -> Break:
    """Have a row again, with something changed so that it is another row."""

    def break_it(tables: dict[str, tiny.Rows]) -> int:
        tables[table].append({**tables[table][0], **changed})
        return 1

    return break_it


def changed(table: str, **values: object) -> Break:
    """Change the first row."""

    def break_it(tables: dict[str, tiny.Rows]) -> int:
        tables[table][0].update(values)
        return 1

    return break_it


def also_rejected(table: str, rejections: str, column: str) -> Break:
    """Have a rejection of something that was kept."""

    def break_it(tables: dict[str, tiny.Rows]) -> int:
        row = tables[table][0]
        tables[rejections].append({"id": row[column], "source": "beta", "reason": "odd", "detail": "kept as well"})
        return 1

    return break_it


def revise_a_correct_one(tables: dict[str, tiny.Rows]) -> int:
    """Let a revision follow a verdict that was `correct`."""
    judged = {row["task_id"]: row for row in tables["verdicts"]}
    judged[tables["revised_predictions"][0]["task_id"]]["status"] = "correct"
    return 1


def only_held_out(tables: dict[str, tiny.Rows]) -> int:
    """Leave a stage nothing to train on."""
    for row in tables["training_sets"]:
        row["split"] = "validation" if row["stage"] == 2 else row["split"]
    return 1


def function_on_both_sides(tables: dict[str, tiny.Rows]) -> int:
    """Move one sample of a function to the other side of the split."""
    tables["training_sets"][0]["split"] = "test"
    return 1


def all_degenerate(tables: dict[str, tiny.Rows]) -> int:
    """Let every function have one output."""
    for row in tables["io_pairs"]:
        row["is_degenerate"] = True
    return len({row["function_id"] for row in tables["io_pairs"]})


def right_less_often_than_before(tables: dict[str, tiny.Rows]) -> int:
    """Let all verdicts be wrong, after a version in which all were right."""
    for row in tables["verdicts"]:
        row["status"] = "wrong"
    tables["verdict_history"] += [
        tiny.history(SHARD, direction, 400, 400, version=OTHER, written_at="2026-01-01")
        for direction in ("input", "output")
    ]
    return 2


def endless_completions(tables: dict[str, tiny.Rows]) -> int:
    """Let the trained samples of stage 1 be longer than any sequence."""
    long = [row for row in tables["training_sets"] if row["stage"] == 1 and row["split"] == "train"]
    for number, row in enumerate(long):
        row["completion"] = f"{number} " + "x" * 40_000
    return len(long)


def same_texts(tables: dict[str, tiny.Rows]) -> int:
    """Let two samples of a stage have the same texts."""
    first, second = [row for row in tables["training_sets"] if row["split"] == "train" and row["stage"] == 1][:2]
    second.update(prompt_json=first["prompt_json"], completion=first["completion"])
    return 1


def prompt_on_both_sides(tables: dict[str, tiny.Rows]) -> int:
    """Let a held-out sample ask what a trained one asks."""
    trained = next(row for row in tables["training_sets"] if row["split"] == "train" and row["kind"] == "codeio")
    held_out = next(row for row in tables["training_sets"] if row["split"] == "validation")
    held_out["prompt_json"] = trained["prompt_json"]
    return 2


def sample_also_rejected(tables: dict[str, tiny.Rows]) -> int:
    """Reject a task that is a sample of the same stage."""
    task = tables["training_sets"][0]["task_id"]
    row = {"id": task, "source": "beta", "reason": "not_correct", "detail": "stage 1: last verdict wrong"}
    tables["training_sets_rejections"].append(row)
    return 1


def trained_on_held_out(tables: dict[str, tiny.Rows]) -> int:
    """Train on one sample of a function whose prompts were answered."""
    asked = tables["held_out_answers"][0]["function_id"]
    next(row for row in tables["training_sets"] if row["function_id"] == asked)["split"] = "train"
    return 1


def one_answer_less(tables: dict[str, tiny.Rows]) -> int:
    """Let one model answer a prompt less, with the score counting it right."""
    row = tables["held_out_answers"].pop()
    score = next(s for s in tables["held_out_scores"] if (s["model"], s["subject"]) == (row["model"], row["direction"]))
    score.update(answers=score["answers"] - 1, correct=score["correct"] - 1)
    return 1


OTHER = "f" * 64
VIOLATIONS: dict[str, list[Break]] = {
    "eligible_code_files__rows_are_accounted_for": [
        without("eligible_code_files"),
        without("eligible_code_files_rejections"),
        without("raw_code_files"),
        also_rejected("eligible_code_files", "eligible_code_files_rejections", "file_id"),
    ],
    "unified_functions__rows_are_accounted_for": [
        without("unified_functions"),
        without("eligible_code_files"),
        also_rejected("unified_functions", "unified_functions_rejections", "file_id"),
    ],
    "io_pairs__rows_are_accounted_for": [
        twice("unified_functions", function_id=OTHER, file_id=OTHER),
        without("unified_functions"),
        also_rejected("io_pairs", "io_pairs_rejections", "function_id"),
    ],
    "io_pairs__pairs_are_distinct": [twice("io_pairs", pair_id=OTHER)],
    "prediction_tasks__rows_are_accounted_for": [without("prediction_tasks"), without("io_pairs")],
    "unified_functions__failed_requests_are_few": [changed("transform_attempts", status="failed", detail="http_500")],
    "predictions__failed_requests_are_few": [changed("predictions", status="failed", failure="http_500")],
    "revised_predictions__failed_requests_are_few": [changed("revised_predictions", status="failed")],
    "predictions__rows_are_accounted_for": [
        without("predictions"),
        without("prediction_tasks"),
        twice("predictions", prediction_id=OTHER),
    ],
    "verdicts__rows_are_accounted_for": [without("verdicts"), without("predictions")],
    "verdicts__no_infrastructure_outcomes": [changed("verdicts", status="infrastructure")],
    "revised_predictions__rows_are_accounted_for": [without("revised_verdicts"), revise_a_correct_one],
    "training_sets__samples_are_distinct": [twice("training_sets")],
    "training_sets__functions_stay_on_one_side": [function_on_both_sides],
    "training_sets__near_duplicate_groups_stay_on_one_side": [function_on_both_sides],
    "training_sets__stages_have_rows": [only_held_out],
    "training_sets__items_end_once": [sample_also_rejected],
    "training_sets__prompts_stay_on_one_side": [prompt_on_both_sides],
    "io_pairs__degenerate_functions_are_few": [all_degenerate],
    "verdicts__correct_rate_is_steady": [right_less_often_than_before],
    "training_sets__samples_fit_the_length": [endless_completions],
    "training_sets__texts_are_distinct": [same_texts],
    "held_out_scores__functions_were_not_trained_on": [trained_on_held_out],
    "held_out_scores__answers_are_accounted_for": [
        without("held_out_answers"),
        changed("held_out_scores", correct=9),
        one_answer_less,
    ],
    "published_data_audit__recorded_pairs_reproduce": [changed("published_data_audit", result="random")],
}
CASES = [(name, number) for name, breaks in VIOLATIONS.items() for number in range(len(breaks))]


def test_every_check_has_a_violation():
    assert sorted(VIOLATIONS) == sorted(path.stem for path in CHECKS)


@pytest.mark.parametrize(("name", "number"), CASES)
def test_check_reports_what_breaks_the_rule(name: str, number: int, tmp_path: Path):
    path = next(path for path in CHECKS if path.stem == name)
    partition = partition_of(path)
    content = tiny.tables()
    count = VIOLATIONS[name][number](content[partition])
    warehouse = tiny.write(Warehouse(tmp_path / "bad"), {partition: content[partition]})
    assert len(run_sql_check(warehouse, path.read_text("utf-8"), partition)) == count


def test_partitions_are_checked_on_their_own(tmp_path: Path):
    content = tiny.tables()
    content["alpha-0001"]["verdicts"].pop()
    warehouse = tiny.write(Warehouse(tmp_path / "bad"), content)
    query = (SQL / "checks" / "verdicts__rows_are_accounted_for.sql").read_text("utf-8")
    assert run_sql_check(warehouse, query, SHARD).is_empty()
    assert len(run_sql_check(warehouse, query, "alpha-0001")) == 1
