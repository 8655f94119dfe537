import re
from typing import Any

import pytest

from codeio_assets.core.method.tasks import build_tasks
from codeio_assets.core.prompts import Prompt, PromptError, load_prompt
from codeio_assets.core.tables.data import TABLES, frame
from codeio_assets.core.values.canonical import content_id

PROMPTS = {direction: load_prompt(f"predict_{direction}") for direction in ("input", "output")}
FUNCTION = {
    "query": "Which number comes after `a`? It costs $5.",
    "io_description": "a (int)",
    "reference_code": "\ndef main_solution(a):\n    return a + 1  # ${given}\n\n",
}


def pair(input_json: str, output_json: str, **fields: Any) -> dict[str, Any]:
    pair_id = content_id(function_id="f", input_json=input_json)
    known = {"pair_id": pair_id, "function_id": content_id(f="f"), "source": "s"}
    return {**known, "input_json": input_json, "output_json": output_json, **fields}


def test_each_pair_gives_one_task_per_direction() -> None:
    tasks, rejections = build_tasks(FUNCTION, [pair('{"a":1}', "2"), pair('{"a":2}', "3")], PROMPTS)
    assert rejections == []
    assert [task["direction"] for task in tasks] == ["input", "output"] * 2
    assert len({task["task_id"] for task in tasks}) == 4
    TABLES["prediction_tasks"].validate(frame("prediction_tasks", tasks))


def test_a_prompt_holds_what_is_given_and_not_what_is_asked() -> None:
    tasks, _ = build_tasks(FUNCTION, [pair('{"a":31415}', '{"after":92653}')], PROMPTS)
    by_direction = {task["direction"]: task["prompt"] for task in tasks}
    assert '{"a":31415}' in by_direction["output"]
    assert '{"after":92653}' in by_direction["input"]
    assert "92653" not in by_direction["output"]
    assert "31415" not in by_direction["input"]
    for text in by_direction.values():
        assert FUNCTION["query"] in text
        assert FUNCTION["io_description"] in text
        assert FUNCTION["reference_code"].strip() in text


def test_values_go_in_as_json_so_that_text_and_number_differ() -> None:
    texts = [build_tasks(FUNCTION, [pair('{"a":1}', output)], PROMPTS)[0][0]["prompt"] for output in ("12", '"12"')]
    assert texts[0] != texts[1]
    assert re.search(r'^"12"$', texts[1], re.MULTILINE)


def test_pairs_with_one_output_ask_for_an_input_once() -> None:
    pairs = [pair('{"a":1}', "2"), pair('{"a":2}', "3"), pair('{"a":3}', "2"), pair('{"a":4}', "2")]
    tasks, rejections = build_tasks(FUNCTION, pairs, PROMPTS)
    assert len(tasks) + len(rejections) == 2 * len(pairs)
    assert [(task["direction"], task["pair_id"]) for task in tasks if task["direction"] == "input"] == [
        ("input", pairs[0]["pair_id"]),
        ("input", pairs[1]["pair_id"]),
    ]
    assert {row["reason"] for row in rejections} == {"duplicate_prompt"}
    assert all(pairs[0]["pair_id"] in row["detail"] for row in rejections)
    assert len({row["id"] for row in rejections}) == 2
    assert len({task["prompt"] for task in tasks}) == len(tasks)


def test_ids_come_from_content() -> None:
    (first, _), _ = build_tasks(FUNCTION, [pair('{"a":1}', "2")], PROMPTS)
    (again, _), _ = build_tasks(dict(FUNCTION), [pair('{"a":1}', "2")], PROMPTS)
    (other, _), _ = build_tasks({**FUNCTION, "query": "Another?"}, [pair('{"a":1}', "2")], PROMPTS)
    assert first == again
    assert first["task_id"] != other["task_id"]
    assert first["prompt_sha256"] == PROMPTS["input"].sha256


def test_no_pairs_give_no_tasks() -> None:
    assert build_tasks(FUNCTION, [], PROMPTS) == ([], [])


def test_a_template_that_is_not_one_user_message_is_refused() -> None:
    own = Prompt("predict_output", "0" * 64, (("system", "Think."), ("user", "$given")))
    with pytest.raises(PromptError, match=r"predict_output.*one `=== user` message"):
        build_tasks(FUNCTION, [pair('{"a":1}', "2")], {**PROMPTS, "output": own})
