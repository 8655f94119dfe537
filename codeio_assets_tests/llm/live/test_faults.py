"""A server that delays, drops, truncates, sends errors, half bodies and wrong JSON: every request is accounted for."""

import os
import random
from collections import Counter
from typing import Any

import pytest

from codeio_assets.llm import Backoff, ChatRequest, Journal, OpenAIChatClient, Progress
from codeio_assets_tests.llm.conftest import MODEL, request
from codeio_assets_tests.llm.stub_server import Act, StubServer, answer, error

COUNT = int(os.environ.get("CODEIO_FAULTS", "2000"))
"""`make test-faults` sets 20,000."""

PASSING: dict[str, tuple[float, Act]] = {
    "delay beyond the time-out": (0.01, answer("late", delay_s=5.0)),
    "drop": (0.03, Act(reset=True)),
    "429": (0.03, error(429, "slow down")),
    "500": (0.03, error(500, "oops")),
    "503": (0.02, Act(status=503, body=b"<html>Unavailable</html>")),
    "half body": (0.03, Act(body=answer("x").body * 3, half_body=True)),
    "wrong JSON": (0.03, Act(body=b'{"choices": [{"mess')),
    "JSON of another form": (0.02, Act(body=b'{"ok": true}')),
}
"""Fault -> share of the tries that meet it, and what the server does."""


def fate(number: int) -> str:
    """Return how a request ends: some are truncated, refused or broken for good, whatever else happens to them."""
    return {0: "truncated", 1: "refused", 2: "failed"}.get(number % 50, "answered")


def misbehaving(seed: int) -> Any:
    rng = random.Random(seed)
    names, shares = list(PASSING), [share for share, _ in PASSING.values()]

    def script(asked: dict[str, Any], _before: int) -> Act:
        met = rng.choices([*names, "none"], [*shares, 1 - sum(shares)])[0]
        if met != "none":
            return PASSING[met][1]
        text = asked["messages"][-1]["content"]
        number = int(text) if text.isdigit() else 3  # else the client asks whether the server is there at all
        return {
            "answered": answer(f"answer {number}", delay_s=0.002),
            "truncated": answer(f"answer {number}", "length"),
            "refused": answer(None, refusal="no"),
            "failed": error(500, "always"),
        }[fate(number)]

    return script


@pytest.mark.slow
@pytest.mark.timeout(3_600)
def test_every_request_ends_as_a_row(journal: Journal) -> None:
    requests: list[ChatRequest] = [request(str(number)) for number in range(COUNT)]
    seen: list[Progress] = []
    with StubServer(misbehaving(1)) as stub:
        client = OpenAIChatClient(
            stub.base_url, MODEL, journal, concurrency=32, timeout_s=2, deadline_s=600, max_attempts=12,
            backoff=Backoff(0.001, 0.02),
        )  # fmt: skip
        responses = client.complete(requests, seen.append)
        sent, met = len(stub.asked), sum(prompt.isdigit() for prompt in stub.prompts)
        tries = sum(response.attempts for response in responses)
        assert [response.key for response in responses] == [asked.key for asked in requests]
        for number, response in enumerate(responses):
            assert response.status == fate(number), (number, response)
            assert response.text == ("no" if response.status == "refused" else "") or response.text.endswith(
                str(number)
            )
            assert (response.failure is not None) == (response.status == "failed")
        failed = [response for response in responses if response.status == "failed"]
        assert {response.attempts for response in failed} == {12}
        # a try that the server was too busy to read met nobody
        assert met <= tries <= 1.1 * met, "every try is accounted for"
        assert (seen[-1].done, seen[-1].failed, seen[-1].tries) == (COUNT, len(failed), tries)
        again = client.complete(requests)
        assert [r.status for r in again] == [r.status for r in responses]
        asked_again = {asked["messages"][-1]["content"] for asked in stub.asked[sent:]}
        broken = {str(number) for number in range(COUNT) if fate(number) == "failed"}
        assert broken <= asked_again
        assert len(asked_again - broken) <= 1, "what failed, and on a slow machine a proof that the server works"
    report = Journal(journal.folder).verify()
    assert (report.records, report.duplicates, report.corrupt) == (COUNT - len(failed), 0, 0)
    print(f"{COUNT} requests, {tries} tries: {dict(Counter(response.status for response in responses))}")
