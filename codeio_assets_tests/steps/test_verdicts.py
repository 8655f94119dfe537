import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import polars as pl
import pytest

from codeio_assets.core.prompts import load_prompt
from codeio_assets.core.settings.project import ModelCall
from codeio_assets.core.tables.data import TABLES, frame
from codeio_assets.core.values.comparison import Rule, rule_version
from codeio_assets.llm.contract import ChatRequest
from codeio_assets.sandbox import Job, Outcome, Sandbox
from codeio_assets.steps.executing import InfrastructureError
from codeio_assets.steps.prediction_tasks import build_prediction_tasks
from codeio_assets.steps.predictions import predict
from codeio_assets.steps.result import StepResult
from codeio_assets.steps.revised_predictions import Asked, Reviser, revise
from codeio_assets.steps.verdicts import Evidence, judge
from codeio_assets_tests.steps.scripted import Reply, ScriptedClient, ended, functions, pairs, turn_of

PROMPTS = {direction: load_prompt(f"predict_{direction}") for direction in ("input", "output")}
CALL = ModelCall(temperature=0.5, max_tokens=50)
MUTATING = (
    "def main_solution(a):\n    if a[0] == 13:\n        raise ValueError('unlucky')\n    a.sort()\n    return a[-1]\n"
)
VALUES = (('{"a":[3,1,2]}', "3"), ('{"a":[5,4]}', "5"), ('{"a":[9,3]}', "9"))


@dataclass
class Bench:
    """One function, its pairs and tasks, and how to ask and judge."""

    sandbox: Sandbox
    functions: pl.DataFrame
    pairs: pl.DataFrame
    tasks: pl.DataFrame

    def predict(self, script: Callable[[ChatRequest], Reply]) -> pl.DataFrame:
        result = predict(self.tasks, ScriptedClient(script), CALL)
        check(result)
        return result.tables["predictions"]

    def evidence(self, predictions: pl.DataFrame) -> Evidence:
        return Evidence(predictions, self.tasks, self.pairs, self.functions)

    def judge(self, predictions: pl.DataFrame, rule: Rule = "default", table: str = "verdicts") -> StepResult:
        result = judge(self.evidence(predictions), self.sandbox, rule, table)
        check(result)
        assert (result.items_in, result.items_out) == (len(predictions), len(predictions))
        return result

    def revise(
        self, first: pl.DataFrame, client: ScriptedClient, turns: int, already: pl.DataFrame | None = None
    ) -> StepResult:
        verdicts = self.judge(first).tables["verdicts"]
        result = revise(
            Asked(self.tasks, first, verdicts),
            Reviser(client, CALL, load_prompt("revise"), turns),
            lambda asked: self.judge(asked, table="revised_verdicts"),
            already,
        )
        check(result)
        return result


def check(result: StepResult) -> None:
    for table, rows in result.tables.items():
        TABLES[table].validate(rows)


def bench_of(sandbox: Sandbox, code: str = MUTATING, values: tuple[tuple[str, str], ...] = VALUES) -> Bench:
    made = functions((code, "def input_generator(): return {}"))
    rows = frame("io_pairs", pairs(made.row(0, named=True), *values))
    return Bench(sandbox, made, rows, build_prediction_tasks(made, rows, PROMPTS).tables["prediction_tasks"])


@pytest.fixture
def bench(sandbox: Sandbox) -> Bench:
    return bench_of(sandbox)


def direction_of(request: ChatRequest) -> str:
    return "output" if '{"output":' in request.messages[0].content else "input"


def oracle(request: ChatRequest) -> Reply:
    """Answer every task of the bench rightly, inputs by another input than the recorded one."""
    text = request.messages[0].content
    for given, output in VALUES:
        if direction_of(request) == "output" and f"\n{given}\n" in text:
            return f'Hence {{"output": {output}}}'
        if direction_of(request) == "input" and f"\n{output}\n" in text:
            return f'Hence {{"input": {{"a": [0, {output}, 1]}}}}'
    raise AssertionError(text)


def statuses(table: pl.DataFrame, direction: str) -> list[str]:
    return sorted(table.filter(pl.col("direction") == direction)["status"].to_list())


class TestTasks:
    def test_both_directions_of_every_pair(self, bench: Bench) -> None:
        result = build_prediction_tasks(bench.functions, bench.pairs, PROMPTS)
        check(result)
        assert (result.items_in, result.items_out, result.dropped_by_reason) == (6, 6, {})

    def test_repeated_prompts_are_rejected(self, sandbox: Sandbox) -> None:
        made = functions(("def main_solution(a): return a > 1", ""), ("def main_solution(a): return a", ""))
        one, other = made.to_dicts()
        rows = pairs(one, ('{"a":1}', "false"), ('{"a":2}', "true"), ('{"a":3}', "true")) + pairs(
            other, ('{"a":1}', "1")
        )
        result = build_prediction_tasks(made, frame("io_pairs", rows), PROMPTS)
        check(result)
        assert (result.items_in, result.items_out) == (8, 7)
        assert result.dropped_by_reason == {"duplicate_prompt": 1}
        assert result.tables["prediction_tasks"]["task_id"].n_unique() == 7

    def test_of_pairs_with_one_output_the_first_is_asked(self, sandbox: Sandbox) -> None:
        made = functions(("def main_solution(a): return a", ""))
        rows = pairs(made.row(0, named=True), *((f'{{"a":{n}}}', "1") for n in range(5)))
        result = build_prediction_tasks(made, frame("io_pairs", list(reversed(rows))), PROMPTS)
        asked = result.tables["prediction_tasks"].filter(pl.col("direction") == "input")
        assert asked["pair_id"].to_list() == [rows[0]["pair_id"]]

    def test_functions_without_pairs_have_no_tasks(self) -> None:
        made = functions(("def main_solution(a): return a", ""))
        result = build_prediction_tasks(made, frame("io_pairs", []), PROMPTS)
        assert (result.items_in, len(result.tables["prediction_tasks"])) == (0, 0)


class TestPredictions:
    def test_every_task_ends_as_a_row(self, bench: Bench) -> None:
        replies = iter([ended("truncated", "cut"), ended("refused", "no"), ended("failed", failure="HTTP 500")])
        client = ScriptedClient(lambda _: next(replies, "fine"))
        result = predict(bench.tasks, client, CALL)
        check(result)
        rows = result.tables["predictions"]
        assert result.info["requests_by_status"] == {"answered": 3, "failed": 1, "refused": 1, "truncated": 1}
        assert (result.info["prompt_tokens"], result.info["completion_tokens"]) == (60, 12)
        assert set(rows["task_id"]) == set(bench.tasks["task_id"])
        assert rows.filter(pl.col("status") == "failed")["failure"].to_list() == ["HTTP 500"]
        assert set(rows["turn"]) == {1}

    def test_a_request_is_the_prompt_with_the_sampling_of_the_stage(self, bench: Bench) -> None:
        client = ScriptedClient(lambda _: "fine")
        rows = predict(bench.tasks, client, CALL).tables["predictions"]
        ((*requests,),) = client.batches
        prompts = dict(bench.tasks.select("task_id", "prompt").iter_rows())
        by_key = {request.key: request for request in requests}
        for row in rows.to_dicts():
            request = by_key[row["request_key"]]
            assert [message.content for message in request.messages] == [prompts[row["task_id"]]]
            assert (request.sampling.temperature, request.sampling.max_tokens) == (0.5, 50)

    def test_a_lone_surrogate_can_be_stored(self, bench: Bench) -> None:
        rows = bench.predict(lambda _: "\ud83d")
        assert set(rows["response"]) == {"\\ud83d"}


class TestVerdicts:
    def test_right_answers_in_both_directions(self, bench: Bench) -> None:
        result = bench.judge(bench.predict(oracle))
        assert result.info["verdicts_by_status"] == {"correct": 6}
        assert set(result.tables["verdicts"]["feedback"]) == {"Success"}
        assert result.info["outcomes_by_status"] == {"ok": 3}

    def test_the_recorded_input_is_right_although_the_function_changes_it(self, bench: Bench) -> None:
        def recorded(request: ChatRequest) -> Reply:
            given = next(given for given, output in VALUES if f"\n{output}\n" in request.messages[0].content)
            return json.dumps({"input": json.loads(given)})

        predictions = bench.predict(lambda request: recorded(request) if direction_of(request) == "input" else "none")
        verdicts = bench.judge(predictions).tables["verdicts"]
        assert statuses(verdicts, "input") == ["correct"] * 3
        assert statuses(verdicts, "output") == ["no_answer"] * 3

    @pytest.mark.parametrize(
        ("answer", "status", "feedback"),
        [
            ('{"input": {"a": [1, 0]}}', "wrong", "produces this output: 1"),
            ('{"input": {"a": [13]}}', "exception", "ValueError: unlucky"),
            ('{"input": {"a": []}}', "exception", "IndexError"),
            ('{"input": {"b": [1]}}', "exception", "TypeError"),
            ('{"input": {}}', "exception", "TypeError"),
            ('{"input": [1]}', "no_answer", "no readable answer"),
            ("I do not know.", "no_answer", "no readable answer"),
        ],
    )
    def test_wrong_inputs(self, answer: str, status: str, feedback: str, bench: Bench) -> None:
        predictions = bench.predict(lambda request: answer if direction_of(request) == "input" else "none")
        rows = bench.judge(predictions).tables["verdicts"].filter(pl.col("direction") == "input")
        assert set(rows["status"]) == {status}
        assert all(feedback in text for text in rows["feedback"])

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            ("while True: pass", "timeout"),
            ("return [0] * 10**9", "out_of_memory"),
            ("import os; os._exit(0)", "exception"),
            ("return {a}", "exception"),
        ],
    )
    def test_inputs_that_end_badly(self, body: str, status: str, sandbox: Sandbox) -> None:
        made = bench_of(sandbox, f"def main_solution(a):\n    {body}\n", (('{"a":1}', "1"),))
        predictions = made.predict(lambda _: '{"input": {"a": 1}}')
        assert statuses(made.judge(predictions).tables["verdicts"], "input") == [status]

    def test_a_program_cannot_say_that_it_was_right(self, sandbox: Sandbox) -> None:
        forging = (
            "class Same(int):\n    def __eq__(self, other): return True\n    __hash__ = int.__hash__\n"
            'def main_solution(a):\n    print(\'{"status": "correct"}\')\n    return Same(7)\n'
        )
        made = bench_of(sandbox, forging, (('{"a":1}', "1"),))
        verdicts = made.judge(made.predict(lambda _: '{"input": {"a": 1}}')).tables["verdicts"]
        assert "correct" not in statuses(verdicts, "input")

    def test_a_failed_request_is_infrastructure_and_no_feedback(self, bench: Bench) -> None:
        verdicts = bench.judge(bench.predict(lambda _: ended("failed"))).tables["verdicts"]
        assert set(verdicts["status"]) == {"infrastructure"}

    @pytest.mark.parametrize("rule", ["default", "paper"])
    def test_every_verdict_names_the_rule(self, rule: Rule, bench: Bench) -> None:
        replies = iter(["none", "none", ended("failed"), ended("failed")])
        predictions = bench.predict(lambda request: next(replies, None) or oracle(request))
        verdicts = bench.judge(predictions, rule).tables["verdicts"]
        assert set(verdicts["rule_version"]) == {rule_version(rule)}

    def test_another_rule_gives_other_ids_and_asks_nobody(self, bench: Bench) -> None:
        predictions = bench.predict(oracle)
        one, other = (
            set(bench.judge(predictions, rule).tables["verdicts"]["verdict_id"]) for rule in ("default", "paper")
        )
        assert not one & other

    def test_answers_of_several_functions_do_not_mix(self, sandbox: Sandbox) -> None:
        made = functions(*((f"def main_solution(a): return a + {n}", "") for n in range(4)))
        rows = [pair for n, row in enumerate(made.to_dicts()) for pair in pairs(row, *self.values(made, row, n))]
        table = frame("io_pairs", rows)
        bench = Bench(sandbox, made, table, build_prediction_tasks(made, table, PROMPTS).tables["prediction_tasks"])
        verdicts = bench.judge(bench.predict(lambda _: '{"input": {"a": 10}}')).tables["verdicts"]
        joined = verdicts.filter(pl.col("direction") == "input").join(made, on="function_id").to_dicts()
        for row in joined:
            assert row["executed_output_json"] == str(10 + int(row["reference_code"].rsplit("+", 1)[1]))

    def values(self, made: pl.DataFrame, row: dict[str, Any], number: int) -> list[tuple[str, str]]:
        added = int(row["reference_code"].rsplit("+", 1)[1])
        return [(f'{{"a":{n}}}', str(n + added)) for n in range(2)]

    def test_a_fault_of_the_machine_is_no_verdict(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        def lost(jobs: Any) -> Any:
            for job in jobs:
                assert isinstance(job, Job)
                yield job, [Outcome("infrastructure", message="worker lost")] * len(job.calls)

        predictions = bench.predict(oracle)
        monkeypatch.setattr(bench.sandbox, "run_many", lost)
        with pytest.raises(InfrastructureError, match="worker lost"):
            bench.judge(predictions)

    def test_the_expected_value_never_enters_the_sandbox(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        seen: list[Job] = []

        def spy(jobs: Any) -> Any:
            for job in jobs:
                seen.append(job)
                yield job, [Outcome("ok", value_json="0")] * len(job.calls)

        predictions = bench.predict(lambda _: '{"input": {"a": [1]}, "output": 0}')
        monkeypatch.setattr(bench.sandbox, "run_many", spy)
        bench.judge(predictions)
        assert {(job.code, *job.calls) for job in seen} == {(MUTATING, *['{"a":[1]}'] * 3)}

    def test_no_predictions_give_no_verdicts(self, bench: Bench) -> None:
        assert bench.judge(frame("predictions", [])).items_in == 0


class TestFailedRequests:
    """Asked again alone: every other row stays as it is, whatever the model would say now."""

    def test_of_turn_1(self, bench: Bench) -> None:
        replies = iter([ended("failed", failure="http_500")])
        before = bench.predict(lambda _: next(replies, "first"))
        client = ScriptedClient(lambda _: "second")
        result = predict(bench.tasks, client, CALL, before)
        check(result)
        assert [len(batch) for batch in client.batches] == [1]
        assert sorted(result.tables["predictions"]["response"]) == ["first"] * 5 + ["second"]
        again = predict(bench.tasks, client, CALL, result.tables["predictions"])
        assert again.tables["predictions"].equals(result.tables["predictions"])
        assert client.batches[-1] == []

    def test_of_a_later_turn(self, bench: Bench) -> None:
        first = bench.predict(lambda _: "no idea")
        replies = iter([ended("failed", failure="http_500")])
        before = bench.revise(first, ScriptedClient(lambda _: next(replies, "none")), turns=1)
        client = ScriptedClient(oracle)
        after = bench.revise(first, client, 1, before.tables["revised_predictions"])
        assert [len(batch) for batch in client.batches] == [1]
        assert sorted(after.tables["revised_verdicts"]["status"]) == ["correct"] + ["no_answer"] * 5


class TestRevision:
    def test_no_turns_ask_nobody(self, bench: Bench) -> None:
        client = ScriptedClient(oracle)
        result = bench.revise(bench.predict(lambda _: "no idea"), client, turns=0)
        assert client.batches == []
        assert [len(rows) for rows in result.tables.values()] == [0, 0]
        assert (result.items_in, result.items_out) == (0, 0)

    def test_one_turn_is_given_to_the_wrong_ones_only(self, bench: Bench) -> None:
        first = bench.predict(lambda request: oracle(request) if direction_of(request) == "output" else "no idea")
        client = ScriptedClient(oracle)
        result = bench.revise(first, client, turns=1)
        revised, verdicts = result.tables["revised_predictions"], result.tables["revised_verdicts"]
        assert set(revised["direction"]) == {"input"}
        assert set(revised["turn"]) == set(verdicts["turn"]) == {2}
        assert set(verdicts["status"]) == {"correct"}
        assert set(verdicts["prediction_id"]) == set(revised["prediction_id"])
        assert result.info["flow"] == [{"turn": 2, "from": "no_answer", "to": "correct", "count": 3}]
        assert (result.items_in, result.items_out) == (3, 3)

    def test_the_second_request_holds_the_first_response_and_its_feedback(self, bench: Bench) -> None:
        first = bench.predict(
            lambda request: '{"output": -1}' if direction_of(request) == "output" else '{"input": {"a": [13]}}'
        )
        client = ScriptedClient(oracle)
        bench.revise(first, client, turns=1)
        ((*requests,),) = client.batches
        assert len(requests) == 6
        for request in requests:
            prompt, response, feedback = request.messages
            assert [prompt.role, response.role, feedback.role] == ["user", "assistant", "user"]
            assert prompt.content in set(bench.tasks["prompt"])
            if direction_of(request) == "input":
                assert "ValueError: unlucky" in feedback.content
            else:
                (truth,) = (output for given, output in VALUES if f"\n{given}\n" in prompt.content)
                assert response.content == '{"output": -1}'
                assert f'"output": {truth}' not in feedback.content

    def test_two_turns_go_on_with_those_that_are_still_wrong(self, bench: Bench) -> None:
        def script(request: ChatRequest) -> Reply:
            third = turn_of(request) == 3
            return oracle(request) if third or direction_of(request) == "input" else '{"output": -2}'

        client = ScriptedClient(script)
        result = bench.revise(bench.predict(lambda _: "no idea"), client, turns=2)
        assert [len(batch) for batch in client.batches] == [6, 3]
        verdicts = result.tables["revised_verdicts"]
        assert dict(verdicts.group_by("turn").len().sort("turn").iter_rows()) == {2: 6, 3: 3}
        assert set(verdicts.filter(pl.col("turn") == 3)["status"]) == {"correct"}
        assert result.info["flow"] == [
            {"turn": 2, "from": "no_answer", "to": "correct", "count": 3},
            {"turn": 2, "from": "no_answer", "to": "wrong", "count": 3},
            {"turn": 3, "from": "wrong", "to": "correct", "count": 3},
        ]
        third = client.batches[1][0].messages
        assert [message.role for message in third] == ["user", "assistant"] * 2 + ["user"]
        assert third[1].content == "no idea"
        assert third[3].content == '{"output": -2}'

    def test_turns_end_when_everything_is_right(self, bench: Bench) -> None:
        client = ScriptedClient(oracle)
        result = bench.revise(bench.predict(lambda _: "no idea"), client, turns=5)
        assert len(client.batches) == 1
        assert len(result.tables["revised_predictions"]) == 6

    def test_infrastructure_never_becomes_feedback(self, bench: Bench) -> None:
        client = ScriptedClient(oracle)
        bench.revise(bench.predict(lambda _: ended("failed")), client, turns=2)
        assert client.batches == []

    def test_a_revision_that_failed_is_a_row_and_the_end(self, bench: Bench) -> None:
        client = ScriptedClient(lambda _: ended("failed", failure="HTTP 503"))
        result = bench.revise(bench.predict(lambda _: "no idea"), client, turns=3)
        assert len(client.batches) == 1
        assert set(result.tables["revised_predictions"]["failure"]) == {"HTTP 503"}
        assert set(result.tables["revised_verdicts"]["status"]) == {"infrastructure"}

    def test_the_same_inputs_give_the_same_tables(self, bench: Bench) -> None:
        first = bench.predict(lambda _: "no idea")
        one, again = (bench.revise(first, ScriptedClient(oracle), turns=2).tables for _ in range(2))
        assert all(one[table].equals(again[table]) for table in one)
