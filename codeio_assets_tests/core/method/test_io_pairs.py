from collections import Counter
from typing import get_args

import pytest

from codeio_assets.core.method.io_pairs import Draws, explain, is_degenerate, main_reason, reject_output
from codeio_assets.core.values.complexity import Problem
from codeio_assets.sandbox.contract import STATUSES

LONG = '"' + "x" * 100 + '"'


class TestDraws:
    def test_new_inputs_are_kept_as_written_and_known_in_any_order(self) -> None:
        draws = Draws()
        for value in ('{"b": 1, "a": 2}', '{"a":1}', '{"a":2,"b":1}', "{}", '{"a":1.0}'):
            draws.add("ok", value)
        assert draws.inputs == ['{"b":1,"a":2}', '{"a":1}', "{}", '{"a":1.0}']
        assert draws.lost == {"duplicate_input": 1}
        assert draws.first_error == ""

    @pytest.mark.parametrize(
        ("status", "value", "reason"),
        [
            *((status, None, f"generator_{status}") for status in sorted(STATUSES)),
            ("ok", "[1]", "input_not_an_object"),
            ("ok", "null", "input_not_an_object"),
            ("ok", '"{}"', "input_not_an_object"),
            ("ok", f'{{"a":{LONG}}}', "input_string_too_long"),
            ("ok", f'{{"a":{list(range(20))}}}', "input_too_many_items"),
            ("ok", f'{{"a":{list(range(1_000, 1_019))},"b":{list(range(2_000, 2_019))}}}', "input_too_large_bytes"),
        ],
    )
    def test_a_draw_that_gives_no_input_is_counted(self, status: str, value: str | None, reason: str) -> None:
        draws = Draws()
        draws.add(status, value, "what happened")
        assert (draws.inputs, draws.lost) == ([], {reason: 1})
        assert draws.first_error

    def test_the_first_error_is_kept_for_the_person_who_asks(self) -> None:
        draws = Draws()
        draws.add("ok", '{"a":1}')
        draws.add("ok", '{"a":1}')
        draws.add("exception", None, "ValueError: first")
        draws.add("exception", None, "ValueError: second")
        assert draws.first_error == "ValueError: first"
        assert draws.lost == {"duplicate_input": 1, "generator_exception": 2}

    def test_without_words_the_reason_stands_for_the_error(self) -> None:
        draws = Draws()
        draws.add("timeout", None)
        assert draws.first_error == "generator_timeout"


@pytest.mark.parametrize(
    ("status", "value", "reason"),
    [
        ("ok", "0", None),
        ("ok", "false", None),
        ("ok", '""', None),
        ("ok", "[]", None),
        ("ok", '{"a":NaN}', None),
        ("ok", "[null]", None),
        ("ok", '"null"', None),
        ("ok", "null", "output_none"),
        ("ok", None, "output_ok"),
        ("ok", LONG, "output_string_too_long"),
        ("ok", f"{list(range(20))}", "output_too_many_items"),
        ("ok", str(10**400), "output_scalar_too_large"),
        *((status, None, f"output_{status}") for status in sorted(STATUSES - {"ok"})),
    ],
)
def test_outputs(status: str, value: str | None, reason: str | None) -> None:
    assert reject_output(status, value) == reason


def test_every_reason_is_a_code_that_can_be_counted() -> None:
    codes = [f"{where}_{what}" for where in ("input", "output") for what in (*get_args(Problem), *STATUSES)]
    assert all(code.replace("_", "").isalpha() and code.islower() for code in codes)


@pytest.mark.parametrize(
    ("outputs", "degenerate"),
    [(["1", "1"], True), (["1"], True), ([], True), (["1", "2"], False), (["1", "1.0"], False)],
)
def test_degenerate(outputs: list[str], degenerate: bool) -> None:
    assert is_degenerate(iter(outputs)) is degenerate


@pytest.mark.parametrize(
    ("lost", "reason"),
    [
        ({}, "no_draws"),
        ({"b": 2, "a": 1}, "b"),
        ({"b": 1, "a": 1}, "a"),
        ({"a": 1, "b": 1, "c": 3}, "c"),
        ({"duplicate_input": 9, "z": 1}, "z"),
        ({"duplicate_input": 2}, "duplicate_input"),
    ],
)
def test_the_main_reason_is_the_most_frequent(lost: dict[str, int], reason: str) -> None:
    assert main_reason(Counter(lost)) == reason


def test_a_lost_value_is_told_in_words_that_name_the_fault() -> None:
    draws = Draws()
    draws.add("ok", '{"a":[' + ",".join("1" * 20) + "]}")
    assert draws.first_error.startswith("an input drawn by input_generator has a list or dictionary of 20 items")
    assert "returned None" in explain("output_none", "null")
    assert explain("output_string_too_long", '"x"') == (
        'a value returned by main_solution has a string of 100 characters or more: "x"'
    )
