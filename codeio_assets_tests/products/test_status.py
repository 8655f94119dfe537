"""The status counts what the manifests say, names what is wrong, and stays cheap with thousands of shards."""

import os
from pathlib import Path

import pytest

from codeio_assets.core.tables.data import frame
from codeio_assets.core.values.canonical import content_id
from codeio_assets.products.status import Expected, Problem, as_result, overview, to_markdown
from codeio_assets.project import INSTALLED_ROOT, Project
from codeio_assets.store import Warehouse

FLOW = ("raw_code_files", "unified_functions", "io_pairs", "verdicts", "revised_predictions", "training_sets")
INFO = {
    "unified_functions": {"prompt_tokens": 100, "completion_tokens": 50, "dropped_by_reason": {"syntax_error": 3}},
    "io_pairs": {"items_in": 4, "items_out": 3, "dropped_by_reason": {"degenerate": 1}, "cpu_time_s": 3600.0},
    "verdicts": {"verdicts_by_status": {"correct": 5, "wrong": 4}},
    "revised_predictions": {"flow": [{"turn": 2, "from": "wrong", "to": "correct", "count": 2}]},
}
sql = Project(INSTALLED_ROOT, INSTALLED_ROOT).sql


def expected(shards: int) -> list[Expected]:
    return [Expected(asset, "recipe" if asset == "training_sets" else "shard", shards) for asset in FLOW]


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    """Three shards are there, of which the last got no further than its functions."""
    made = Warehouse(tmp_path)
    for shard in ("a-0000", "a-0001", "a-0002"):
        for asset in FLOW[: 2 if shard == "a-0002" else 5]:
            made.write(asset, shard, {asset: frame(asset, [])}, info=INFO.get(asset, {}))
    return made


def test_counts_come_from_the_manifests(warehouse: Warehouse) -> None:
    status = overview(warehouse, expected(4), [], sql)
    assert [(row["asset"], row["done"], row["failed"]) for row in status.stages] == [
        *(("raw_code_files", 3, 0), ("unified_functions", 3, 0), ("io_pairs", 2, 0), ("verdicts", 2, 0)),
        *(("revised_predictions", 2, 0), ("training_sets", 0, 0)),
    ]
    assert status.stages[2]["kept_ratio"] == 0.75
    assert status.stages[2]["cpu_h"] == 2
    funnel = {row["step"]: row["rows"] for row in status.funnel}
    assert (funnel["functions with pairs"], funnel["correct at turn 1"], funnel["correct after revision"]) == (
        6,
        10,
        14,
    )
    assert [(row["reason"], row["rows"]) for row in status.reasons] == [("syntax_error", 9), ("degenerate", 2)]
    assert (status.models[0]["prompt_tokens"], status.models[0]["cost"]) == (300, 0)
    assert "**2 of 4 shards complete; 0 partitions failed, 0 checks failing, 0 warnings.** 450 tokens" in to_markdown(
        status
    )
    assert len(as_result(status).tables["status"]) == len(FLOW)


def test_packages_that_programs_could_not_import_are_named(warehouse: Warehouse) -> None:
    assert "need" not in to_markdown(overview(warehouse, expected(4), [], sql))
    for asset, packages in (("unified_functions", {"cv2": 2, "PIL": 1}), ("io_pairs", {"PIL": 2})):
        tables = {asset: frame(asset, [])}
        warehouse.write(asset, "a-0000", tables, info=INFO[asset] | {"missing_packages": packages})
    assert "5 files need PIL, cv2. Drop the files" in to_markdown(overview(warehouse, expected(4), [], sql))


def test_a_failed_shard_counts_once_where_it_failed_first(warehouse: Warehouse) -> None:
    failed = [Problem(asset, "a-0002", "run", "the last run failed", "2026-01-02", "r2") for asset in FLOW[2:5]]
    failed += [Problem("io_pairs", "a-0001", "run", "the last run failed", "2026-01-03", "r3")]
    checks = [Problem(asset, "a-0000", "check", "schema_matches", "2026-01-01", "r1") for asset in FLOW[:2]]
    warning = Problem("io_pairs", "a-0000", "warning", "fewer_than_usual", "2026-01-01", "r1")
    status = overview(warehouse, expected(3), [warning, *failed, *checks], sql)
    assert {row["asset"]: (row["done"], row["failed"]) for row in status.stages}["io_pairs"] == (1, 2)
    assert sum(row["failed"] for row in status.stages) == 2
    assert [(row["partition"], row["asset"]) for row in status.problems] == [
        *(
            ("a-0000", "raw_code_files"),
            ("a-0000", "unified_functions"),
            ("a-0002", "io_pairs"),
            ("a-0001", "io_pairs"),
            ("a-0000", "io_pairs"),
        ),
    ]
    shown = to_markdown(status)
    assert "2 partitions failed, 2 checks failing, 1 warning.**" in shown
    assert shown.index("2026-01-03 |") < shown.index("fewer_than_usual"), "what only warns comes last"
    assert "2026-01-02 | io_pairs" in shown


def test_what_runs_paid_is_counted(warehouse: Warehouse) -> None:
    for number in range(2):
        usage = {"run_id": str(number), "asset": "unified_functions", "shard": "a-0000", "model_id": "m", "tries": 3}
        counts = {"ended_at": "2026-01-01", "requests": 5, "replayed": 2, "failed": 1, "cost": 0.25, "wall_time_s": 1.0}
        tokens = {"prompt_tokens": 1, "cached_tokens": 0, "completion_tokens": 1, "currency": "EUR"}
        row = {"usage_id": content_id(n=number), **usage, **counts, **tokens}
        warehouse.write("model_usage", f"a-0000.{number}", {"model_usage": frame("model_usage", [row])})
    status = overview(warehouse, expected(3), [], sql)
    assert (status.models[0]["requests_sent"], status.models[0]["requests_failed"]) == (6, 2)
    assert "0.50 EUR paid" in to_markdown(status)


def test_an_empty_project_has_a_status(tmp_path: Path) -> None:
    status = overview(Warehouse(tmp_path), expected(0), [], sql)
    assert to_markdown(status).startswith("**0 of 0 shards complete")


def test_texts_cannot_break_the_table(warehouse: Warehouse) -> None:
    odd = [Problem("io_pairs", "a-0001", "check", "a | b\nc", "2026", "r")]
    assert "a / b c" in to_markdown(overview(warehouse, expected(3), odd, sql))


@pytest.mark.slow
def test_two_thousand_shards(warehouse: Warehouse) -> None:
    for asset in FLOW[:5]:
        manifest = warehouse.manifest(asset, "a-0000")
        assert manifest
        for number in range(2_000):
            key = f"b-{number:04}"
            copy = manifest.to_json().decode().replace("a-0000", key)
            (warehouse.root / "manifests" / asset / f"{key}.json").write_text(copy)
    before = os.times()
    failed = [Problem("io_pairs", f"b-{number:04}", "run", "the last run failed", "2026", "r") for number in range(500)]
    status = overview(warehouse, expected(2_003), failed, sql)
    after = os.times()
    cpu_s = round(after.user + after.system - before.user - before.system, 2)
    print(f"the status of 2,000 shards, 10,000 manifests: {cpu_s} CPU seconds")
    assert (status.stages[2]["done"], status.stages[2]["failed"]) == (1_502, 500)
    assert "and 490 more" in to_markdown(status)
