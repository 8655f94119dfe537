"""A real, guarded `dagster dev` for tests: its own home and port, GraphQL, and everything stopped at the end."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import psutil

from codeio_assets.store import Warehouse

ROOT = Path(__file__).resolve().parent.parent.parent
BIN = Path(sys.executable).parent

LAUNCH = """mutation($run: ExecutionParams!) { launchPipelineExecution(executionParams: $run) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
  ... on RunConfigValidationInvalid { errors { message } } } }"""
STATUS = """query($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"""


class Webserver:
    """GraphQL over a running webserver."""

    def __init__(self, url: str, process: psutil.Process, environment: dict[str, str]) -> None:
        self.url, self.process, self.environment = url, process, environment

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(f"{self.url}/graphql", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            data = json.load(answer)
        assert "errors" not in data, data["errors"]
        return data["data"]

    def launch(
        self, job: str = "__ASSET_JOB", assets: list[str] | None = None, checks: list[Any] | None = None,
        partition: str | None = None, config: dict[str, Any] | None = None,
    ) -> str:  # fmt: skip
        """Launch a run and return its id; without names, of the whole job."""
        selector = {
            "repositoryName": "__repository__",
            "repositoryLocationName": "codeio_assets",
            "pipelineName": job,
            **({} if assets is None else {"assetSelection": [{"path": [asset]} for asset in assets]}),
            **({} if checks is None else {"assetCheckSelection": checks}),
        }
        tags = [{"key": "dagster/partition", "value": partition}] if partition else []
        run = {
            "selector": selector,
            "mode": "default",
            "executionMetadata": {"tags": tags},
            "runConfigData": config or {},
        }
        started = self.ask(LAUNCH, run=run)["launchPipelineExecution"]
        assert started["__typename"] == "LaunchRunSuccess", started
        return started["run"]["runId"]

    def status(self, run: str) -> str:
        """Return the status of a run."""
        return self.ask(STATUS, id=run)["runOrError"]["status"]

    def wait_for_run(self, run: str, seconds: float = 240) -> str:
        """Return the status in which a run ends."""
        deadline = time.monotonic() + seconds
        while (status := self.status(run)) not in {"SUCCESS", "FAILURE", "CANCELED"}:
            assert time.monotonic() < deadline, f"run {run} is {status} after {seconds} s"
            time.sleep(1)
        return status

    def run_workers(self) -> list[psutil.Process]:
        """Return the processes that execute runs: children of the code server."""
        servers = [child for child in self.process.children(recursive=True) if "api grpc" in _command(child)]
        return [
            worker
            for server in servers
            for worker in server.children(recursive=True)
            if "spawn_main" in _command(worker)
        ]


def _command(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.Error):
        return " ".join(process.cmdline())
    return ""


def break_a_row(home: Path, shard: str) -> None:
    """Commit a shard of raw files with a row that the schema forbids."""
    warehouse = Warehouse(home / "warehouse")
    files = warehouse.read("raw_code_files", shard)
    broken = files.with_columns(size_bytes=pl.when(pl.int_range(pl.len()) == 0).then(-1).otherwise("size_bytes"))
    warehouse.write("raw_code_files", shard, {"raw_code_files": broken})


@contextlib.contextmanager
def webserver(home: Path, **more: str) -> Iterator[Webserver]:
    """Start it with shards registered, wait until it answers, and stop the whole tree at the end.

    `more` goes into its environment.
    """
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("CODEIO_", "DAGSTER_", "PYTEST"))
    } | {
        "CODEIO_HOME": str(home),
        "DAGSTER_HOME": str(home / "dagster"),
        "CODEIO_BASE_URL": "",
        "CODEIO_MODEL": "",
        **more,
    }
    subprocess.run([BIN / "codeio", "shards"], env=environment, check=True, cwd=ROOT)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "codeio_assets.operating.guarded_ui", "dev"]
    command += ["-w", "workspace.yaml", "-h", "127.0.0.1", "-p", str(port)]
    with (home / "dev.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=log, stderr=log, start_new_session=True)
        try:
            server = Webserver(f"http://127.0.0.1:{port}", psutil.Process(process.pid), environment)
            _wait_until_up(server, process, home / "dev.log")
            yield server
        finally:
            _stop(process)


def _wait_until_up(server: Webserver, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()[-3000:]
        assert "Error loading repository location" not in log.read_text(), log.read_text()[-3000:]
        with contextlib.suppress(OSError):
            found = server.ask("{ repositoriesOrError { ... on RepositoryConnection { nodes { name } } } }")
            if found["repositoriesOrError"].get("nodes"):
                return
        time.sleep(1)
    raise AssertionError(f"the webserver did not come up: {log.read_text()[-3000:]}")


def _stop(process: "subprocess.Popen[bytes]") -> None:
    tree = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGINT)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(20)
    for child in [*tree, *([psutil.Process(process.pid)] if process.poll() is None else [])]:
        with contextlib.suppress(psutil.Error):
            child.kill()
    process.wait(10)
