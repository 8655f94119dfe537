"""The batch API behind the same interface: submit, poll, resume, ask again for the lines that failed."""

from typing import Any

import pytest

from codeio_assets.llm import Budget, BudgetExhausted, ChatServerError, Journal, Meter, Progress
from codeio_assets.llm.provider_batches.client import BatchChatClient
from codeio_assets_tests.llm.batch_server import BatchServer, echo_line, line_answer, line_error
from codeio_assets_tests.llm.conftest import MODEL, request

REQUESTS = [request(f"prompt {number}") for number in range(25)]


def client(server: BatchServer, journal: Journal, **settings: Any) -> BatchChatClient:
    return BatchChatClient(server.base_url, MODEL, journal, **{"poll_s": 0.01, "size": 10, **settings})


def left_behind(journal: Journal) -> int:
    return len(list((journal.folder / "batches").glob("*")))


def test_answers_come_back_in_order_and_are_never_asked_twice(journal: Journal) -> None:
    seen: list[Progress] = []
    with BatchServer() as server:
        responses = client(server, journal).complete(REQUESTS, seen.append)
        assert [response.text for response in responses] == [f"answer to: prompt {n}" for n in range(25)]
        assert [len(server.files[batch["input_file_id"]].splitlines()) for batch in server.batches.values()] == [
            10,
            10,
            5,
        ]
        assert client(server, journal).complete(REQUESTS) == responses
        assert len(server.batches) == 3
    assert (seen[0].done, seen[-1].done, seen[-1].completion_tokens, seen[-1].tries) == (0, 25, 75, 25)
    assert left_behind(journal) == 0


def test_only_failed_lines_are_submitted_again(journal: Journal) -> None:
    def script(body: dict[str, Any], before: int) -> dict[str, Any] | None:
        number = int(body["messages"][-1]["content"].split()[1])
        if before == 0 and number % 5 == 0:
            return [
                line_error(500, "oops"),
                line_error(429, "busy"),
                None,
                line_answer(""),
                {"status_code": 200, "body": 7},
            ][number // 5]
        return line_error(500, "always") if number == 7 else echo_line(body, before)

    with BatchServer(script) as server:
        responses = client(server, journal, size=100, max_attempts=3).complete(REQUESTS)
        sizes = [len(server.files[batch["input_file_id"]].splitlines()) for batch in server.batches.values()]
    assert sizes == [25, 6, 1]
    assert [r.status for r in responses].count("answered") == 24
    assert (responses[7].status, responses[7].attempts, responses[7].failure) == ("failed", 3, "http_500: always")
    assert {responses[n].attempts for n in range(0, 25, 5)} == {2}
    assert len(journal) == 24


def test_a_line_may_be_refused_or_too_long(journal: Journal) -> None:
    lines = {
        "prompt 0": line_error(400, "content_filter"),
        "prompt 1": line_error(400, "maximum context length is 8 tokens"),
    }
    with BatchServer(lambda body, _before: lines[body["messages"][-1]["content"]]) as server:
        refused, long = client(server, journal).complete(REQUESTS[:2])
    assert (refused.status, long.status, long.attempts) == ("refused", "failed", 1)
    assert (long.failure or "").startswith("context_length_exceeded")


class Killed(BaseException):
    pass


@pytest.mark.parametrize("moment", ["uploaded", "created", "polled"])
def test_a_run_that_was_killed_is_gone_on_with(moment: str, journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    from codeio_assets.llm.provider_batches import api as batch_api
    from codeio_assets.llm.provider_batches import client as provider_batches

    def die(*_: object, **__: object) -> None:
        raise Killed

    with BatchServer(polls=2) as server, monkeypatch.context() as patch:
        killed = client(server, journal, size=100)
        if moment == "uploaded":
            patch.setattr(batch_api.BatchApi, "submit", die)
        elif moment == "created":
            save, saved = BatchChatClient._save, []

            def save_once(self: BatchChatClient, submission: provider_batches.Submission) -> None:
                if saved:
                    raise Killed
                saved.append(submission)
                save(self, submission)

            patch.setattr(BatchChatClient, "_save", save_once)
        else:
            patch.setattr(provider_batches.time, "sleep", die)
        with pytest.raises(Killed):
            killed.complete(REQUESTS)
        patch.undo()
        assert left_behind(journal) == 1
        responses = client(server, Journal(journal.folder), size=100).complete(REQUESTS)
        assert {response.status for response in responses} == {"answered"}
        assert len(server.batches) == 1, "nothing was paid twice"
    assert left_behind(journal) == 0


def test_answers_of_another_step_are_recorded_too(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    from codeio_assets.llm.provider_batches import client as provider_batches

    def die(_seconds: float) -> None:
        raise Killed

    with BatchServer() as server:
        with monkeypatch.context() as patch:
            patch.setattr(provider_batches.time, "sleep", die)
            with pytest.raises(Killed):
                client(server, journal).complete(REQUESTS[:10])
        client(server, journal).complete(REQUESTS[5:12])
        assert len(journal) == 12
        assert len(server.batches) == 2


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refusal_stops_the_run(status: int, journal: Journal) -> None:
    with BatchServer() as server:
        server.refuses = status
        with pytest.raises(ChatServerError, match=rf"answered {status}: refused\. Check the key"):
            client(server, journal).complete(REQUESTS)


def test_a_batch_that_is_refused_as_a_whole_tells_why(journal: Journal) -> None:
    with BatchServer(final_status="failed") as server, pytest.raises(ChatServerError, match="the file is not valid"):
        client(server, journal).complete(REQUESTS)


def test_an_unknown_model_in_a_line_stops_the_run(journal: Journal) -> None:
    with (
        BatchServer(lambda _body, _before: line_error(404, "no such model")) as server,
        pytest.raises(ChatServerError, match="404 to a line of a batch: no such model"),
    ):
        client(server, journal).complete(REQUESTS)


def test_an_expired_batch_keeps_what_came_and_asks_for_the_rest(journal: Journal) -> None:
    def script(body: dict[str, Any], before: int) -> dict[str, Any] | None:
        server.final_status = "completed"
        return echo_line(body, before) if before or body["messages"][-1]["content"] < "prompt 2" else None

    with BatchServer(script, final_status="expired") as server:
        responses = client(server, journal, size=100).complete(REQUESTS)
    assert {response.status for response in responses} == {"answered"}
    assert len(server.batches) == 2


def test_patience_ends_and_a_re_run_goes_on(journal: Journal) -> None:
    with BatchServer(polls=3) as server:
        with pytest.raises(ChatServerError, match="a re-run goes on waiting"):
            client(server, journal, size=100, timeout_s=0).complete(REQUESTS)
        assert len(client(server, journal, size=100).complete(REQUESTS)) == 25
        assert len(server.batches) == 1


def test_a_spent_budget_submits_nothing_more(journal: Journal) -> None:
    with BatchServer() as server:
        meter = Meter(budget=Budget(run_tokens=0))
        with pytest.raises(BudgetExhausted, match="the budget of the run is spent"):
            client(server, journal, meter=meter).complete(REQUESTS)
        assert server.batches == {}


def test_a_provider_that_is_away_for_now_is_an_error_to_retry(journal: Journal) -> None:
    server = BatchServer()
    url = server.base_url
    server._server.server_close()
    from codeio_assets.llm.live.client import api_key_from_environment
    from codeio_assets.llm.provider_batches.api import BatchApi

    api = BatchApi(url, api_key_from_environment(), "24h")
    api._client = __import__("openai").OpenAI(base_url=url, api_key="none", max_retries=0)
    with pytest.raises(ConnectionError, match="cannot be reached"):
        api.find("x")
