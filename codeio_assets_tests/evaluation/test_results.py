"""The table of results: published rows beside one's own, averages over the columns that were run, gains."""

import csv
import io

import pytest

from codeio_assets.evaluation.rendering import as_csv, html, markdown
from codeio_assets.evaluation.results import COLUMNS, Cell, TableRow, cell, gains, groups, published, table

BASE = "Qwen 2.5 Coder 7B"


def test_the_paper_has_21_rows_of_14_columns_and_its_averages() -> None:
    rows = {(row.base, row.name): row for row in published()}
    assert len(rows) == 21
    assert all(len(row.cells) == len(COLUMNS) == 14 for row in rows.values())
    averages = {
        name: round(rows[BASE, name].average(COLUMNS) or 0, 1) for name in ("2nd stage only", "CodeI/O", "CodeI/O++")
    }
    assert averages == {"2nd stage only": 54.8, "CodeI/O": 57.2, "CodeI/O++": 57.7}


def test_a_cell_has_wilsons_interval_and_its_shares() -> None:
    found = cell([1, 0, 1, 1], ["correct", "truncated", "correct", "correct"], 75.0)
    assert (found.n_questions, found.truncated_ratio, found.no_answer_ratio) == (4, 0.25, 0.0)
    assert (round(found.low or 0, 1), round(found.high or 0, 1)) == (30.1, 95.4)


def test_the_interval_follows_a_figure_that_is_another_mean() -> None:
    found = cell([0.5, 0.25, 1.0], ["wrong", "wrong", "correct"], 60.0)
    assert found.low is not None
    assert found.high is not None
    assert found.low < 60 < found.high


def test_a_benchmark_without_questions_is_no_cell() -> None:
    with pytest.raises(ValueError, match="without a question"):
        cell([], [], 0.0)


def test_averages_are_over_the_columns_that_all_our_rows_have() -> None:
    ours = [
        TableRow("SmolLM2-135M", "none", {"gsm8k": Cell(2.0), "math": Cell(4.0)}),
        TableRow("SmolLM2-135M", "codeio", {"gsm8k": Cell(3.0), "math": Cell(5.0), "drop": Cell(50.0)}),
    ]
    made = table(ours, bases=[BASE])
    assert made.averaged == ["gsm8k", "math"]
    assert [row.average(made.averaged) for row in made.rows[-2:]] == [3.0, 4.0]
    text = markdown(made)
    assert "average of 2" in text.splitlines()[0]
    assert "\n| **SmolLM2-135M** | **codeio** |" in text
    assert "What the scores of SmolLM2-135M codeio rest on:" in text


def test_without_rows_of_ours_the_average_is_the_papers() -> None:
    made = table([], bases=[BASE])
    assert made.is_whole
    assert markdown(made).splitlines()[2].endswith("| 54.8 |")


def test_gains_are_on_the_questions_that_both_sides_have() -> None:
    before = {"gsm8k": {"1": 0.0, "2": 0.0, "3": 1.0}, "math": {"9": 1.0}}
    after = {"gsm8k": {"2": 1.0, "3": 1.0, "4": 1.0}, "drop": {"9": 1.0}}
    [gain] = gains(before, after)
    assert (gain.column, gain.paired.n, gain.paired.n_gained) == ("gsm8k", 2, 1)


def test_recipes_are_grouped_as_the_paper_has_them() -> None:
    full, right = (TableRow(BASE, f"{name}, stage2", cells) for name, cells in (
        ("full", {"gsm8k": Cell(40.0), "math": Cell(20.0)}), ("right", {"gsm8k": Cell(30.0)}),
    ))  # fmt: skip
    reported = {
        "full": {"Table 1": 57.2, "Table 2, full": 57.2, "Figure 4, 3.52M": "plotted"},
        "right": {"Table 2, only correct": 56.5},
        "not_scored": {"Table 2, input prediction": 56.1},
    }
    found = groups({"full": full, "right": right}, reported)
    assert [(group.title, [member.label for member in group.members]) for group in found] == [
        (f"Figure 4, {BASE}", ["3.52M"]), (f"Table 2, {BASE}", ["full", "only correct"]),
    ]  # fmt: skip
    assert found[1].columns == ["gsm8k"], "an average over other columns would compare unlike things"
    text = markdown(table([full, right], groups=found))
    assert "| only correct | right, stage2 | 56.5 | 30.0 | 1 benchmark |" in text
    assert "| 3.52M | full, stage2 | plotted | 30.0 | 2 benchmarks |" in text


def test_gains_without_leaked_questions_stand_beside_them() -> None:
    before, after = {"gsm8k": {"1": 0.0, "2": 0.0}}, {"gsm8k": {"1": 1.0, "2": 0.0}}
    [gain] = gains(before, after, {"gsm8k": {"1"}})
    assert gain.unleaked is not None
    assert (gain.paired.difference, gain.unleaked.difference) == (50.0, 0.0)
    [gain] = gains(before, after, {"gsm8k": {"1", "2"}})
    assert gain.unleaked is None


def test_csv_and_html_tell_the_same_and_escape() -> None:
    ours = TableRow("<b>", "a|b", {"gsm8k": Cell(2.0, 1.0, 3.0, 10, 0.1, 0.2, 1.5)})
    made = table([ours], {"a|b": gains({"gsm8k": {"1": 0.0}}, {"gsm8k": {"1": 1.0}})}, bases=[])
    [line] = list(csv.DictReader(io.StringIO(as_csv(made))))
    assert (line["base"], line["value"], line["unleaked"], line["truncated_ratio"]) == ("<b>", "2.0", "1.5", "0.2")
    page = html(made)
    assert "&lt;b&gt;" in page
    assert "<b>" not in page
    assert "<svg" in page
    assert "**a\\|b**" in markdown(made)
