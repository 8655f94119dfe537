"""Several endpoints, health, adaptive concurrency."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from codeio_assets.llm import ChatServerError, EndpointConfig, Journal, OpenAIChatClient, Progress
from codeio_assets.llm.live.lanes import Lane
from codeio_assets.llm.live.tries import TryFailed
from codeio_assets_tests.llm.conftest import MODEL, SOON, request
from codeio_assets_tests.llm.live.test_client import closed_port
from codeio_assets_tests.llm.stub_server import Act, StubServer, answer, echo, error

REQUESTS = [request(f"prompt {number}") for number in range(200)]


def client(journal: Journal, *endpoints: EndpointConfig, **settings: Any) -> OpenAIChatClient:
    return OpenAIChatClient(endpoints, MODEL, journal, **{"timeout_s": 10.0, "backoff": SOON, **settings})


def slow(asked: dict[str, Any], _before: int) -> Act:
    return answer("yes", delay_s=0.01)


def test_endpoints_share_the_requests_by_weight(journal: Journal) -> None:
    with StubServer(slow) as heavy, StubServer(slow) as light:
        configs = [EndpointConfig(heavy.base_url, 3, 12), EndpointConfig(light.base_url, 1, 12)]
        responses = client(journal, *configs).complete(REQUESTS[:160])
    assert {response.status for response in responses} == {"answered"}
    assert len(heavy.asked) + len(light.asked) == 160, "nothing was asked twice"
    assert (heavy.most_in_flight, light.most_in_flight) <= (12, 4)
    assert len(heavy.asked) > 1.3 * len(light.asked) > 0


def test_a_dead_endpoint_is_left_out_and_used_again_when_it_is_back(journal: Journal) -> None:
    port = closed_port()
    back: list[StubServer] = []

    def start_it(progress: Progress) -> None:
        if progress.done >= 50 and not back:
            back.append(StubServer(slow, port=port).__enter__())

    with StubServer(slow) as alive:
        configs = [EndpointConfig(f"http://127.0.0.1:{port}/v1", 1, 4), EndpointConfig(alive.base_url, 1, 4)]
        responses = client(journal, *configs).complete(REQUESTS, start_it)
    back[0].stop()
    assert {response.status for response in responses} == {"answered"}
    assert max(response.attempts for response in responses) <= 2
    assert len(alive.asked) >= 50
    assert back[0].asked, "it was probed and took part"


def test_an_endpoint_that_only_fails_is_left_out_while_others_are_there(journal: Journal) -> None:
    with StubServer(lambda _asked, _before: error(500, "broken")) as broken, StubServer(slow) as alive:
        configs = [EndpointConfig(broken.base_url, 1, 4), EndpointConfig(alive.base_url, 1, 4)]
        responses = client(journal, *configs).complete(REQUESTS)
    assert {response.status for response in responses} == {"answered"}
    assert len(broken.asked) < 100, "then one at a time, to see whether it is back"


def test_all_gone_names_them_all(journal: Journal) -> None:
    urls = [f"http://127.0.0.1:{closed_port()}/v1" for _ in range(2)]
    with pytest.raises(ChatServerError, match=r"nothing answers at .*, .*start the server") as caught:
        client(journal, *(EndpointConfig(url) for url in urls)).complete(REQUESTS)
    assert all(url in str(caught.value) for url in urls)


def test_a_server_that_is_restarted_is_waited_for(journal: Journal) -> None:
    port = closed_port()
    started: list[StubServer] = []
    timer = threading.Timer(1.0, lambda: started.append(StubServer(slow, port=port).__enter__()))
    timer.start()
    patient = client(journal, EndpointConfig(f"http://127.0.0.1:{port}/v1"), patience_s=30)
    responses = patient.complete(REQUESTS[:5])
    started[0].stop()
    assert {response.status for response in responses} == {"answered"}


def test_concurrency_finds_what_the_server_bears(journal: Journal) -> None:
    with StubServer() as stub:

        def crowded(asked: dict[str, Any], _before: int) -> Act:
            return error(429, "too many") if stub.in_flight >= 4 else answer("yes", delay_s=0.01)

        stub.script = crowded
        responses = client(
            journal, EndpointConfig(stub.base_url, concurrency=64), max_attempts=50, deadline_s=600
        ).complete(REQUESTS)
        assert {response.status for response in responses} == {"answered"}
        turned_away = len(stub.asked) - len(REQUESTS)
        assert turned_away < 64 + len(REQUESTS), "64 at first, then about one per try to send more"


def test_a_lane_grows_by_one_per_round_and_is_halved_once_per_crowd() -> None:
    lane = Lane(EndpointConfig("http://x/v1", concurrency=16), None, 16.0)  # type: ignore[arg-type]
    lane.in_flight, sent = 16, time.monotonic()
    for _ in range(16):
        lane.shrink(sent)
    assert lane.limit == 8.0
    for _ in range(8):
        lane.grow()
    assert 8.9 < lane.limit < 9.1
    for _ in range(500):
        lane.grow()
    assert lane.limit == 16.0


@pytest.mark.parametrize("wrong", [{"concurrency": 0}, {"weight": 0.0}, {"weight": -1.0}])
def test_senseless_endpoints_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        EndpointConfig("http://x/v1", **wrong)


def test_no_endpoint_is_refused(journal: Journal) -> None:
    with pytest.raises(ValueError, match="at least one endpoint"):
        client(journal)


def test_each_endpoint_may_have_its_own_key(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY_OF_ONE", "one")
    monkeypatch.setenv("CODEIO_API_KEY", "other")
    with StubServer(slow) as one, StubServer(slow) as other:
        configs = [EndpointConfig(one.base_url, api_key_env="KEY_OF_ONE"), EndpointConfig(other.base_url)]
        client(journal, *configs).complete(REQUESTS[:20])
    assert {headers["authorization"] for headers in one.asked_headers} == {"Bearer one"}
    assert {headers["authorization"] for headers in other.asked_headers} == {"Bearer other"}


def test_a_failed_try_goes_to_another_endpoint(journal: Journal) -> None:
    flaky: Callable[[dict[str, Any], int], Act] = lambda asked, _before: Act(reset=True)  # noqa: E731
    with StubServer(flaky) as bad, StubServer(lambda asked, _before: echo(asked)) as good:
        configs = [EndpointConfig(bad.base_url, 5, 4), EndpointConfig(good.base_url, 1, 4)]
        responses = client(journal, *configs, max_attempts=2).complete(REQUESTS[:30])
    assert [response.text for response in responses] == [f"answer to: prompt {number}" for number in range(30)]


def test_a_connection_problem_alone_does_not_shrink_a_lane() -> None:
    assert not TryFailed("connection: reset").crowded
