"""vLLM for real: `make test-vllm`. The rules of command and environment need no vLLM."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from codeio_assets.llm import ChatRequest, ChatServerError, EndpointConfig, Journal, Message, OpenAIChatClient, Sampling
from codeio_assets.llm.vllm.server import TOKEN, VllmConfig, VllmServer, serve_command, serve_environment, vllm_servers
from codeio_assets_tests.llm.vllm.fake import fake_vllm

PYTHON = os.environ.get("CODEIO_VLLM_PYTHON", "")
WEIGHTS = os.environ.get("CODEIO_VLLM_MODEL", "")
REAL = [
    pytest.mark.vllm,
    pytest.mark.slow,
    pytest.mark.timeout(3_600),
    pytest.mark.skipif(
        not (PYTHON and WEIGHTS),
        reason="no vLLM: set CODEIO_VLLM_PYTHON (its interpreter) and CODEIO_VLLM_MODEL (a model folder)",
    ),
]


@pytest.fixture
def fake(tmp_path: Path) -> VllmConfig:
    return VllmConfig("m", python=str(fake_vllm(tmp_path)), start_timeout_s=60)


def engines(log: Path) -> list[int]:
    return [int(line.split()[1]) for line in log.read_text().splitlines() if line.startswith("engine ")]


def gone(pid: int) -> bool:
    deadline = time.monotonic() + 60
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def test_the_command_serves_the_model_with_prefix_caching() -> None:
    config = VllmConfig("m", "/weights", sys.executable, gpus_per_replica=2, arguments=("--max-model-len", "99"))
    command = serve_command(config, 7)
    assert command[:5] == [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", "/weights"]
    assert "--enable-prefix-caching" in command
    assert command[-4:] == ["--tensor-parallel-size", "2", "--max-model-len", "99"]
    assert command[command.index("--host") + 1] == "127.0.0.1"


def test_no_vllm_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ChatServerError, match=r"no command `vllm`.*CODEIO_VLLM_PYTHON"):
        serve_command(VllmConfig("m"), 1)
    with pytest.raises(ChatServerError, match=r"no interpreter '/none': set `chat\.vllm\.python`"):
        serve_command(VllmConfig("m", python="/none"), 1)


def test_the_environment_has_devices_and_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"CODEIO_API_KEY": "k", "HF_TOKEN": "k", "VLLM_API_KEY": "k", "VLLM_X": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,6,7")
    config = VllmConfig("m", replicas=2, gpus_per_replica=2)
    devices = [serve_environment(config, replica, "t")["CUDA_VISIBLE_DEVICES"] for replica in range(2)]
    assert devices == ["4,5", "6,7"]
    made = serve_environment(config, 0, "t")
    assert (made["VLLM_X"], made[TOKEN]) == ("1", "t")
    assert "k" not in made.values()


def test_replicas_run_for_the_time_of_a_block(fake: VllmConfig, tmp_path: Path) -> None:
    said: list[str] = []
    with vllm_servers(VllmConfig(**{**_fields(fake), "replicas": 2}), tmp_path / "logs", said.append) as servers:
        assert len({server.base_url for server in servers}) == 2
        assert servers[0].metrics()["readings"] >= 1
        pids = [pid for server in servers for pid in engines(server.log)]
        assert len(pids) == 2
        assert not any(gone_now(pid) for pid in pids)
    assert all(gone(pid) for pid in pids), "engines in sessions of their own are ended too"
    assert any(line.startswith("engine ") for line in said), "the log is streamed"


def test_a_server_that_dies_is_started_again(fake: VllmConfig, tmp_path: Path) -> None:
    with vllm_servers(fake, tmp_path / "logs") as (server,):
        server._get("/die")
        deadline = time.monotonic() + 60
        while (server.restarted < 1 or not server._is_healthy()) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert server.metrics()["restarts"] == 1
        first, second = engines(server.log)
        assert gone(first)
    assert gone(second)


def test_one_that_cannot_start_tells_its_last_words(fake: VllmConfig, tmp_path: Path) -> None:
    config = VllmConfig(**{**_fields(fake), "arguments": ("--fail",)})
    with (
        pytest.raises(ChatServerError, match=r"vLLM ended at its start .*CUDA is out of luck"),
        vllm_servers(config, tmp_path / "logs"),
    ):
        pass
    (log,) = (tmp_path / "logs").glob("*.log")
    assert all(gone(pid) for pid in engines(log))


RUN = """
import json, sys, time
from pathlib import Path
from codeio_assets.llm.vllm.server import VllmConfig, vllm_servers
with vllm_servers(VllmConfig(**json.loads(sys.argv[1])), Path(sys.argv[2])) as (server,):
    print(server.port, flush=True)
    time.sleep(600)
"""


def run_and_end(config: VllmConfig, logs: Path, how: int) -> list[int]:
    """Run a server in a process of its own, end that process by a signal, and return what it had started."""
    command = [sys.executable, "-c", RUN, json.dumps(_fields(config)), str(logs)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip().isdigit()
        started = [child.pid for child in psutil.Process(process.pid).children(recursive=True)]
        process.send_signal(how)
    return started


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_is_left_whatever_ends_the_run(how: int, fake: VllmConfig, tmp_path: Path) -> None:
    started = run_and_end(fake, tmp_path / "logs", how)
    assert len(started) >= 3, "guard, server, engine"
    assert all(gone(pid) for pid in started)


def test_a_guard_that_is_killed_leaves_nothing_behind(fake: VllmConfig, tmp_path: Path) -> None:
    server = VllmServer(fake, tmp_path / "log")
    server.start()
    server.wait()
    assert server._guard is not None
    pids = engines(server.log)
    os.kill(server._guard.pid, signal.SIGKILL)
    server.stop()
    assert all(gone(pid) for pid in pids)


def gone_now(pid: int) -> bool:
    return not psutil.pid_exists(pid)


def _fields(config: VllmConfig) -> dict[str, object]:
    return {name: getattr(config, name) for name in VllmConfig.__dataclass_fields__}


@pytest.fixture(scope="module")
def real_config() -> VllmConfig:
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
    arguments = ("--max-model-len", "1024", "--enforce-eager", "--dtype", "bfloat16")
    return VllmConfig("smollm2", WEIGHTS, PYTHON, arguments=arguments, start_timeout_s=1_800)


@pytest.fixture(scope="module")
def real(real_config: VllmConfig, tmp_path_factory: pytest.TempPathFactory) -> Iterator[VllmServer]:
    with vllm_servers(real_config, tmp_path_factory.mktemp("logs")) as (server,):
        yield server


class TestReal:
    pytestmark = REAL

    def test_answers_are_recorded_and_metrics_read(self, real: VllmServer, journal: Journal) -> None:
        client = OpenAIChatClient([EndpointConfig(real.base_url, concurrency=8)], "smollm2", journal)
        assert client.check_server() == ["smollm2"]
        prefix = "You count for people who cannot. " * 40  # the CPU build caches blocks of 128 tokens
        requests = [
            ChatRequest("smollm2", (Message("system", prefix), Message("user", f"Count to {n}.")), Sampling(0, 1, 12))
            for n in range(3, 9)
        ]
        client.complete(requests[:1])
        responses = client.complete(requests)
        assert {response.status for response in responses} <= {"answered", "truncated"}
        assert all(response.prompt_tokens > 40 and response.completion_tokens > 0 for response in responses)
        asked = len(journal)
        assert client.complete(requests) == responses
        assert len(journal) == asked == 6
        real._read_metrics()
        metrics = real.metrics()
        assert metrics["completion_tokens"] >= 6
        assert metrics["prefix_cache_hit_ratio"] > 0, "shared prefixes are computed once"

    def test_parameters_where_supported(self, real: VllmServer, journal: Journal) -> None:
        client = OpenAIChatClient(real.base_url, "smollm2", journal)
        ask = (Message("user", "Say a word."),)
        several, with_probabilities = client.complete(
            [
                ChatRequest("smollm2", ask, Sampling(1.0, 1, 4, seed=1, n=3)),
                ChatRequest("smollm2", ask, Sampling(0, 1, 4, logprobs=2)),
            ]
        )
        assert len(several.alternatives) == 2
        assert len(with_probabilities.logprobs[0]["top_logprobs"]) == 2

    def test_what_cannot_be_served_is_told(self, real: VllmServer, journal: Journal) -> None:
        with pytest.raises(ChatServerError, match="does not serve the model 'other'; it serves: smollm2"):
            OpenAIChatClient(real.base_url, "other", journal).check_server()
        with pytest.raises(ChatServerError, match="answered 404"):
            OpenAIChatClient(real.base_url, "other", journal).complete([ChatRequest("other", (Message("user", "x"),))])
        long = ChatRequest("smollm2", (Message("user", "word " * 5_000),), Sampling(max_tokens=4))
        (response,) = OpenAIChatClient(real.base_url, "smollm2", journal).complete([long])
        assert (response.status, response.attempts) == ("failed", 1)
        assert (response.failure or "").startswith("context_length_exceeded")

    def test_kill_9_of_the_run_ends_the_server(self, real_config: VllmConfig, tmp_path: Path) -> None:
        started = run_and_end(real_config, tmp_path / "logs", signal.SIGKILL)
        assert len(started) >= 3
        assert all(gone(pid) for pid in started)
