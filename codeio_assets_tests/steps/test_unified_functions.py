from typing import Any

import pytest

from codeio_assets.core.prompts import load_prompt
from codeio_assets.core.settings.project import ModelCall
from codeio_assets.core.tables.data import TABLES
from codeio_assets.llm.contract import ChatRequest
from codeio_assets.sandbox import Job, Outcome, Sandbox
from codeio_assets.steps.executing import InfrastructureError
from codeio_assets.steps.result import StepResult
from codeio_assets.steps.unified_functions import Transformer, retry_failed_files, transform_files
from codeio_assets_tests.steps.scripted import Reply, ScriptedClient, ended, files, transform_response

PROMPTS = {name: load_prompt(name) for name in ("transform", "transform_repair")}
EXAMPLE = next(text for role, text in PROMPTS["transform"].messages if role == "assistant")
CALL = ModelCall(temperature=0.1, max_tokens=100)
GENERATOR = "import random\ndef input_generator():\n    return {'a': random.randint(0, 99)}"
GOOD = transform_response("def main_solution(a):\n    return a + 1", GENERATOR)
RAW = "import math\n\nRATE = 2\n\n\ndef twice(x):\n    return x * RATE\n\n\nprint(twice(3))\n"
REPAIR = PROMPTS["transform_repair"].messages[0][1].split("$")[0]


def attempt_of(request: ChatRequest) -> int:
    return 2 if request.messages[-1].content.startswith(REPAIR) else 1


def transform(client: ScriptedClient, sandbox: Sandbox, *contents: str, attempts: int = 2) -> StepResult:
    result = transform_files(files(*contents), Transformer(client, sandbox, PROMPTS, CALL, attempts))
    for table, rows in result.tables.items():
        TABLES[table].validate(rows)
    assert result.items_in == len(contents)
    return result


def rejected(result: StepResult) -> dict[str, Any]:
    (row,) = result.tables["unified_functions_rejections"].to_dicts()
    return row


def test_a_good_response_becomes_a_function_with_its_origin(sandbox: Sandbox) -> None:
    client = ScriptedClient(lambda _: GOOD)
    result = transform(client, sandbox, RAW)
    (row,) = result.tables["unified_functions"].to_dicts()
    assert (row["path"], row["repository"], row["license"], row["attempt"]) == ("0.py", "repo", "mit", 1)
    assert row["reference_code"] == "def main_solution(a):\n    return a + 1\n"
    assert (row["query"], row["completed_names"]) == ("What comes of `a`?", "")
    assert row["prompt_sha256"] == PROMPTS["transform"].sha256
    ((request,),) = client.batches
    assert row["request_key"] == request.key
    assert (request.model, request.sampling.temperature, request.sampling.max_tokens) == ("scripted", 0.1, 100)
    assert RAW.strip() in request.messages[-1].content
    (attempt,) = result.tables["transform_attempts"].to_dicts()
    assert (attempt["status"], attempt["reason"], attempt["prompt_tokens"]) == ("answered", None, 10)


def test_ids_do_not_depend_on_the_other_files(sandbox: Sandbox) -> None:
    client = ScriptedClient(lambda _: GOOD)
    one = transform(client, sandbox, RAW).tables["unified_functions"]
    two = transform(client, sandbox, RAW, "x = 1\n").tables["unified_functions"]
    assert one["function_id"][0] in two["function_id"].to_list()
    assert two["function_id"].n_unique() == 2


@pytest.mark.parametrize(
    ("main", "names"),
    [
        ("def main_solution(a):\n    return twice(a)", "RATE,twice"),
        ("def main_solution(a):\n    return math.sqrt(twice(a))", "math,RATE,twice"),
    ],
)
def test_what_the_model_left_out_is_taken_from_the_file(main: str, names: str, sandbox: Sandbox) -> None:
    result = transform(ScriptedClient(lambda _: transform_response(main, GENERATOR)), sandbox, RAW)
    (row,) = result.tables["unified_functions"].to_dicts()
    assert row["completed_names"] == names
    assert "print(" not in row["reference_code"]
    assert result.info["won_by_completion"] == 1


class TestRepair:
    @pytest.mark.parametrize(
        ("first", "reason", "words"),
        [
            ("Sorry.", "missing_main_function", "## Main Function"),
            (GOOD.replace("main_solution", "solve"), "missing_main_solution", "`main_solution`"),
            (GOOD.replace("(a):", "(a, a):"), "syntax_error_in_main_function", "duplicate argument"),
            (GOOD.replace("a + 1", "a + missing"), "output_exception", "NameError"),
            (GOOD.replace("{'a'", "{'b'"), "output_exception", "TypeError"),
            (GOOD.replace("return a + 1", "pass"), "output_none", "when run"),
            (GOOD.replace("random.randint(0, 99)", "1/0"), "generator_exception", "ZeroDivisionError"),
            (GOOD.replace("{'a': random.randint(0, 99)}", "5"), "input_not_an_object", "returned 5"),
            (GOOD.replace("random.randint(0, 99)", "[0] * 50"), "input_too_many_items", "[0,0"),
            (GOOD.replace("a + 1", "print"), "output_not_serialisable", "not serialisable"),
            (EXAMPLE, "copied_example", "not about the file"),
        ],
    )
    def test_the_second_request_is_told_what_was_wrong(
        self, first: str, reason: str, words: str, sandbox: Sandbox
    ) -> None:
        client = ScriptedClient(lambda request: first if attempt_of(request) == 1 else GOOD)
        result = transform(client, sandbox, RAW)
        assert (result.items_out, result.info["won_by_repair"]) == (1, 1)
        (row,) = result.tables["unified_functions"].to_dicts()
        assert row["attempt"] == 2
        ((asked,), (repair,)) = client.batches
        assert [message.role for message in repair.messages] == ["system", "user", "assistant", "user"]
        assert repair.messages[:2] == (asked.messages[0], asked.messages[-1])
        assert repair.messages[-2].content == first
        assert words in repair.messages[-1].content
        attempts = {row["attempt"]: row["reason"] for row in result.tables["transform_attempts"].to_dicts()}
        assert attempts == {1: reason, 2: None}

    def test_a_truncated_response_is_asked_again(self, sandbox: Sandbox) -> None:
        client = ScriptedClient(lambda request: ended("truncated", GOOD[:50]) if attempt_of(request) == 1 else GOOD)
        result = transform(client, sandbox, RAW)
        assert result.items_out == 1
        assert "cut off" in client.batches[1][0].messages[-1].content

    @pytest.mark.parametrize(
        ("reply", "reason"),
        [(ended("refused"), "response_refused"), (ended("failed", failure="connection lost"), "response_failed")],
    )
    def test_a_request_that_got_no_answer_is_not_repaired(self, reply: Reply, reason: str, sandbox: Sandbox) -> None:
        client = ScriptedClient(lambda _: reply)
        result = transform(client, sandbox, RAW)
        assert result.dropped_by_reason == {reason: 1}
        assert len(client.batches) == 1
        assert rejected(result)["detail"].startswith("0.py: ")
        assert reason != "response_failed" or "connection lost" in rejected(result)["detail"]

    @pytest.mark.parametrize("lazily", [False, True])
    def test_a_package_that_the_sandbox_lacks_is_named_and_not_asked_about_again(
        self, lazily: bool, sandbox: Sandbox
    ) -> None:
        line = "import cv2.dnn"
        needs = (
            GOOD.replace("    return", f"    {line}\n    return", 1)
            if lazily
            else GOOD.replace("def", f"{line}\ndef", 1)
        )
        client = ScriptedClient(lambda _: needs)
        result = transform(client, sandbox, RAW)
        assert result.dropped_by_reason == {"missing_package": 1}
        assert len(client.batches) == 1
        assert "No module named 'cv2'" in rejected(result)["detail"]
        assert result.info["missing_packages"] == {"cv2": 1}

    def test_a_part_that_a_package_never_had_can_be_mended(self, sandbox: Sandbox) -> None:
        wrong = GOOD.replace("def", "import json.gone\ndef", 1)
        client = ScriptedClient(lambda request: wrong if attempt_of(request) == 1 else GOOD)
        assert transform(client, sandbox, RAW).items_out == 1

    def test_after_the_last_attempt_the_last_reason_counts(self, sandbox: Sandbox) -> None:
        client = ScriptedClient(
            lambda request: "Sorry." if attempt_of(request) == 1 else GOOD.replace("main_solution", "solve")
        )
        result = transform(client, sandbox, RAW)
        assert result.dropped_by_reason == {"missing_main_solution": 1}
        assert "(attempts: 2)" in rejected(result)["detail"]
        assert result.tables["transform_attempts"]["attempt"].sort().to_list() == [1, 2]

    def test_one_attempt_means_no_repair(self, sandbox: Sandbox) -> None:
        client = ScriptedClient(lambda _: "Sorry.")
        assert transform(client, sandbox, RAW, attempts=1).items_out == 0
        assert len(client.batches) == 1

    def test_only_the_files_that_failed_are_asked_again(self, sandbox: Sandbox) -> None:
        def script(request: ChatRequest) -> Reply:
            text = str(request.messages)
            if "bad = 1" in text:
                return "Sorry."
            return GOOD if "good = 1" in text or attempt_of(request) == 2 else "Sorry."

        client = ScriptedClient(script)
        result = transform(client, sandbox, "good = 1\n", "late = 1\n", "bad = 1\n")
        assert [len(batch) for batch in client.batches] == [3, 2]
        assert (result.items_out, result.dropped_by_reason) == (2, {"missing_main_function": 1})
        assert len(result.tables["transform_attempts"]) == 5
        assert result.info["requests_by_status"] == {"answered": 5}


def test_a_lone_surrogate_in_a_response_loses_no_other_file(sandbox: Sandbox) -> None:
    client = ScriptedClient(
        lambda request: GOOD.replace("What comes", "\ud83d What comes") if "odd" in str(request.messages) else GOOD
    )
    result = transform(client, sandbox, "odd = 1\n", RAW)
    assert len(result.tables["unified_functions"]) + len(result.tables["unified_functions_rejections"]) == 2
    assert result.items_out >= 1


def test_no_files_ask_nobody(sandbox: Sandbox) -> None:
    client = ScriptedClient(lambda _: GOOD)
    result = transform(client, sandbox)
    assert (result.items_in, client.batches) == (0, [])


def test_what_further_attempts_win_is_told(sandbox: Sandbox) -> None:
    client = ScriptedClient(
        lambda request: GOOD if attempt_of(request) == (2 if "late" in str(request.messages) else 1) else "Sorry."
    )
    result = transform(client, sandbox, "late = 1\n", RAW, attempts=3)
    assert result.info["won_by_attempt"] == {"1": 1, "2": 1}
    assert result.info["won_by_repair"] == 1


def test_only_files_whose_request_failed_are_asked_again(sandbox: Sandbox) -> None:
    contents = (RAW, "broken = 1\n", "lost = 1\n")

    def script(request: ChatRequest) -> Reply:
        text = str(request.messages)
        return ended("failed", failure="http_500") if "lost" in text else "Sorry." if "broken" in text else GOOD

    before = transform(ScriptedClient(script), sandbox, *contents, attempts=1)
    assert before.dropped_by_reason == {"missing_main_function": 1, "response_failed": 1}
    client = ScriptedClient(lambda _: GOOD)
    after = retry_failed_files(files(*contents), before.tables, Transformer(client, sandbox, PROMPTS, CALL, 1))
    assert [len(batch) for batch in client.batches] == [1]
    assert "lost" in str(client.batches[0][0].messages)
    assert (after.items_in, after.items_out) == (3, 2)
    assert after.dropped_by_reason == {"missing_main_function": 1}
    assert len(after.tables["transform_attempts"]) == 3
    for table, rows in after.tables.items():
        TABLES[table].validate(rows)
    still = retry_failed_files(files(*contents), after.tables, Transformer(client, sandbox, PROMPTS, CALL, 1))
    assert still.tables["unified_functions"].equals(after.tables["unified_functions"])
    assert len(client.batches) == 1, "nobody is asked when nothing failed"


def test_a_template_without_system_prompts_gets_the_text_in_the_first_user_message(sandbox: Sandbox) -> None:
    client = ScriptedClient(lambda _: GOOD)
    call = CALL.model_copy(update={"system_messages": "fold"})
    transform_files(files(RAW), Transformer(client, sandbox, PROMPTS, call, 1))
    transform_files(files(RAW), Transformer(client, sandbox, PROMPTS, CALL, 1))
    ((folded,), (kept,)) = client.batches
    system, *others = [message.content for message in kept.messages]
    assert [message.role for message in folded.messages] == [message.role for message in kept.messages[1:]]
    assert folded.messages[0].content == f"{system}\n\n{others[0]}"


def test_a_fault_of_the_machine_blames_no_file(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(jobs: Any) -> Any:
        for job in jobs:
            assert isinstance(job, Job)
            yield job, [Outcome("infrastructure", message="worker lost")] * (job.draws or len(job.calls))

    monkeypatch.setattr(sandbox, "run_many", lost)
    with pytest.raises(InfrastructureError, match="worker lost"):
        transform(ScriptedClient(lambda _: GOOD), sandbox, RAW)
