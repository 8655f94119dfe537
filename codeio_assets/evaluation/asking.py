"""Asking a model the questions of a benchmark: one message of a user each, greedy, through any chat client.

What lives here: the requests, and answers beside their questions. What does not: transport and journal (`llm`), and
verdicts (`scoring`). An answered question costs nothing when it is asked again: the key of a request is the model's
name, the prompt as it is, and the sampling.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Final

from codeio_assets.benchmarks.contract import Benchmark, Question, Verdict
from codeio_assets.core.values.canonical import sha256_hex
from codeio_assets.evaluation.scoring import Response, Scorer
from codeio_assets.llm.contract import ChatClient, ChatRequest, ChatResponse, Message, Sampling, answered_in_windows

GREEDY: Final = Sampling(temperature=0.0, max_tokens=2_048)
"""No stop texts: the word "Question" in an answer would end it."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A question, what the model said, and what that is worth; a request that failed has no score."""

    question: Question
    response: ChatResponse
    verdict: Verdict


def asked_questions(benchmark: Benchmark, questions: Iterable[Question]) -> list[Question]:
    """Return the questions of the paper's release, those whose answers are known."""
    return [each for each in questions if benchmark.is_asked(each) and each.gold is not None]


def drawn(benchmark: Benchmark, questions: Sequence[Question], limit: int | None) -> list[Question]:
    """Return as many of the questions as a limit says, in their order; the last unit is taken whole.

    The first ones of a file are of one task or subject. So they are drawn by the hash of their unit: the same on every
    machine, and a larger limit holds what a smaller one does.
    """
    if limit is None or limit >= len(questions):
        return list(questions)
    places = sorted(range(len(questions)), key=lambda place: sha256_hex(benchmark.unit(questions[place])))
    last = benchmark.unit(questions[places[limit - 1]])
    more = takewhile(lambda place: benchmark.unit(questions[place]) == last, places[limit:])
    return [questions[place] for place in sorted([*places[:limit], *more])]


def requests(questions: Iterable[Question], model: str, sampling: Sampling = GREEDY) -> Iterator[ChatRequest]:
    """Yield the request of each question."""
    for question in questions:
        yield ChatRequest(model, (Message("user", question.prompt),), sampling)


def answered(
    client: ChatClient, benchmark: Benchmark, questions: list[Question], scorer: Scorer, sampling: Sampling = GREEDY
) -> Iterator[Answered]:
    """Ask all questions, score the answers; yield both in the order of the questions.

    Raises:
        ChatServerError: the server cannot serve this run; what came is in the journal.
        SandboxUnavailable: an answer must be executed and cannot be.
    """
    pairs = list(answered_in_windows(client, requests(questions, client.model, sampling)))
    responses = [
        Response(benchmark.name, response.text, question, is_cut_off=response.status == "truncated")
        for question, (_, response) in zip(questions, pairs, strict=True)
    ]
    for question, (_, response), verdict in zip(questions, pairs, scorer.score(responses), strict=True):
        yield Answered(question, response, _of_response(response, verdict))


def _of_response(response: ChatResponse, verdict: Verdict) -> Verdict:
    """Return the verdict; a refusal is no answer, and a failed request says nothing about the model."""
    if response.status == "failed":
        return Verdict("no_gold", None, None, {"reason": "request_failed"})
    return Verdict("no_answer", 0.0) if response.status == "refused" else verdict
