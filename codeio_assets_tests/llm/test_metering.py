import pytest

from codeio_assets.llm import ChatServerError, Journal, OpenAIChatClient, Progress
from codeio_assets.llm.metering import MeteredClient
from codeio_assets.llm.vllm.metrics import Reading, read_metrics, summary
from codeio_assets_tests.llm.conftest import MODEL, SOON, request
from codeio_assets_tests.llm.stub_server import StubServer, error, in_turn


def test_batches_are_added_up_and_replayed_ones_are_free(stub: StubServer, journal: Journal) -> None:
    heard: list[Progress] = []
    client = MeteredClient(OpenAIChatClient(stub.base_url, MODEL, journal, backoff=SOON), heard.append)
    stub.script = in_turn(error(500, "once"))
    client.complete([request("a"), request("b")])
    client.complete([request("a"), request("b"), request("c")])
    usage = client.usage
    assert (usage.requests, usage.replayed, usage.sent, usage.tries) == (5, 2, 3, 6)
    assert (usage.prompt_tokens, usage.completion_tokens) == (21, 9)
    assert usage.as_info()["journal_hit_ratio"] == 0.4
    assert usage.as_info()["completion_tokens_per_s"] > 0
    assert heard[-1].done == 3


def test_what_a_failed_batch_took_counts(stub: StubServer, journal: Journal) -> None:
    stub.script = lambda asked, before: (
        error(401, "expired") if asked["messages"][0]["content"] == "9" else in_turn()(asked, before)
    )
    client = MeteredClient(OpenAIChatClient(stub.base_url, MODEL, journal, concurrency=1))
    with pytest.raises(ChatServerError):
        client.complete([request(str(number)) for number in range(20)])
    assert 0 < client.usage.completion_tokens <= 27


PAGE = """\
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="m"} 3.0
vllm:num_requests_running{engine="1",model_name="m"} 2.0
vllm:num_requests_waiting{engine="0",model_name="m"} 7.0
vllm:kv_cache_usage_perc{engine="0",model_name="m"} 0.25
vllm:prompt_tokens_total{engine="0",model_name="m"} 1.5e+03
vllm:generation_tokens_total{engine="0",model_name="m"} 400.0
vllm:prefix_cache_queries_total{engine="0",model_name="m"} 1000.0
vllm:prefix_cache_hits_total{engine="0",model_name="m"} 600.0
python_gc_objects_collected_total{generation="0"} 9.0
"""


def test_the_metrics_page_of_vllm_is_read() -> None:
    assert read_metrics(PAGE) == Reading(5.0, 7.0, 0.25, 1500.0, 400.0, 1000.0, 600.0, 0.0)
    assert read_metrics("") == Reading()


def test_readings_are_summed_up() -> None:
    readings = [(0.0, Reading()), (5.0, Reading(8, 3, 0.5)), (10.0, read_metrics(PAGE))]
    assert summary(readings) == {
        "readings": 3, "running_peak": 8, "waiting_peak": 7, "kv_cache_peak_ratio": 0.5, "prompt_tokens": 1500,
        "completion_tokens": 400, "completion_tokens_per_s": 40.0, "prefix_cache_hit_ratio": 0.6, "preemptions": 0,
    }  # fmt: skip
    assert summary([]) == {}
