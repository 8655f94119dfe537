import json
from typing import Any, get_args

import pytest

from codeio_assets.core.method.verdicts import (
    CORRECT,
    FEEDBACK,
    MAX_VALUE_CHARS,
    Judgement,
    Status,
    judge_input,
    judge_output,
    read_input_answer,
)
from codeio_assets.core.tables.data import VERDICT_STATUSES
from codeio_assets.core.values.comparison import Rule
from codeio_assets.sandbox.contract import STATUSES


def executed(status: str, value: Any = None, target: Any = 3, **fields: str | None) -> Judgement:
    return judge_input(
        '{"a":1}',
        outcome_status=status,
        outcome_value_json=json.dumps(value) if status == "ok" else None,
        error_type=fields.get("error_type"),
        message=fields.get("message"),
        target_json=json.dumps(target),
    )


def test_statuses_are_those_of_the_table() -> None:
    assert list(get_args(Status)) == VERDICT_STATUSES


class TestOutput:
    def test_correct(self) -> None:
        judgement = judge_output("answered", 'So ```json\n{"output": {"b": 1, "a": 0.5}}\n```', '{"a":0.5,"b":1}')
        assert judgement == Judgement("correct", '{"b":1,"a":0.5}', None, None, "Success", "default-1")

    def test_wrong_gives_nothing_away(self) -> None:
        judgement = judge_output("answered", '{"output": 41}', "42")
        assert (judgement.status, judgement.predicted_json) == ("wrong", "41")
        assert "42" not in judgement.feedback
        assert judgement.feedback != judge_output("answered", "no idea", "42").feedback

    @pytest.mark.parametrize("status", ["answered", "truncated", "refused"])
    def test_no_answer(self, status: str) -> None:
        judgement = judge_output(status, "The output is 42", "42")
        assert (judgement.status, judgement.predicted_json) == ("no_answer", None)
        assert '{"output": ...}' in judgement.feedback

    @pytest.mark.parametrize("status", ["truncated", "refused"])
    def test_an_answer_counts_however_the_response_ended(self, status: str) -> None:
        assert judge_output(status, '{"output": 42} and', "42").status == "correct"

    def test_a_failed_request_is_infrastructure(self) -> None:
        judgement = judge_output("failed", "", "42")
        assert (judgement.status, judgement.feedback) == ("infrastructure", FEEDBACK["infrastructure"])

    @pytest.mark.parametrize(("rule", "status"), [("default", "correct"), ("paper", "wrong")])
    def test_the_rule_decides_and_is_stored(self, rule: Rule, status: str) -> None:
        judgement = judge_output("answered", '{"output": 0.9999999}', "1.0", rule)
        assert (judgement.status, judgement.rule_version) == (status, f"{rule}-1")


class TestInput:
    def test_the_answer_is_handed_out_to_be_executed(self) -> None:
        assert read_input_answer("answered", "{'input': {'b': (1, 2), 'a': None}}") == '{"b":[1,2],"a":null}'

    @pytest.mark.parametrize("response", ["none", '{"input": 5}', '{"input": {"a": 1', '{"output": {"a": 1}}'])
    def test_no_answer(self, response: str) -> None:
        judgement = read_input_answer("answered", response)
        assert isinstance(judgement, Judgement)
        assert (judgement.status, judgement.predicted_json) == ("no_answer", None)
        assert '{"input": {...}}' in judgement.feedback

    def test_a_failed_request_is_infrastructure(self) -> None:
        judgement = read_input_answer("failed", "")
        assert isinstance(judgement, Judgement)
        assert judgement.status == "infrastructure"

    def test_any_input_that_gives_the_target_is_correct(self) -> None:
        judgement = executed("ok", [3, 0.1], target=[3, 0.1])
        assert judgement == Judgement("correct", '{"a":1}', "[3, 0.1]", None, CORRECT, "default-1")

    def test_wrong_is_told_what_the_input_really_gives(self) -> None:
        judgement = executed("ok", {"t": "12", "n": None}, target={"t": 12, "n": None})
        assert judgement.status == "wrong"
        assert judgement.executed_output_json == '{"t": "12", "n": null}'
        assert '{"t": "12", "n": null}' in judgement.feedback
        assert '{"t": 12, "n": null}' in judgement.feedback

    def test_long_values_are_cut(self) -> None:
        judgement = executed("ok", "x" * 1_000_000)
        assert judgement.executed_output_json is None, "a long value is told, not stored"
        assert len(judgement.feedback) < MAX_VALUE_CHARS + 300
        assert "999002 more characters" in judgement.feedback

    @pytest.mark.parametrize("status", ["timeout", "out_of_memory"])
    def test_limits_keep_their_status(self, status: str) -> None:
        judgement = executed(status)
        assert (judgement.status, judgement.error_type) == (status, None)
        assert judgement.feedback == FEEDBACK[f"input/{status}"]

    @pytest.mark.parametrize(
        ("status", "error_type"),
        [
            ("output_too_large", "OutputTooLarge"),
            ("not_serialisable", "NotSerialisable"),
            ("crashed", "Crashed"),
        ],
    )
    def test_outcomes_without_a_value_are_exceptions_of_the_code(self, status: str, error_type: str) -> None:
        judgement = executed(status, message="Object of type set")
        assert (judgement.status, judgement.error_type) == ("exception", error_type)
        assert "not correct" in judgement.feedback

    def test_a_fault_of_the_machine_is_never_feedback(self) -> None:
        judgement = executed("infrastructure", message="worker lost")
        assert (judgement.status, judgement.feedback) == ("infrastructure", FEEDBACK["infrastructure"])

    def test_each_outcome_of_the_sandbox_has_a_verdict(self) -> None:
        assert {executed(status, 3).status for status in STATUSES} <= set(VERDICT_STATUSES)

    def test_an_unknown_outcome_is_an_error(self) -> None:
        with pytest.raises(ValueError, match="unknown outcome status 'matched'"):
            executed("matched")

    def test_ok_without_a_value_is_an_error(self) -> None:
        with pytest.raises(ValueError, match="must have a value"):
            judge_input(
                "{}", outcome_status="ok", outcome_value_json=None, error_type=None, message=None, target_json="1"
            )


def test_each_finding_has_its_own_text() -> None:
    texts = [executed(status, 4, error_type="E", message="m").feedback for status in sorted(STATUSES)]
    assert len(set(texts)) == len(texts)
    assert all(texts)


def test_a_program_cannot_break_feedback_with_its_exception() -> None:
    judgement = executed("exception", error_type="\ud800{0}" * 99, message="{target} \udfff {" + "x" * 10_000)
    assert len(judgement.feedback.encode()) < 1_000
    assert "{target}" in judgement.feedback
    assert judgement.error_type is not None
    judgement.error_type.encode()


def test_defect_5_names_in_the_code_cannot_reach_the_comparison() -> None:
    # Only the value's JSON text comes here, so a reference code's own `is_close` or `json` has nothing to replace.
    assert executed("ok", 0.50001, target=0.5).status == "correct"
    assert executed("ok", 0.6, target=0.5).status == "wrong"


def test_defect_6_ending_the_process_is_not_success() -> None:
    assert executed("crashed", message="exit code 0").status == "exception"


def test_defect_7_an_exception_keeps_its_type_and_its_whole_message() -> None:
    judgement = executed("exception", error_type="AssertionError", message="line 1\nline 2")
    assert (judgement.status, judgement.error_type) == ("exception", "AssertionError")
    assert "line 1\nline 2" in judgement.feedback
    assert executed("exception", error_type="RuntimeError").error_type == "RuntimeError"


def test_defect_8_feedback_names_the_exception() -> None:
    assert "ZeroDivisionError: division by zero" in (
        executed("exception", error_type="ZeroDivisionError", message="division by zero").feedback
    )
    assert "KeyError" in executed("exception", error_type="KeyError").feedback


def test_defect_17_a_fenced_scalar_is_one_row_without_an_answer() -> None:
    judgement = judge_output("answered", "```json\n5\n```", "5")
    assert judgement.status == "no_answer"


def test_defect_22_values_in_feedback_are_json() -> None:
    text, number = executed("ok", ["12", True, None], target=0), executed("ok", [12, True, None], target=0)
    assert text.feedback != number.feedback
    assert '["12", true, null]' in text.feedback
