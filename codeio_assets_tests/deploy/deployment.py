"""The side of webserver and daemon in tests of launchers: the shipped instance, a project, Dagster's commands."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from codeio_assets.project import INSTALLED_ROOT
from codeio_assets.store import Warehouse

BIN = Path(sys.executable).parent
PASSWORD, KEY = "marked-password-of-postgres", "marked-key-of-the-model"
SECRETS = {"DAGSTER_PG_PASSWORD": PASSWORD, "CODEIO_API_KEY": KEY}
MEASURED = "function_costs"
BACKFILL = """mutation($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) {
  __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""


def of_postgres(port: int) -> dict[str, str]:
    """Return what the shipped instances name of a Postgres of the tests, but the password."""
    return {
        "DAGSTER_PG_HOST": "127.0.0.1",
        "DAGSTER_PG_PORT": str(port),
        "DAGSTER_PG_DB": "postgres",
        "DAGSTER_PG_USER": "dagster",
    }


def write_instance(home: Path, kind: str, launcher: Mapping[str, Any], runs_at_once: int) -> None:
    """Write the shipped dagster.yaml of a kind with what differs here: how its API is found, the room, and patience."""
    shipped = yaml.safe_load((INSTALLED_ROOT / "deploy" / kind / "dagster.yaml").read_text())
    shipped["run_launcher"]["config"] |= launcher
    shipped["concurrency"]["runs"]["max_concurrent_runs"] = runs_at_once
    shipped["run_monitoring"] |= {"poll_interval_seconds": 2, "start_timeout_seconds": 120}
    home.mkdir()
    (home / "dagster.yaml").write_text(yaml.safe_dump(shipped))
    location = {"module_name": "codeio_assets.definitions", "working_directory": str(INSTALLED_ROOT)}
    (home / "workspace.yaml").write_text(yaml.safe_dump({"load_from": [{"python_module": location}]}))


@dataclass(frozen=True)
class Deployment:
    """An instance that launches elsewhere, in the environment of its processes; `logs` gives what runs printed."""

    home: Path
    environment: Mapping[str, str]
    logs: Callable[[], str]

    def command(self, name: str, *words: str) -> str:
        """Run a command of the environment that the tests run in, and return what it printed."""
        done = subprocess.run(
            [str(BIN / name), *words], env=self.environment, cwd=self.home, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @contextmanager
    def with_daemon(self, kind: str) -> Generator["Deployment"]:
        """Register the shards, set the shipped limits of pools, and run the daemon."""
        self.command("codeio", "shards")
        self.command("codeio", "pools", str(INSTALLED_ROOT / "deploy" / kind / "pools.yaml"))
        with (self.home / "daemon.log").open("wb") as log:
            line = [str(BIN / "dagster-daemon"), "run", "-w", str(self.home / "workspace.yaml")]
            daemon = subprocess.Popen(line, env=self.environment, cwd=self.home, stdout=log, stderr=log)
            try:
                yield self
            finally:
                daemon.terminate()
                daemon.wait(60)

    def launch(self, job: str, partition: str) -> None:
        """Queue a run by itself."""
        tags = json.dumps({"dagster/partition": partition})
        workspace = str(self.home / "workspace.yaml")
        self.command("dagster", "job", "launch", "-w", workspace, "--job", job, "--tags", tags)

    def backfill(self, job: str, *partitions: str) -> None:
        """Launch a backfill as the UI does. (Those of `dagster job backfill` count as done, and no run is retried.)"""
        location = {"repositoryLocationName": "codeio_assets.definitions", "repositoryName": "__repository__"}
        selector = {"partitionSetName": f"{job}_partition_set", "repositorySelector": location}
        variables = json.dumps({"params": {"selector": selector, "partitionNames": list(partitions), "tags": []}})
        workspace = str(self.home / "workspace.yaml")
        answer = self.command("dagster-graphql", "-w", workspace, "-t", BACKFILL, "-v", variables)
        assert "LaunchBackfillSuccess" in answer, answer

    def runs(self, job: str) -> list[Any]:
        """Return the runs of a job as the instance has them, oldest first."""
        import dagster as dg

        with dg.DagsterInstance.get() as instance:
            return list(reversed(instance.get_runs(dg.RunsFilter(job_name=job))))

    def wait_until(self, true: Callable[[], object], what: str, seconds: float = 600) -> None:
        deadline = time.monotonic() + seconds
        while not true():
            if time.monotonic() > deadline:
                daemon = (self.home / "daemon.log").read_text()[-3000:]
                pytest.fail(f"not within {seconds} s: {what}\n{daemon}\n{self.logs()[-3000:]}")
            time.sleep(0.5)


@contextmanager
def exported(environment: Mapping[str, str]) -> Generator[dict[str, str]]:
    """Set variables in this process too, since it asks the instance; gives the whole environment."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        yield dict(os.environ)


def versions(home: Path, shard: str) -> dict[str, str]:
    """Return asset -> version of its data; of all but measured seconds."""
    warehouse = Warehouse(home / "warehouse")
    found = {asset: warehouse.manifest(asset, shard) for asset in warehouse.assets() if asset != MEASURED}
    return {asset: manifest.version for asset, manifest in found.items() if manifest}


def made_on_one_disk(folder: Path, shards: tuple[str, ...], **own: str) -> Path:
    """Make shards by `codeio make` below a folder; gives its CODEIO_HOME."""
    home = folder / "var"
    environment = {**os.environ, "CODEIO_HOME": str(home), "DAGSTER_HOME": str(folder / "home"), **own}
    alone = Deployment(folder, environment, str)
    alone.command("codeio", "shards")
    alone.command("codeio", "make", *[word for shard in shards for word in ("--shard", shard)])
    return home
