"""Asking: one greedy request per question; what a failed, refused or cut-off answer is worth."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from codeio_assets.benchmarks.catalogue import BENCHMARKS
from codeio_assets.benchmarks.contract import Question
from codeio_assets.evaluation.asking import answered, asked_questions, drawn, requests
from codeio_assets.evaluation.running import outcome
from codeio_assets.evaluation.scoring import Scorer
from codeio_assets.llm.contract import ChatRequest, ChatResponse, Progress
from codeio_assets.sandbox import open_sandbox

GSM8K = BENCHMARKS["gsm8k"]


class Scripted:
    model = "scripted"

    def __init__(self, *responses: ChatResponse) -> None:
        self.responses = responses
        self.asked: list[ChatRequest] = []

    def complete(
        self, requests: Sequence[ChatRequest], on_progress: Callable[[Progress], None] | None = None
    ) -> list[ChatResponse]:
        self.asked += requests
        return [replace(response, key=each.key) for each, response in zip(requests, self.responses, strict=True)]


def test_statuses() -> None:
    right = ChatResponse("", "answered", "scripted", "#### 5")
    client = Scripted(
        right,
        replace(right, text="#### 6"),
        replace(right, text="Let me think", status="truncated"),
        replace(right, status="truncated"),
        replace(right, text="", status="refused"),
        replace(right, text="", status="failed"),
    )
    questions = [Question(str(n), "", f"question {n}", "5") for n in range(6)]
    scorer = Scorer(open_sandbox, workers=1)
    found = list(answered(client, GSM8K, questions, scorer))
    assert [(each.verdict.status, each.verdict.score) for each in found] == [
        ("correct", 1), ("wrong", 0), ("truncated", 0), ("correct", 1), ("no_answer", 0), ("no_gold", None),
    ]  # fmt: skip
    cell = outcome(GSM8K, found).cell
    assert cell is not None
    assert (cell.value, cell.n_questions, cell.truncated_ratio, cell.no_answer_ratio) == (40.0, 5, 0.2, 0.2)


def test_the_key_is_model_prompt_and_sampling() -> None:
    one, same, other = requests(
        [Question("1", "", "p", "5"), Question("2", "", "p", "6"), Question("3", "", "q", "5")], "m"
    )
    assert one.key == same.key != other.key
    assert [message.content for message in one.messages] == ["p"]


def test_questions_of_other_releases_and_without_answers_are_not_asked() -> None:
    livebench = BENCHMARKS["livebench"]

    def question(number: int, release: str, gold: str | None) -> Question:
        return Question(str(number), "", "", gold, facts={"release": release})

    given = [
        question(0, "2024-06-24", "a"),
        question(1, "2024-11-25", "a"),
        question(2, "", None),
        question(3, "", "a"),
    ]
    assert [each.id for each in asked_questions(livebench, given)] == ["0", "3"]


def test_a_larger_limit_holds_a_smaller_one_and_problems_stay_whole() -> None:
    many = [Question(str(n), "", "", "a", group=f"task {n // 10}") for n in range(100)]
    ids = {n: [each.id for each in drawn(GSM8K, many, n)] for n in (5, 20, 100, 1_000)}
    assert set(ids[5]) < set(ids[20])
    assert (len(ids[5]), len(ids[20]), ids[100]) == (5, 20, [each.id for each in many])
    assert ids[20] == sorted(ids[20], key=int)
    assert len({each.group for each in drawn(GSM8K, many, 20)}) > 5
    problems = drawn(BENCHMARKS["leetcode_o"], many, 11)
    assert [sum(each.group == name for each in problems) for name in {each.group for each in problems}] == [10, 10]
