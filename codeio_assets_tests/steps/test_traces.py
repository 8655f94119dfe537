"""From pairs to traces, walks, questions and grounding; and pass rates: the steps with a real sandbox."""

import json
from typing import Any

import polars as pl
import pytest

from codeio_assets.core.method.trace_teacher import MODEL_ID
from codeio_assets.core.method.verdicts import judge_output
from codeio_assets.core.prompts import load_prompt
from codeio_assets.core.settings.models import ModelCall
from codeio_assets.core.tables.data import TABLES, frame
from codeio_assets.core.values.canonical import content_id
from codeio_assets.llm.contract import ChatRequest
from codeio_assets.sandbox import Job, Outcome, Sandbox
from codeio_assets.sandbox.tracing import TraceBounds
from codeio_assets.steps.cot_grounding import Spoken, ground_cots
from codeio_assets.steps.executing import InfrastructureError
from codeio_assets.steps.execution_traces import trace_pairs
from codeio_assets.steps.pass_rates import Asked, pass_rates, sample_answers
from codeio_assets.steps.prediction_tasks import build_prediction_tasks
from codeio_assets.steps.predictions import predict
from codeio_assets.steps.result import StepResult
from codeio_assets.steps.step_questions import with_questions
from codeio_assets.steps.trace_predictions import Walkable, predict_by_trace
from codeio_assets.steps.verdicts import Evidence, judge
from codeio_assets_tests.steps.answered_tasks import row
from codeio_assets_tests.steps.scripted import ScriptedClient, ended

CODE = """\
def main_solution(numbers):
    total = 0
    for n in numbers:
        if n > 2:
            total += n
    return total
"""
ENDLESS = "def main_solution(n):\n    while n:\n        n = n + 1\n    return n\n"
PROMPTS = {direction: load_prompt(f"predict_{direction}") for direction in ("input", "output")}
CALL = ModelCall(temperature=1.0, max_tokens=50, seed=3)


def function(name: str, code: str) -> dict[str, Any]:
    given = {"function_id": content_id(name=name), "source": "s", "reference_code": code}
    return row("unified_functions", **given, query="Add up.", io_description="numbers")


def pair(name: str, index: int, given: str, output: str) -> dict[str, Any]:
    ids = {"pair_id": content_id(name=name, given=given), "function_id": content_id(name=name), "source": "s"}
    return row("io_pairs", **ids, pair_index=index, input_json=given, output_json=output)


FUNCTIONS = frame("unified_functions", [function("sum", CODE), function("endless", ENDLESS)])
PAIRS = frame(
    "io_pairs",
    [
        pair("sum", 0, '{"numbers":[1,3,5]}', "8"),
        pair("sum", 1, '{"numbers":[]}', "0"),
        pair("sum", 2, '{"numbers":[3]}', "4"),  # it gives 3
        pair("endless", 0, '{"n":1}', "1"),
    ],
)
TASKS = build_prediction_tasks(FUNCTIONS, PAIRS, PROMPTS).tables["prediction_tasks"]


def check(result: StepResult) -> StepResult:
    for name, rows in result.tables.items():
        TABLES[name].validate(rows)
    return result


@pytest.fixture(scope="module")
def traced(sandbox: Sandbox) -> StepResult:
    return check(trace_pairs(FUNCTIONS, PAIRS, sandbox, python="3.11"))


def test_a_pair_ends_as_a_trace_or_with_the_reason(traced: StepResult, sandbox: Sandbox) -> None:
    rows = traced.tables["execution_traces"]
    assert (len(rows), traced.items_in, traced.items_out) == (2, 4, 2)
    assert traced.dropped_by_reason == {"trace_differs": 1, "trace_timeout": 1}
    assert traced.info["events"] == rows["events"].sum()
    assert rows["is_complete"].all()
    again = trace_pairs(FUNCTIONS, PAIRS, sandbox, python="3.11")
    assert {name: table.equals(again.tables[name]) for name, table in traced.tables.items()} == {
        "execution_traces": True,
        "execution_traces_rejections": True,
    }


def test_a_bound_leaves_a_trace_that_says_so(sandbox: Sandbox) -> None:
    result = check(
        trace_pairs(
            FUNCTIONS, PAIRS.filter(pl.col("output_json") == "8"), sandbox, python="3.11", bounds=TraceBounds(events=4)
        )
    )
    [made] = result.tables["execution_traces"].to_dicts()
    assert (made["events"], made["is_complete"], json.loads(made["trace_json"])["result"]) == (4, False, 8)


class Broken:
    """A sandbox that the machine fails."""

    isolation = "none"

    def run_many(self, jobs: Any) -> Any:
        return ((job, [Outcome("infrastructure", message="gone")] * len(job.calls)) for job in jobs)


def test_a_fault_of_the_machine_is_no_rejection() -> None:
    with pytest.raises(InfrastructureError, match="gone"):
        trace_pairs(FUNCTIONS, PAIRS, Broken(), python="3.11")  # type: ignore[arg-type]


def test_the_teacher_answers_every_traced_task_rightly(traced: StepResult, sandbox: Sandbox) -> None:
    result = check(predict_by_trace(Walkable(TASKS, PAIRS, FUNCTIONS, traced.tables["execution_traces"])))
    predictions = result.tables["predictions"]
    assert len(predictions) == len(TASKS) == 8
    assert set(predictions["model_id"]) == {MODEL_ID} == {"teacher:trace"}
    judged = judge(Evidence(predictions, TASKS, PAIRS, FUNCTIONS), sandbox, "default").tables["verdicts"]
    ends = predictions.join(judged, on="prediction_id", suffix="_verdict").select("status", "status_verdict")
    assert sorted(ends.rows()) == [("answered", "correct")] * 4 + [("refused", "no_answer")] * 4
    again = predict_by_trace(Walkable(TASKS, PAIRS, FUNCTIONS, traced.tables["execution_traces"]))
    assert again.tables["predictions"].equals(predictions)


def test_questions_about_steps_are_judged_like_any_output(traced: StepResult) -> None:
    result = check(with_questions(traced, FUNCTIONS, PAIRS, load_prompt("step_question"), 2))
    assert result.tables["execution_traces"] is traced.tables["execution_traces"]
    assert check(with_questions(traced, FUNCTIONS, PAIRS, None, 2)).tables["step_questions"].is_empty()
    rows = result.tables["step_questions"].to_dicts()
    assert result.info["questions_by_kind"] == {"next_line": 3, "times_run": 3, "value_after_line": 3}
    for asked in rows:
        answer = f'Thus {{"output": {asked["target_json"]}}}'
        assert judge_output("answered", answer, asked["target_json"]).status == "correct"
        assert judge_output("answered", asked["answer"], asked["target_json"]).status == "correct"
    assert len({asked["prompt"] for asked in rows}) == len(rows)


def prediction(task: dict[str, Any], response: str, status: str = "answered") -> dict[str, Any]:
    shared = {name: task[name] for name in ("task_id", "function_id", "source", "direction")}
    key = content_id(task=task["task_id"], response=response)
    said = {"status": status, "response": response, "model_id": "m", "request_key": key}
    return row("predictions", prediction_id=key, **shared, turn=1, **said)


def test_statements_are_looked_up_in_the_execution_that_they_speak_of(traced: StepResult, sandbox: Sandbox) -> None:
    wanted = PAIRS.filter(pl.col("output_json") == "8")["pair_id"][0]
    tasks = {task["direction"]: task for task in TASKS.to_dicts() if task["pair_id"] == wanted}
    predictions = frame(
        "predictions",
        [
            prediction(tasks["output"], '`total` is 3, then `total` is 8, never mind.\n{"output": 8}'),
            prediction(tasks["output"], 'Now `total` is 3. Now `total` is 4.\n{"output": 8}'),
            prediction(tasks["input"], 'Take it. Then `total` is 4 and `n` is 4.\n{"input": {"numbers": [4, 4]}}'),
            prediction(tasks["input"], 'Then `total` is 8.\n{"input": {"wrong": 1}}'),
            prediction(tasks["input"], "Then `total` is 8."),
            prediction(tasks["output"], 'No word of it.\n{"output": 8}'),
            prediction(tasks["output"], "", "failed"),
            prediction(tasks["output"], '[state] total = 3\n[state] total = 8; n = 5\n{"output": 8}'),
            prediction(tasks["output"], '[state] total = 8\n[state] total = 3\n{"output": 8}'),
            prediction(tasks["input"], '[state] total = 4; n = 4\n{"input": {"numbers": [4, 4]}}'),
            prediction(tasks["input"], '[state] total = 4; n = 4\n{"input": {"wrong": 1}}'),
        ],
    )
    verdicts = judge(Evidence(predictions, TASKS, PAIRS, FUNCTIONS), sandbox, "default").tables["verdicts"]
    traces = traced.tables["execution_traces"]
    revised = (frame("revised_predictions", []), frame("revised_verdicts", []))
    result = check(ground_cots(Spoken(FUNCTIONS, TASKS, traces, predictions, verdicts, *revised), sandbox))
    told = {
        (made["direction"], made["statements"], made["grounded"], made["ungrounded_json"])
        for made in result.tables["cot_grounding"].to_dicts()
        if not made["state_lines"]
    }
    assert told == {
        ("output", 2, 2, "[]"),
        ("output", 2, 1, '["`total` is 4"]'),
        ("input", 2, 2, "[]"),
    }
    lines = {
        (made["direction"], made["state_lines"], made["right_state_lines"], made["wrong_state_lines_json"])
        for made in result.tables["cot_grounding"].to_dicts()
        if made["state_lines"]
    }
    assert lines == {
        ("output", 2, 2, "[]"),
        ("output", 2, 1, '["[state] total = 3"]'),
        ("input", 1, 1, "[]"),
        ("input", 1, None, "[]"),
    }
    assert result.info == {
        "responses": 10,
        "with_statements": 3,
        "statements": 6,
        "grounded": 5,
        "state_lines": 6,
        "right_state_lines": 4,
    }


def test_pass_rates_count_right_answers_of_several_samples(sandbox: Sandbox) -> None:
    tasks = TASKS.filter(pl.col("direction") == "output").filter(pl.col("function_id") == content_id(name="sum"))

    def script(request: ChatRequest) -> Any:
        seed = request.sampling.seed or 0
        asks_for_8 = "[1,3,5]" in request.messages[0].content
        if seed == 6:
            return ended("failed", failure="gone")
        return f'{{"output": {8 if asks_for_8 and seed < 5 else 0}}}'

    client = ScriptedClient(script)
    result = check(sample_answers(Asked(tasks, PAIRS, FUNCTIONS), client, CALL, 4, sandbox=sandbox, rule="default"))
    assert [request.sampling.seed for request in client.batches[0]] == [3, 4, 5, 6] * 3
    first = predict(tasks, ScriptedClient(script), CALL).tables["predictions"]["request_key"].to_list()
    answers = result.tables["sampled_answers"]
    assert set(first) == set(answers.filter(pl.col("sample") == 0)["request_key"])
    rates = result.tables["pass_rates"].sort("pass_rate")
    assert rates.select("samples", "correct", "pass_rate", "model_id").rows() == [
        (3, 0, 0.0, "scripted"),
        (3, 2, 2 / 3, "scripted"),
        (3, 3, 1.0, "scripted"),
    ]
    low, high = (
        result.tables["pass_rates"].filter(pl.col("correct") == 2).select("pass_rate_low", "pass_rate_high").row(0)
    )
    assert (round(low, 3), round(high, 3)) == (0.208, 0.939)
    assert result.info["mean_pass_rate"] == pytest.approx(5 / 9)
    assert (result.items_in, result.items_out) == (3, 3)


def test_a_task_whose_answers_were_all_lost_has_no_rate() -> None:
    lost = {"task_id": "t", "model_id": "m", "status": "infrastructure"}
    assert pass_rates([lost, lost]) == []


def test_the_jobs_of_a_trace_hold_no_expected_value(traced: StepResult) -> None:
    """What goes into the sandbox is the code and the input; the output is compared outside."""
    seen: list[Job] = []

    class Watching(Broken):
        def run_many(self, jobs: Any) -> Any:
            seen.extend(jobs)
            return iter(())

    with pytest.raises(Exception, match="items in"):
        trace_pairs(FUNCTIONS, PAIRS.with_columns(output_json=pl.lit('"secret"')), Watching(), python="3.11")  # type: ignore[arg-type]
    assert not any("secret" in job.code or "secret" in text for job in seen for text in job.calls)
