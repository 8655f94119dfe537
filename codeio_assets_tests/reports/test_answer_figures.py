"""Plots about answers: counts and intervals are shown, few points are not joined, a shard is held against itself."""

from pathlib import Path
from typing import Any

import pytest

from codeio_assets.project import Project
from codeio_assets.reports import answer_figures
from codeio_assets.store import Warehouse
from codeio_assets_tests.reports import tiny


def bins(count: int) -> list[dict[str, Any]]:
    return [
        {
            "direction": "input",
            "tokens_from": 2**n,
            "tokens_to": 2 ** (n + 1) - 1,
            "correct": 3,
            "total": 4,
            "share": 0.75,
        }
        for n in range(count)
    ]


@pytest.mark.parametrize(("count", "is_joined"), [(3, False), (4, False), (5, True)])
def test_few_bins_are_not_joined_by_a_line(count: int, is_joined: bool) -> None:
    figure = answer_figures.accuracy_by_length(bins(count))
    assert figure is not None
    (trace,) = figure.data
    assert ("lines" in trace["mode"]) == is_joined
    assert trace["text"] == ["4"] * count, "how many tasks a point stands for is on the plot"
    low, high = trace["error_y"]["arrayminus"][0], trace["error_y"]["array"][0]
    assert 0.75 - low == pytest.approx(0.30, abs=0.01)
    assert 0.75 + high == pytest.approx(0.95, abs=0.01)


def test_drift_is_of_one_shard() -> None:
    def version(shard: str, number: int, correct: int) -> dict[str, Any]:
        return {
            "shard": shard, "direction": "output", "source": "s", "model_id": "m", "version": str(number),
            "written_at": f"2026-01-0{number}", "correct": correct, "total": 10, "share": correct / 10,
        }  # fmt: skip

    assert answer_figures.drift([version("a", 1, 1), version("b", 1, 9)]) is None, "two shards are no change"
    figure = answer_figures.drift([version("a", 1, 1), version("a", 2, 8), version("b", 1, 9)])
    assert figure is not None
    assert [trace["name"] for trace in figure.data] == ["a, predict output"]
    assert figure.data[0]["y"] == [0.1, 0.8]


def test_shares_of_tasks_are_of_the_same_tasks_everywhere(tmp_path: Path) -> None:
    warehouse = tiny.write(Warehouse(tmp_path), tiny.tables())
    report = {row["step"]: row for row in warehouse.sql(Project.find().sql("reports/funnel.sql")).to_dicts()}
    assert report["correct at turn 1"]["share_of_previous"] == tiny.CORRECT_FIRST / tiny.TASKS
    assert report["correct after revision"]["share_of_previous"] == tiny.CORRECT_AT_LAST / tiny.TASKS
    assert all(row["share_of_previous"] is None or row["share_of_previous"] <= 1 for row in report.values())
