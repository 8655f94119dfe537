import json
from typing import Any, get_args

import pytest

from codeio_assets.core.assembly import (
    PROMPT_OF_FORMAT,
    NoSample,
    Turn,
    build_sample,
    join_turns,
    prompts_of_format,
    usable_turns,
)
from codeio_assets.core.recipes import Recipe, SampleFormat
from codeio_assets.core.settings import Phrases

PHRASES = Phrases(check_failed="CHECK: no.", retry="AGAIN.", check_passed="CHECK: yes.")
STAGE = {"mix": {"codeio": 1.0}, "learning_rate": 1e-5, "epochs": 1.0}
TASK = {
    "task_id": "t" * 64,
    "function_id": "f" * 64,
    "source": "s",
    "direction": "output",
    "repository": "r",
    "path": "p.py",
    "license": None,
    "prompt": "the very prompt",
    "pair_index": 0,
    "input_json": '{"a":1}',
    "output_json": '{"b":[2,null]}',
    "query": "What is it?",
    "io_description": "a (int)",
    "reference_code": "\ndef main_solution(a): return a\n",
}
RIGHT = Turn('  I think {"output": 2}\n', "answered", "correct", "Success")
WRONG = Turn("It is 5.", "answered", "wrong", "Not correct.")
CODE = "```python\ndef main_solution(a): return a\n```"


def recipe(sample_format: str = "query_code_to_cot", **data: Any) -> Recipe:
    parts = {"name": "r", "base_model": "m", "format": sample_format, "stages": {1: STAGE}, "data": data}
    return Recipe.model_validate(parts)


def build(turns: list[Turn], task: dict[str, Any] = TASK, **options: Any) -> dict[str, Any] | NoSample:
    made = recipe(**options)
    return build_sample(made, task, turns, PHRASES, prompts_of_format(made.format))


def built(turns: list[Turn], task: dict[str, Any] = TASK, **options: Any) -> dict[str, Any]:
    sample = build(turns, task, **options)
    assert isinstance(sample, dict), sample
    return sample


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
            ([WRONG, Turn("cut", "truncated", "no_answer", "x"), RIGHT], 2, 1),
            ([WRONG, Turn("", "failed", "infrastructure", "x")], 1, 1),
            ([WRONG, Turn("lost", "answered", "infrastructure", "x"), RIGHT], 2, 1),
            ([WRONG, Turn("no", "refused", "no_answer", "x")], 1, 1),
        ],
    )
    def test_a_sample_ends_before_a_turn_that_is_not_usable(self, turns: list[Turn], limit: int, used: int) -> None:
        assert usable_turns(turns, limit) == turns[:used]

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
    def test_without_a_usable_first_turn_there_is_no_sample(self, status: str, verdict: str, reason: str) -> None:
        found = usable_turns([Turn("x", status, verdict, "f"), RIGHT], 1)
        assert isinstance(found, NoSample)
        assert found.reason == reason


class TestText:
    def test_codeio_is_the_first_turn_alone(self) -> None:
        assert join_turns([WRONG, RIGHT], PHRASES, with_checks=False) == "It is 5."

    def test_codeio_plus_plus_joins_turns_and_checks(self) -> None:
        assert join_turns([WRONG, RIGHT], PHRASES, with_checks=True) == (
            'It is 5.\n\nCHECK: no. Not correct.\n\nAGAIN.\n\nI think {"output": 2}\n\nCHECK: yes.'
        )

    def test_a_right_first_turn_is_checked_and_done(self) -> None:
        assert join_turns([RIGHT], PHRASES, with_checks=True) == 'I think {"output": 2}\n\nCHECK: yes.'

    def test_a_last_turn_that_is_still_wrong_ends_with_its_feedback(self) -> None:
        text = join_turns([WRONG, WRONG], PHRASES, with_checks=True)
        assert text.endswith("AGAIN.\n\nIt is 5.\n\nCHECK: no. Not correct.")

    def test_three_turns(self) -> None:
        text = join_turns([WRONG, WRONG, RIGHT], PHRASES, with_checks=True)
        assert (text.count("AGAIN."), text.count("CHECK: no."), text.count("CHECK: yes.")) == (2, 2, 1)

    def test_the_default_phrases_are_all_there(self) -> None:
        text = join_turns([WRONG, RIGHT], Phrases.model_validate({}), with_checks=True)
        assert all(phrase in text for phrase in Phrases.model_validate({}).model_dump().values())


class TestSample:
    def test_the_published_columns_stand_beside_the_text(self) -> None:
        sample = built([WRONG, RIGHT])
        assert sample["completion"] == join_turns([WRONG, RIGHT], PHRASES, with_checks=True)
        assert (sample["turn_1"], sample["feedback_1"]) == (WRONG.response, WRONG.feedback)
        assert (sample["turn_2"], sample["feedback_2"]) == (RIGHT.response, RIGHT.feedback)
        assert sample["final_status"] == "correct"
        origin = ("task_id", "function_id", "source", "direction", "repository", "path", "license")
        assert {name: sample[name] for name in origin} == {name: TASK[name] for name in origin}

    def test_without_revision_there_is_no_second_turn(self) -> None:
        sample = built([WRONG, RIGHT], revision_turns=0)
        assert sample["completion"] == "It is 5."
        assert (sample["turn_2"], sample["feedback_2"], sample["final_status"]) == (None, None, "wrong")

    def test_the_id_is_that_of_the_task_and_the_texts(self) -> None:
        one, other = built([RIGHT]), built([RIGHT], revision_turns=0)
        assert one["sample_id"] == built([RIGHT])["sample_id"]
        assert one["sample_id"] != other["sample_id"]
        assert one["sample_id"] != built([RIGHT], {**TASK, "task_id": "u" * 64})["sample_id"]


class TestVariants:
    @pytest.mark.parametrize(
        ("variant", "direction", "reason"),
        [
            ("full", "input", None),
            ("full", "output", None),
            ("input_only", "input", None),
            ("input_only", "output", "direction_left_out"),
            ("output_only", "output", None),
            ("output_only", "input", "direction_left_out"),
        ],
    )
    def test_directions(self, variant: str, direction: str, reason: str | None) -> None:
        sample = build([WRONG], {**TASK, "direction": direction}, variant=variant)
        assert (sample.reason if isinstance(sample, NoSample) else None) == reason

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
        self, turns: list[Turn], revisions: int, kept: bool
    ) -> None:
        sample = build(turns, variant="correct_only", revision_turns=revisions)
        assert isinstance(sample, dict) is kept
        assert kept or sample == NoSample("not_correct", "last verdict wrong in the variant correct_only")

    @pytest.mark.parametrize(
        ("direction", "answer"), [("output", '{"output":{"b":[2,null]}}'), ("input", '{"input":{"a":1}}')]
    )
    def test_wrong_answers_become_the_bare_truth(self, direction: str, answer: str) -> None:
        task = {**TASK, "direction": direction}
        sample = built([WRONG, WRONG], task, variant="wrong_to_ground_truth", revision_turns=0)
        assert sample["completion"] == sample["turn_1"] == answer
        assert sample["final_status"] == "correct"
        assert json.loads(answer)[direction]

    def test_right_answers_stay_in_wrong_to_ground_truth(self) -> None:
        assert built([WRONG, RIGHT], variant="wrong_to_ground_truth")["turn_1"] == WRONG.response

    @pytest.mark.parametrize(("limit", "index", "kept"), [(None, 9, True), (1, 0, True), (1, 1, False), (3, 2, True)])
    def test_pairs_per_function(self, limit: int | None, index: int, kept: bool) -> None:
        sample = build([RIGHT], {**TASK, "pair_index": index}, pairs_per_function=limit)
        assert isinstance(sample, dict) is kept
        assert kept or (isinstance(sample, NoSample) and sample.reason == "beyond_pairs_per_function")


class TestFormats:
    def test_every_format_has_its_prompt(self) -> None:
        assert set(PROMPT_OF_FORMAT) == set(get_args(SampleFormat))
        assert all(set(prompts_of_format(each)) == {"input", "output"} for each in PROMPT_OF_FORMAT)

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
        self, sample_format: str, query: bool, code: bool, completion: str, direction: str
    ) -> None:
        task = {**TASK, "direction": direction}
        sample = built([RIGHT], task, sample_format=sample_format)
        ((message),) = json.loads(sample["prompt_json"])
        cot = join_turns([RIGHT], PHRASES, with_checks=True)
        assert message["role"] == "user"
        assert (TASK["query"] in message["content"]) is query
        assert ("def main_solution" in message["content"]) is code
        given = task["input_json"] if direction == "output" else task["output_json"]
        assert given in message["content"]
        assert sample["completion"] == {"cot": cot, "code": CODE, "code+cot": f"{CODE}\n\n{cot}"}[completion]

    def test_the_default_format_trains_on_the_very_prompt_that_was_asked(self) -> None:
        assert json.loads(built([RIGHT])["prompt_json"]) == [{"role": "user", "content": "the very prompt"}]
