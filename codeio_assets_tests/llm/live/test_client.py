import asyncio
import json
import socket
import threading
from collections.abc import Callable

import pytest

from codeio_assets.llm import (
    ChatClient,
    ChatRequest,
    ChatServerError,
    Journal,
    Message,
    OpenAIChatClient,
    Progress,
    RecordedChatClient,
    Sampling,
    answered_in_windows,
)
from codeio_assets_tests.llm.conftest import MODEL, SOON, answered, request
from codeio_assets_tests.llm.stub_server import Act, StubServer, answer, error, in_turn

ClientOf = Callable[..., OpenAIChatClient]


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_both_clients_keep_the_contract(journal: Journal) -> None:
    clients: list[ChatClient] = [
        OpenAIChatClient("http://127.0.0.1:1/v1", MODEL, journal),
        RecordedChatClient(journal, MODEL),
    ]
    assert [client.model for client in clients] == [MODEL, MODEL]
    assert [client.complete([]) for client in clients] == [[], []]


def test_an_answer_with_all_it_carries(stub: StubServer, client_of: ClientOf, journal: Journal) -> None:
    asked = ChatRequest(
        MODEL, (Message("system", "short"), Message("user", "one")), Sampling(0.5, 0.9, 12, 3, ("END",))
    )
    (response,) = client_of(stub).complete([asked])
    assert (response.key, response.status, response.text) == (asked.key, "answered", "answer to: one")
    assert (response.model, response.finish_reason) == ("stub-model-0.1", "stop")
    assert (response.prompt_tokens, response.completion_tokens, response.attempts) == (7, 3, 1)
    assert response.latency_s > 0
    assert response.created_at.endswith("+00:00")
    assert stub.asked == [
        {
            "model": MODEL,
            "messages": [{"role": "system", "content": "short"}, {"role": "user", "content": "one"}],
            "temperature": 0.5,
            "top_p": 0.9,
            "max_tokens": 12,
            "seed": 3,
            "stop": ["END"],
        }
    ]
    assert Journal(journal.folder).get(asked.key) == response


def test_no_seed_and_no_stop_are_not_sent(stub: StubServer, client_of: ClientOf) -> None:
    client_of(stub).complete([request("one", seed=None)])
    assert {"seed", "stop"}.isdisjoint(stub.asked[0])


def test_several_answers_and_logprobs_where_asked_for(stub: StubServer, client_of: ClientOf, journal: Journal) -> None:
    one = {"token": "a", "logprob": -0.5, "top_logprobs": []}
    choices = [
        {"message": {"content": text}, "finish_reason": "stop", "logprobs": {"content": [one]}} for text in ("a", "b")
    ]
    usage = {"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 8}}
    stub.script = lambda asked, _before: Act(body=json.dumps({"choices": choices, "usage": usage}).encode())
    asked = request("one", n=2, logprobs=3)
    (response,) = client_of(stub).complete([asked])
    assert (response.text, response.alternatives, response.logprobs) == ("a", ("b",), [one])
    assert response.cached_tokens == 8
    assert (stub.asked[0]["n"], stub.asked[0]["logprobs"], stub.asked[0]["top_logprobs"]) == (2, True, 3)
    assert Journal(journal.folder).get(asked.key) == response
    assert len({asked.key, request("one").key, request("one", n=2).key, request("one", logprobs=3).key}) == 4


def test_more_requests_than_fit_in_memory_go_in_windows(stub: StubServer, client_of: ClientOf) -> None:
    requests = (request(str(number)) for number in range(25))
    pairs = list(answered_in_windows(client_of(stub), requests, window=10))
    assert [(asked.messages[0].content, response.text) for asked, response in pairs] == [
        (str(number), f"answer to: {number}") for number in range(25)
    ]


def test_order_is_kept_duplicates_asked_once_and_nothing_asked_twice(stub: StubServer, client_of: ClientOf) -> None:
    requests = [request(f"prompt {number % 15}") for number in range(30)]
    client = client_of(stub)
    first = client.complete(requests)
    assert [response.text for response in first] == [f"answer to: prompt {n % 15}" for n in range(30)]
    assert len(stub.asked) == 15
    assert client.complete(requests) == first
    assert client_of(stub).complete(requests[::-1]) == first[::-1]
    assert len(stub.asked) == 15


def test_requests_leave_in_order_within_the_concurrency(stub: StubServer, client_of: ClientOf) -> None:
    stub.script = lambda asked, _before: answer("yes", delay_s=0.02)
    texts = [f"{number:02}" for number in range(20)]
    client_of(stub, concurrency=3).complete([request(text) for text in texts])
    assert stub.most_in_flight == 3
    assert all(abs(place - texts.index(text)) < 3 for place, text in enumerate(stub.prompts))
    one_by_one = [request(text, seed=1) for text in texts]
    client_of(stub, concurrency=1).complete(one_by_one)
    assert stub.prompts[20:] == texts


@pytest.mark.parametrize(
    ("act", "status", "text", "reasoning"),
    [
        (answer("half a senten", "length"), "truncated", "half a senten", None),
        (answer("", "length", reasoning_content="hmm"), "truncated", "", "hmm"),
        (answer("", "content_filter"), "refused", "", None),
        (answer(None, "stop", refusal="I will not."), "refused", "I will not.", None),
        (answer("42", reasoning_content="6 * 7"), "answered", "42", "6 * 7"),
        (answer("42", reasoning="6 * 7"), "answered", "42", "6 * 7"),
        (answer("42", "STOP"), "answered", "42", None),
        (answer("42", None), "answered", "42", None),
        (answer("half a senten", "model_length"), "truncated", "half a senten", None),
        (answer("", "SAFETY"), "refused", "", None),
        (answer([{"type": "text", "text": "42"}]), "answered", "42", None),  # type: ignore[arg-type]
        (error(400, "blocked", code="content_filter"), "refused", "", None),
    ],
)
def test_what_an_answer_may_be(
    act: Act, status: str, text: str, reasoning: str | None, stub: StubServer, client_of: ClientOf
) -> None:
    stub.script = in_turn(act)
    (response,) = client_of(stub).complete([request("one")])
    assert (response.status, response.text, response.reasoning) == (status, text, reasoning)
    assert response.failure is None
    assert client_of(stub).complete([request("one")]) == [response], "recorded, so never paid for again"
    assert len(stub.asked) == 1


@pytest.mark.parametrize(
    "usage",
    ["null", "NaN", "[]", '"many"', '{"prompt_tokens": null}', '{"prompt_tokens": NaN, "completion_tokens": Infinity}',
     '{"prompt_tokens": -7, "completion_tokens": 1e30, "prompt_tokens_details": 3}'],
)  # fmt: skip
def test_no_usage_is_no_reason_to_ask_again(usage: str, stub: StubServer, client_of: ClientOf) -> None:
    choices = '[{"message": {"content": "four words of text"}, "finish_reason": "stop"}]'
    stub.script = lambda _asked, _before: Act(body=f'{{"choices": {choices}, "usage": {usage}}}'.encode())
    (response,) = client_of(stub).complete([request("one")])
    assert (response.status, response.text, response.attempts) == ("answered", "four words of text", 1)


def test_an_end_that_is_not_told_is_told_by_the_tokens(stub: StubServer, client_of: ClientOf) -> None:
    stub.script = lambda _asked, _before: answer("half a sen", None)
    cut, whole = client_of(stub).complete([request("one", max_tokens=3), request("one", max_tokens=4)])
    assert (cut.status, whole.status) == ("truncated", "answered")


PASSING = {
    "408": error(408, "slow"),
    "409": error(409, "conflict"),
    "429": error(429, "too many"),
    "500": error(500, "oops"),
    "503": Act(status=503, body=b"<html>Service Unavailable</html>"),
    "reset": Act(reset=True),
    "half body": Act(body=b"x" * 100, half_body=True),
    "half body that says it is whole": Act(body=answer("one").body[:60]),
    "not JSON": Act(body=b"<html>gateway</html>"),
    "JSON of another form": Act(body=b'{"choices": []}'),
    "a list": Act(body=b"[]"),
    "text that is no text": answer(17),  # type: ignore[arg-type]
    "an error with status 200": Act(body=b'{"error": {"message": "upstream died"}}'),
    "unknown finish reason": answer("one", "fhqwhgads"),
    "aborted": answer("one", "abort"),
    "empty": answer(""),
    "blank": answer(" \n"),
    "null": answer(None),
}


@pytest.mark.parametrize("act", PASSING.values(), ids=PASSING.keys())
def test_a_passing_problem_is_tried_again(act: Act, stub: StubServer, client_of: ClientOf) -> None:
    stub.script = in_turn(act)
    (response,) = client_of(stub).complete([request("one")])
    assert (response.status, response.text, response.attempts) == ("answered", "answer to: one", 2)


@pytest.mark.parametrize(
    ("act", "attempts", "reason"),
    [
        (error(500, "oops"), 3, "http_500: stub_error oops"),
        (error(429, "slow down"), 3, "http_429: stub_error slow down"),
        (Act(reset=True), 3, "connection: "),
        (Act(body=b"{"), 3, "malformed_body: not a JSON object: {"),
        (Act(body=b'{"error": {"message": "died"}}'), 3, "malformed_body: died"),
        (answer("one", "abort"), 3, "unknown_finish_reason: abort"),
        (answer("one", "fhqwhgads"), 2, "unknown_finish_reason: fhqwhgads"),
        (answer(17), 2, "malformed_body: "),  # type: ignore[arg-type]
        (answer(""), 2, "empty_response"),
    ],
)
def test_a_lasting_problem_of_one_request_is_a_row(
    act: Act, attempts: int, reason: str, stub: StubServer, client_of: ClientOf, journal: Journal
) -> None:
    stub.script = lambda asked, _before: act if asked["messages"][0]["content"] == "bad" else answer("good")
    bad, good = client_of(stub, max_attempts=3).complete([request("bad"), request("good")])
    assert (bad.status, bad.attempts, good.status) == ("failed", attempts, "answered")
    assert bad.failure is not None
    assert bad.failure.startswith(reason)
    assert journal.keys() == [good.key], "a failure is not an answer"
    stub.script = in_turn()
    assert [r.text for r in client_of(stub).complete([request("bad"), request("good")])] == [
        "answer to: bad",
        "good",
    ]
    assert stub.prompts.count("good") == 1


@pytest.mark.parametrize(
    "act",
    [
        error(400, "This model's maximum context length is 8192 tokens.", code="context_length_exceeded"),
        error(400, "the request exceeds the available context size, try increasing it"),
        error(413, "payload"),
        error(422, "prompt is too long"),
    ],
)
def test_a_prompt_too_long_fails_alone_and_at_once(act: Act, stub: StubServer, client_of: ClientOf) -> None:
    stub.script = lambda asked, _before: act if asked["messages"][0]["content"] == "long" else answer("ok")
    long, short = client_of(stub, concurrency=1).complete([request("long"), request("short")])
    assert (long.status, long.attempts, short.status) == ("failed", 1, "answered")
    assert (long.failure or "").startswith("context_length_exceeded: ")


def test_a_prompt_without_utf8_form_fails_alone(stub: StubServer, client_of: ClientOf) -> None:
    lone, good = client_of(stub).complete([request("\ud800"), request("good")])
    assert (lone.status, lone.failure) == ("failed", "not_encodable: the prompt holds lone surrogates")
    assert good.status == "answered"


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (error(400, "seed is not supported"), "answered 400: .*sampling.*seed is not supported"),
        (error(401, "bad key"), "answered 401: it refuses the API key: set CODEIO_API_KEY .*bad key"),
        (error(402, "no money"), "answered 402: .*payment"),
        (error(403, "not yours"), "answered 403: it denies access"),
        (error(404, "The model `x` does not exist"), "answered 404: no such model or path.*does not exist"),
        (error(418, "teapot"), "answered 418: check base URL.*teapot"),
        (error(429, "You exceeded your quota", code="insufficient_quota"), "answered 429: .*quota"),
    ],
)
def test_what_no_retry_can_mend_stops_the_run_at_once(
    act: Act, said: str, stub: StubServer, client_of: ClientOf, journal: Journal
) -> None:
    stub.script = lambda asked, _before: act
    with pytest.raises(ChatServerError, match=said) as caught:
        client_of(stub).complete([request(str(number)) for number in range(50)])
    assert stub.base_url in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(stub.asked) <= 8
    assert len(journal) == 0


def test_an_error_late_in_the_run_keeps_all_that_came(stub: StubServer, client_of: ClientOf) -> None:
    stub.script = lambda asked, _before: (
        error(401, "expired") if asked["messages"][0]["content"] == "20" else in_turn()(asked, 0)
    )
    requests = [request(str(number)) for number in range(40)]
    with pytest.raises(ChatServerError, match="401"):
        client_of(stub, concurrency=1).complete(requests)
    stub.script = in_turn()
    assert [r.text for r in client_of(stub).complete(requests)] == [f"answer to: {n}" for n in range(40)]
    assert len(stub.asked) == 41


def test_nothing_listens(journal: Journal) -> None:
    client = OpenAIChatClient(f"http://127.0.0.1:{closed_port()}/v1", MODEL, journal, backoff=SOON)
    said = r"nothing answers at http://127.0.0.1:\d+/v1 .*start the server, or correct the base URL"
    with pytest.raises(ChatServerError, match=said):
        client.complete([request(str(number)) for number in range(100)])
    with pytest.raises(ChatServerError, match=said):
        client.complete([request("only one")])
    with pytest.raises(ChatServerError, match=said):
        client.check_server()


def test_a_server_that_goes_away_ends_the_run_and_loses_nothing(client_of: ClientOf, journal: Journal) -> None:
    requests = [request(str(number)) for number in range(400)]
    with StubServer() as stub:
        client = client_of(stub)
        stopped = threading.Event()

        def stop_after_ten(progress: Progress) -> None:
            if progress.done >= 10 and not stopped.is_set():
                stopped.set()
                stub.stop()

        with pytest.raises(ChatServerError, match="nothing answers"):
            client.complete(requests, stop_after_ten)
        sent = set(stub.sent)
    assert 10 <= len(journal) < 400
    recorded = {r.request.messages[0].content for r in journal.records()}
    assert len(sent - recorded) <= 4, "only those in flight"


def test_a_server_that_restarts_is_waited_for(stub: StubServer, client_of: ClientOf) -> None:
    stub.script = in_turn(Act(reset=True), error(503, "starting"), error(503, "starting"))
    responses = client_of(stub).complete([request(str(number)) for number in range(5)])
    assert [(r.status, r.attempts) for r in responses] == [("answered", 4)] * 5


def test_retry_after_is_respected(stub: StubServer, client_of: ClientOf) -> None:
    stub.script = in_turn(error(429, "wait", retry_after="1"))
    seen: list[Progress] = []
    (response,) = client_of(stub).complete([request("one")], seen.append)
    assert (response.status, response.attempts) == ("answered", 2)
    assert seen[-1].elapsed_s >= 1.0


def test_a_wait_beyond_the_deadline_fails_the_row_now(stub: StubServer, client_of: ClientOf) -> None:
    stub.script = in_turn(error(429, "come back tomorrow", retry_after="86400"))
    (response,) = client_of(stub).complete([request("one")])
    assert (response.status, response.attempts) == ("failed", 1)
    assert response.failure == "deadline: http_429: stub_error come back tomorrow"


def test_a_slow_try_is_given_up_and_tried_again(stub: StubServer, client_of: ClientOf) -> None:
    stub.script = in_turn(answer("late", delay_s=30))
    (response,) = client_of(stub, timeout_s=0.3).complete([request("one")])
    assert (response.text, response.attempts) == ("answer to: one", 2)


def test_the_deadline_bounds_all_tries(stub: StubServer, client_of: ClientOf) -> None:
    stub.script = lambda asked, _before: answer("late", delay_s=30)
    seen: list[Progress] = []
    (response,) = client_of(stub, timeout_s=20, deadline_s=0.5).complete([request("one")], seen.append)
    assert (response.status, response.failure) == ("failed", "deadline: no answer within 0.5 s")
    (timed_out,) = client_of(stub, timeout_s=0.2, max_attempts=2).complete([request("two")])
    assert (timed_out.attempts, timed_out.failure) == (2, "timeout: no complete answer within 0.2 s")


def test_progress_counts_everything_in_the_callers_thread(
    stub: StubServer, client_of: ClientOf, journal: Journal
) -> None:
    replayed = request("known")
    journal.append(replayed, answered(replayed))
    stub.script = lambda asked, _before: (
        error(500, "no") if asked["messages"][0]["content"] == "3" else in_turn()(asked, 0)
    )
    seen: list[Progress] = []
    threads: set[int] = set()

    def note(progress: Progress) -> None:
        seen.append(progress)
        threads.add(threading.get_ident())

    client_of(stub).complete([replayed, *(request(str(number)) for number in range(9))], note)
    first, last = seen[0], seen[-1]
    assert (first.total, first.done, first.replayed) == (10, 1, 1)
    assert (last.total, last.done, last.replayed, last.failed) == (10, 10, 1, 1)
    assert last.completion_tokens == 8 * 3
    assert last.rate > 0
    assert [p.done for p in seen] == sorted(p.done for p in seen)
    assert threads == {threading.get_ident()}


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit, RuntimeError])
def test_an_interruption_keeps_all_that_came(
    interrupt: type[BaseException], stub: StubServer, client_of: ClientOf, journal: Journal
) -> None:
    def interrupt_at_ten(progress: Progress) -> None:
        if progress.done >= 10:
            raise interrupt

    requests = [request(str(number)) for number in range(200)]
    with pytest.raises(interrupt):
        client_of(stub).complete(requests, interrupt_at_ten)
    assert not [thread for thread in threading.enumerate() if thread.name == "llm-driver"]
    recorded = {r.request.messages[0].content for r in Journal(journal.folder).records()}
    assert 10 <= len(recorded) < 200
    assert len(set(stub.sent) - recorded) <= 4


def test_works_inside_a_running_loop_and_in_threads(stub: StubServer, client_of: ClientOf) -> None:
    async def inside() -> str:
        return client_of(stub).complete([request("inside")])[0].text

    assert asyncio.run(inside()) == "answer to: inside"
    texts: list[str] = []
    client = client_of(stub)
    threads = [
        threading.Thread(target=lambda n=n: texts.append(client.complete([request(f"{n}")])[0].text)) for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(texts) == [f"answer to: {n}" for n in range(4)]


def test_a_journal_that_cannot_be_written_ends_the_run(
    stub: StubServer, client_of: ClientOf, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(journal, "append_all", full)
    with pytest.raises(OSError, match="No space left"):
        client_of(stub).complete([request(str(number)) for number in range(50)])
    assert len(stub.asked) <= 8


def test_a_request_for_another_model_is_a_mistake(stub: StubServer, client_of: ClientOf) -> None:
    with pytest.raises(ValueError, match="names model 'other', the client 'stub-model'"):
        client_of(stub).complete([ChatRequest("other", (Message("user", "x"),))])
    assert stub.asked == []


def test_check_server_names_the_models_that_are_there(journal: Journal, client_of: ClientOf) -> None:
    with StubServer(models=("b-model", "a-model")) as stub:
        with pytest.raises(ChatServerError, match="does not serve the model 'stub-model'; it serves: a-mod"):
            client_of(stub).check_server()
        assert OpenAIChatClient(stub.base_url, "b-model", journal).check_server() == ["a-model", "b-model"]
    with StubServer(models=None) as stub:
        assert client_of(stub).check_server() == [], "a server need not list its models"


@pytest.mark.parametrize("wrong", [{"concurrency": 0}, {"max_attempts": 0}, {"timeout_s": 0}])
def test_senseless_settings_are_refused(wrong: dict[str, int], stub: StubServer, client_of: ClientOf) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        client_of(stub, **wrong)


def test_a_proxy_of_the_environment_does_not_hide_this_machine(
    stub: StubServer, client_of: ClientOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{closed_port()}")
    assert client_of(stub).complete([request("one")])[0].status == "answered"
