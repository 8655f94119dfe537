"""vLLM servers of our own, for the time of a run: started, waited for, watched, restarted, stopped.

What lives here: the command, the environment, and the life of one server (`VllmServer`) and of several replicas
(`vllm_servers`). A guard (`lifecycle`) ends a server with all it started when this process ends in whatever way.
What does not: asking the server (`live.client`), reading its metrics page (`metrics`).
"""

import contextlib
import http.client
import os
import secrets
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from codeio_assets.core.values.canonical import Json
from codeio_assets.lifecycle.guard import GRACE_S, end_all
from codeio_assets.lifecycle.guarded import GUARD
from codeio_assets.llm.contract import ChatServerError
from codeio_assets.llm.vllm.metrics import Reading, read_metrics, summary

TOKEN = "CODEIO_VLLM_TOKEN"
PASSED_ON = (
    "PATH", "HOME", "USER", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "LD_PRELOAD", "CUDA_HOME",
    "CUDA_VISIBLE_DEVICES", "XDG_CACHE_HOME",
)  # fmt: skip
PASSED_ON_PREFIXES = ("VLLM_", "HF_", "TORCH", "NCCL_", "OMP_", "TRITON_", "NVIDIA_", "HIP_", "ROCM_")
QUIET_LINES = ("GET /health", "GET /metrics", "POST /v1/chat/completions")
LOOK_EVERY_S = 1.0
READINGS_KEPT = 2_000

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class VllmConfig:
    """How servers are started.

    Args:
        model: the name that requests carry.
        model_path: folder or hub name of the weights; default the name.
        python: interpreter of the environment with vLLM (the CPU build has no command); default the command `vllm`.
        replicas: servers side by side, each with all weights.
        gpus_per_replica: tensor parallel size; replica i gets the i-th group of GPUs. 0 leaves devices alone.
        concurrency: requests that each replica is sent at a time.
        arguments: further arguments of `vllm serve`.
        start_timeout_s: until a server must be healthy.
        restarts: how often a server that dies is started again.
    """

    model: str
    model_path: str | None = None
    python: str | None = None
    replicas: int = 1
    gpus_per_replica: int = 0
    concurrency: int = 64
    arguments: tuple[str, ...] = ()
    start_timeout_s: float = 900.0
    restarts: int = 3


def serve_command(config: VllmConfig, port: int) -> list[str]:
    """Return the command line of a server.

    Raises:
        ChatServerError: there is no vLLM here.
    """
    path = config.model_path or config.model
    if config.python:
        if shutil.which(config.python) is None:
            raise ChatServerError(f"no interpreter {config.python!r}: set `chat.vllm.python` or CODEIO_VLLM_PYTHON")
        start = [config.python, "-m", "vllm.entrypoints.openai.api_server", "--model", path]
    elif shutil.which("vllm"):
        start = ["vllm", "serve", path]
    else:
        advice = "install it (pip install vllm), or set CODEIO_VLLM_PYTHON to the interpreter of its environment"
        raise ChatServerError(f"there is no command `vllm` on this machine: {advice}")
    parallel = ["--tensor-parallel-size", str(config.gpus_per_replica)] if config.gpus_per_replica > 1 else []
    here = ["--host", "127.0.0.1", "--port", str(port), "--served-model-name", config.model]
    return [*start, *here, "--enable-prefix-caching", *parallel, *config.arguments]


def serve_environment(config: VllmConfig, replica: int, token: str) -> dict[str, str]:
    """Return the environment of a server: what it needs of ours, no secrets, and its GPUs."""
    passed = {
        name: value
        for name, value in os.environ.items()
        if (name in PASSED_ON or name.startswith(PASSED_ON_PREFIXES)) and not name.endswith(("_TOKEN", "_API_KEY"))
    }
    if config.gpus_per_replica:
        known = os.environ.get("CUDA_VISIBLE_DEVICES")
        devices = known.split(",") if known else [str(n) for n in range(config.replicas * config.gpus_per_replica)]
        first = replica * config.gpus_per_replica
        passed["CUDA_VISIBLE_DEVICES"] = ",".join(devices[first : first + config.gpus_per_replica])
    return passed | {TOKEN: token}


class VllmServer:
    """One server. `start` returns at once, `wait` when it is healthy; a thread then watches it until `stop`."""

    def __init__(self, config: VllmConfig, log: Path, replica: int = 0, say: Say = lambda _line: None) -> None:
        """Choose a port; nothing is started yet. The server's output goes to `log` and line by line to `say`."""
        self.log = log
        self.port = _free_port()
        self.restarted = 0
        self.readings: list[tuple[float, Reading]] = []
        self._config = config
        self._replica = replica
        self._say = say
        self._token = secrets.token_hex(8)
        self._shown = 0
        self._guard: subprocess.Popen[bytes] | None = None
        self._stopping = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name=f"vllm-{self.port}", daemon=True)

    @property
    def base_url(self) -> str:
        """What a client asks."""
        return f"http://127.0.0.1:{self.port}/v1"

    def start(self) -> None:
        """Start the process.

        Raises:
            ChatServerError: there is no vLLM here.
        """
        command = [sys.executable, "-I", str(GUARD), *serve_command(self._config, self.port)]
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            self._guard = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=serve_environment(self._config, self._replica, self._token),
            )

    def wait(self) -> None:
        """Wait until the server is healthy, and watch it from then on.

        Raises:
            ChatServerError: it ended, or was not healthy in time; the message has the last lines of its log.
        """
        give_up = time.monotonic() + self._config.start_timeout_s
        while not self._is_healthy():
            self._stream_log()
            if self._has_ended():
                raise ChatServerError(f"vLLM ended at its start ({self.log}): {self._last_lines()}")
            if time.monotonic() > give_up:
                raise ChatServerError(f"vLLM was not healthy after {self._config.start_timeout_s:g} s: see {self.log}")
            time.sleep(LOOK_EVERY_S)
        self._read_metrics()
        self._watcher.start()

    def stop(self) -> None:
        """End the server and all its processes; stopping twice is fine."""
        self._stopping.set()
        if self._watcher.is_alive():
            self._read_metrics()
            self._watcher.join(3 * LOOK_EVERY_S)
        if self._guard is not None:
            self._hang_up()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._guard.wait(4 * GRACE_S)
            self._sweep()
        self._stream_log()

    def metrics(self) -> dict[str, Json]:
        """Return the numbers of the run so far: queue, KV cache, tokens per second, restarts."""
        return summary(self.readings) | {"restarts": self.restarted}

    def _watch(self) -> None:
        while not self._stopping.wait(LOOK_EVERY_S):
            self._stream_log()
            if self._has_ended() and not self._stopping.is_set():
                if self.restarted >= self._config.restarts:
                    self._say(f"vLLM died {self.restarted + 1} times and is left so: see {self.log}")
                    return
                self.restarted += 1
                self._say(f"vLLM died and is started again ({self.restarted} of {self._config.restarts})")
                self._hang_up()
                self._sweep()
                self.start()
            self._read_metrics()

    def _hang_up(self) -> None:
        """Close the pipe of the guard, which then ends everything."""
        if self._guard is not None and self._guard.stdin is not None:
            with contextlib.suppress(OSError):
                self._guard.stdin.close()

    def _has_ended(self) -> bool:
        return self._guard is None or self._guard.poll() is not None

    def _is_healthy(self) -> bool:
        return self._get("/health") is not None

    def _read_metrics(self) -> None:
        page = self._get("/metrics")
        if page is not None:
            self.readings.append((time.monotonic(), read_metrics(page)))
            if len(self.readings) > READINGS_KEPT:
                del self.readings[1::2]

    def _get(self, path: str) -> str | None:
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
                f"http://127.0.0.1:{self.port}{path}", timeout=5
            ) as response:
                return response.read().decode(errors="replace")
        except (OSError, http.client.HTTPException, ValueError):  # it may die in the middle of its answer
            return None

    def _stream_log(self) -> None:
        if not self.log.exists():
            return
        with self.log.open("rb") as file:
            file.seek(self._shown)
            text = file.read()
        whole, newline, _ = text.rpartition(b"\n")
        self._shown += len(whole) + len(newline)
        for line in whole.decode(errors="replace").splitlines():
            if line.strip() and not any(quiet in line for quiet in QUIET_LINES):
                self._say(line.rstrip())

    def _last_lines(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        told = [line.strip() for line in lines if line.strip()][-5:]
        return " | ".join(told)[-1_000:] or "it said nothing"

    def _sweep(self) -> None:
        """End what a guard that was killed could not end."""
        left: list[psutil.Process] = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.pid != os.getpid() and process.environ().get(TOKEN) == self._token:
                    left.append(process)
        end_all(left)


@contextlib.contextmanager
def vllm_servers(config: VllmConfig, logs: Path, say: Say = lambda _line: None) -> Generator[list[VllmServer]]:
    """Run the replicas of a configuration for the time of a `with` block; all are healthy when it begins.

    Raises:
        ChatServerError: a server could not be started.
    """
    servers: Sequence[VllmServer] = [
        VllmServer(config, logs / f"vllm-{os.getpid()}-{replica}.log", replica, say)
        for replica in range(config.replicas)
    ]
    try:
        for server in servers:
            server.start()
        for server in servers:
            server.wait()
        yield list(servers)
    finally:
        for server in servers:
            server.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
