from dataclasses import fields

import dagster as dg
import pytest

from codeio_assets.checks.quality import PAIR_RULES, flaw_result, pair_failures
from codeio_assets.core.method.cot_quality import CotFlaws
from codeio_assets.core.settings.quality import FLAWS, Quality
from codeio_assets.core.tables.data import frame, polars_schema
from codeio_assets.steps.cot_flaws import Responses, flaw_rates, flaw_rows, review_cots
from codeio_assets_tests.reports import tiny
from codeio_assets_tests.steps.scripted import functions, pairs

SHARED = ("prediction_id", "task_id", "function_id", "source", "direction", "turn", "model_id")


def rows_with(flaw: str, having: int, of: int, model: str = "m", turn: int = 1) -> list[dict]:
    fixed = {"task_id": "t", "function_id": "f", "source": "s", "direction": "output", "turn": turn, "model_id": model}
    none = dict.fromkeys(FLAWS, False)
    return [{**fixed, **none, "prediction_id": f"p{number}", flaw: number < having} for number in range(of)]


@pytest.mark.parametrize(
    ("having", "of", "level", "failing"),
    [
        (0, 20, "warn_above", 0),
        (1, 100, "warn_above", 0),
        (3, 100, "warn_above", 3),
        (3, 100, "block_above", 0),
        (60, 100, "block_above", 60),
        (9, 9, "block_above", 0),  # too few to tell
    ],
)
def test_a_flaw_that_is_too_frequent_fails_with_its_rows(having: int, of: int, level: str, failing: int) -> None:
    rows, quality = rows_with("loop", having, of), Quality.model_validate({})
    warns = level == "warn_above"
    result = flaw_result(rows, flaw_rates(rows, quality), level, "a rule", warns=warns)
    assert result.passed == (failing == 0)
    assert result.severity == (dg.AssetCheckSeverity.WARN if warns else dg.AssetCheckSeverity.ERROR)
    shown = {name: value.value for name, value in result.metadata.items() if isinstance(value, dg.IntMetadataValue)}
    assert shown["codeio/failing_rows"] == failing
    assert shown["codeio/rows"] == of
    if failing:
        assert result.description == f"More than tolerated: loop {having / of:.0%} ({having} of {of})."
        assert result.metadata["codeio/failures"].records[0].data["prediction_id"] == "p0"


def test_rates_are_told_apart_by_model_and_revisions_alone_can_repeat() -> None:
    rows = rows_with("loop", 5, 10) + rows_with("loop", 0, 10, "other") + rows_with("repeats_previous", 10, 10, turn=2)
    rates = {(rate.flaw, rate.model_id): rate.share for rate in flaw_rates(rows, Quality.model_validate({}))}
    assert rates["loop", "m"] == 0.25
    assert rates["loop", "other"] == 0.0
    assert rates["repeats_previous", "m"] == 1.0
    assert ("repeats_previous", "other") not in rates


def test_flaws_are_columns_of_the_table() -> None:
    assert list(polars_schema("cot_flaws")) == [*SHARED, *(field.name for field in fields(CotFlaws))]


def test_responses_are_reviewed_and_failed_requests_are_not() -> None:
    content = tiny.tables()["beta-0001"]
    content["predictions"][0]["status"] = "failed"
    made, first, revised = (
        frame(name, content[name]) for name in ("unified_functions", "predictions", "revised_predictions")
    )
    rules = Quality.model_validate({}).cot
    result = review_cots(Responses(made, first, revised), rules)
    assert len(result.tables["cot_flaws"]) == len(first) + len(revised) - 1
    repeated = frame("revised_predictions", [{**row, "response": "We add. " * 3} for row in revised.to_dicts()])
    same = frame("predictions", [{**row, "response": "We add. " * 3} for row in first.to_dicts()])
    assert all(row["repeats_previous"] for row in flaw_rows(made, repeated, same, rules))


def test_pairs_that_break_a_rule_are_listed_with_their_problem() -> None:
    made = functions(("def main_solution(a): return a", "def input_generator(): return {}"))
    values = [('{"a":1}', "1"), ('{"b":1}', "1"), ('{"a":"' + "x" * 100 + '"}', "1")]
    rows = frame("io_pairs", pairs(made.row(0, named=True), *values))
    found = {name: pair_failures(rows, made, problem_of) for name, (_, problem_of) in PAIR_RULES.items()}
    assert {name: [row["problem"] for row in failures] for name, failures in found.items()} == {
        "pairs_are_within_the_complexity_rule": ["input_string_too_long"],
        "arguments_match_the_signature": ["lacks the argument(s) a"],
        "both_directions_are_feasible": [],
    }
