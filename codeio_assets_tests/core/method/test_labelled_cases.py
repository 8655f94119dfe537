"""Answers and comparisons with their right values (`cases/data_side.jsonl`); inputs that are executed, elsewhere."""

import json
from pathlib import Path
from typing import Any

import pytest

from codeio_assets.core.method.answers import extract_answer
from codeio_assets.core.method.verdicts import judge_output
from codeio_assets.core.values.canonical import canonical_json
from codeio_assets.core.values.reasoning import split_reasoning

CASES = [
    json.loads(line)
    for line in (Path(__file__).parents[2] / "cases" / "data_side.jsonl").read_text("utf-8").splitlines()
]
ANSWERS = [case for case in CASES if case["area"] == "answers"]
COMPARISONS = [case for case in CASES if case["command"] == "codeio judge (output)"]
NO_ANSWER = "__NF__"


def test_there_are_cases() -> None:
    assert len(ANSWERS) >= 50
    assert len(COMPARISONS) >= 10


@pytest.mark.parametrize("case", ANSWERS, ids=lambda case: case["id"])
def test_an_answer_is_read_as_it_is_meant(case: dict[str, Any]) -> None:
    found = extract_answer(case["input"], "input" if "--key input" in case["command"] else "output")
    value = found.value if found.found else NO_ANSWER
    assert canonical_json(value) in [canonical_json(right) for right in case["right"]["any_of"]]


@pytest.mark.parametrize("case", COMPARISONS, ids=lambda case: case["id"])
def test_an_output_gets_its_right_verdict(case: dict[str, Any]) -> None:
    given = case["input"]
    assert (
        judge_output("answered", given["response"], json.dumps(given["target"])).status
        in case["right"]["status_any_of"]
    )


# Further examples of the same kinds.
WRITTEN: list[tuple[str, Any]] = [
    ('"{\\"output\\": {\\"k\\": 2}}"', {"k": 2}),
    ('{"output": {"max\\_len": 1, "a\\*b": [2]}}', {"max_len": 1, "a*b": [2]}),
    ('$$\\boxed{\\left\\{ "output": \\left[1, 2\\right] \\right\\}}$$', [1, 2]),
    ('{"output"： ［1，2］}', [1, 2]),
    ("｛\"output\"： 'x'｝", "x"),
    ("{‘output’: [‘a’, ‘b’]}", ["a", "b"]),
    ("{“output“: “a”}", "a"),
    ('{"output": [-5, −5]}', [-5, -5]),
    ('[THINK]maybe {"output": 3}[/THINK]\n{"output": 4}', 4),
    ('<thinking>maybe {"output": 3}</thinking>{"output": 4}', 4),
    ('<seed:think>maybe {"output": 3}</seed:think>\n{"output": 4}', 4),
    (
        '<|channel|>analysis<|message|>{"output": 3}?<|end|><|start|>assistant<|channel|>final<|message|>{"output": 4}',
        4,
    ),
    ('analysisWe try {"output": 3}.assistantfinal{"output": 4}', 4),
    ('The mark </think> ends it, and so: {"output": 4}', 4),
    ('{"output": "</think>"}', "</think>"),
    ('<think>{"output": 3}</think>\nThe mark `</think>` ends it. {"output": 4}', 4),
    ('<think>It is {"output": 3}.</think>', NO_ANSWER),
    ('[THINK]It is {"output": 3}.[/THINK]\nI give up.', NO_ANSWER),
    ('{"output": [1 250, 3]}', NO_ANSWER),
    ('{"output": ["a" "b"]}', NO_ANSWER),
    ('{"output": [10:45]}', NO_ANSWER),
    ('{"output": {"a": {"n": 1}, {"n": 2}}}', NO_ANSWER),
    ('{"output": [["a", 1}, ["b", 2]]}', NO_ANSWER),
    ('{"output": [[1, 2], [3, 4}', NO_ANSWER),
    ('{"output": {1, 2}}', NO_ANSWER),
    ('{"output": 007}', NO_ANSWER),
]


@pytest.mark.parametrize(("response", "right"), WRITTEN, ids=[str(number) for number in range(len(WRITTEN))])
def test_further_examples(response: str, right: Any) -> None:
    found = extract_answer(response, "output")
    value = found.value if found.found else NO_ANSWER
    assert canonical_json(value) == canonical_json(right)


def test_reasoning_that_was_cut_off_is_no_answer() -> None:
    assert split_reasoning('<think>maybe {"output": 3}', is_finished=False) == ("", 'maybe {"output": 3}')
    assert split_reasoning("plain", is_finished=False) == ("plain", None)
