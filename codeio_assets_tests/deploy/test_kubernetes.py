"""Runs through dagster-k8s's own launcher against the stand-in cluster: the shipped dagster.yaml, a real Postgres.

`make test-kubernetes` makes the environment that this needs.
"""

import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from codeio_assets.store import Warehouse
from codeio_assets_tests.deploy import postgres as machine
from codeio_assets_tests.deploy.cluster import ROOT, Cluster

NEEDED = ("dagster_k8s", "dagster_postgres", "kubernetes_validate")
LACKING = [name for name in NEEDED if importlib.util.find_spec(name) is None]
pytestmark = [
    pytest.mark.skipif(bool(LACKING), reason=f"no {', '.join(LACKING)} here: make test-kubernetes"),
    pytest.mark.skipif(machine.missing() is not None, reason=f"no {machine.missing()}"),
    pytest.mark.timeout(1800),
]
SHARDS = ("puzzles_and_games-0000", "science_and_business-0001")
ON_GPUS = "codeio_pp_llama-3.1-8b"
PASSWORD, KEY = "marked-password-of-postgres", "marked-key-of-the-model"
SECRETS = {"DAGSTER_PG_PASSWORD": PASSWORD, "CODEIO_API_KEY": KEY}
MEASURED = "function_costs"
BIN = Path(sys.executable).parent


class Deployment:
    """The webserver's and daemon's side: an instance that launches into the cluster."""

    def __init__(self, cluster: Cluster, environment: dict[str, str], home: Path) -> None:
        self.cluster, self.environment, self.home = cluster, environment, home

    def dagster(self, *words: str) -> str:
        line = [str(BIN / "dagster"), *words]
        done = subprocess.run(line, env=self.environment, cwd=self.home, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def backfill(self, job: str, *partitions: str) -> None:
        words = ["--job", job, "--partitions", ",".join(partitions), "--noprompt"]
        self.dagster("job", "backfill", "-w", str(self.home / "workspace.yaml"), *words)

    def launch(self, job: str, partition: str) -> None:
        """Queue a run by itself: the command's backfills count as done at once, and Dagster retries no run of those."""
        tags = json.dumps({"dagster/partition": partition})
        self.dagster("job", "launch", "-w", str(self.home / "workspace.yaml"), "--job", job, "--tags", tags)

    def runs(self, job: str) -> list[Any]:
        """Return the runs of a job as the instance has them, oldest first."""
        import dagster as dg

        with dg.DagsterInstance.get() as instance:
            return list(reversed(instance.get_runs(dg.RunsFilter(job_name=job))))

    def logs(self) -> str:
        return "\n".join(pod.log.read_text() for pod in self.cluster.pods.values() if pod.log)


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("cluster")
    home = folder / "dagster_home"
    home.mkdir()
    with machine.postgres(PASSWORD) as port:
        settings = {
            "DAGSTER_PG_HOST": "127.0.0.1",
            "DAGSTER_PG_PORT": str(port),
            "DAGSTER_PG_DB": "postgres",
            "DAGSTER_PG_USER": "dagster",
            "CODEIO_PROJECT": str(ROOT),
            "CODEIO_HOME": str(folder / "var"),
            "CODEIO_LOGS": str(folder / "logs"),
        }
        with Cluster(folder, "codeio", {"codeio-settings": settings}, {"codeio-secrets": SECRETS}) as cluster:
            _write_instance(home, cluster.kubeconfig())
            environment = {**os.environ, **settings, **SECRETS, "DAGSTER_HOME": str(home), "PYTHONPATH": str(ROOT)}
            environment["DAGSTER_CURRENT_IMAGE"] = "registry.example.com/codeio-assets:0.1.0"
            with pytest.MonkeyPatch.context() as patch:
                for name, value in environment.items():
                    patch.setenv(name, value)
                yield from _with_daemon(Deployment(cluster, environment, home))


def _write_instance(home: Path, kubeconfig: Path) -> None:
    """Write the shipped dagster.yaml with what differs here: how the API is found, and how often is looked."""
    shipped = yaml.safe_load((ROOT / "deploy" / "kubernetes" / "dagster.yaml").read_text())
    shipped["run_launcher"]["config"] |= {
        "load_incluster_config": False,
        "kubeconfig_file": str(kubeconfig),
        "dagster_home": str(home),
    }
    shipped["run_monitoring"]["poll_interval_seconds"] = 2
    (home / "dagster.yaml").write_text(yaml.safe_dump(shipped))
    location = {"module_name": "codeio_assets.definitions", "working_directory": str(ROOT)}
    (home / "workspace.yaml").write_text(yaml.safe_dump({"load_from": [{"python_module": location}]}))


def _with_daemon(made: Deployment) -> Iterator[Deployment]:
    codeio = [str(BIN / "codeio")]
    for words in (["shards"], ["pools", str(ROOT / "deploy" / "kubernetes" / "pools.yaml")]):
        subprocess.run([*codeio, *words], env=made.environment, cwd=made.home, check=True, capture_output=True)
    with (made.home / "daemon.log").open("wb") as log:
        line = [str(BIN / "dagster-daemon"), "run", "-w", str(made.home / "workspace.yaml")]
        daemon = subprocess.Popen(line, env=made.environment, cwd=made.home, stdout=log, stderr=log)
        try:
            yield made
        finally:
            daemon.terminate()
            daemon.wait(60)


def wait_until(true: Callable[[], object], what: str, deployment: Deployment, seconds: float = 600) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            daemon = (deployment.home / "daemon.log").read_text()[-3000:]
            pytest.fail(f"not within {seconds} s: {what}\n{daemon}\n{deployment.logs()[-3000:]}")
        time.sleep(0.5)


def versions(home: Path, shard: str) -> dict[str, str]:
    """Return asset -> version of its data; of all but measured seconds."""
    warehouse = Warehouse(home / "warehouse")
    found = {asset: warehouse.manifest(asset, shard) for asset in warehouse.assets() if asset != MEASURED}
    return {asset: manifest.version for asset, manifest in found.items() if manifest}


def test_a_killed_pod_is_tried_again_and_the_data_is_that_of_one_disk(deployment: Deployment, tmp_path: Path) -> None:
    cluster = deployment.cluster
    for shard in SHARDS:
        deployment.launch("data", shard)
    wait_until(lambda: cluster.pods, "the first job", deployment)
    first = next(iter(cluster.pods.values()))
    steps = deployment.home.parent / "var" / "warehouse"
    wait_until(lambda: any(steps.rglob("*.parquet")) or first.status() != {"active": 1}, "a table", deployment)
    first.end()
    assert first.status() == {"failed": 1}

    def all_made() -> bool:
        return sum(run.is_success for run in deployment.runs("data")) == len(SHARDS)

    wait_until(all_made, "a run of each shard that succeeded", deployment)
    runs = deployment.runs("data")
    assert [run.tags.get("dagster/retry_number") for run in runs if run.is_failure] == [None]
    assert sum("dagster/parent_run_id" in run.tags for run in runs) == 1
    assert len(cluster.pods) == len(runs) == len(SHARDS) + 1
    assert cluster.refused == []

    alone = {**os.environ, "CODEIO_HOME": str(tmp_path / "var"), "DAGSTER_HOME": str(tmp_path / "home")}
    shards = [word for shard in SHARDS for word in ("--shard", shard)]
    for words in (["shards"], ["make", *shards]):
        done = subprocess.run(
            [str(BIN / "codeio"), *words], env=alone, cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    for shard in SHARDS:
        made = versions(deployment.home.parent / "var", shard)
        assert "verdicts" in made
        on_one_disk = versions(tmp_path / "var", shard)
        assert made == {asset: on_one_disk[asset] for asset in made}


def test_a_pod_has_what_isolation_needs_and_no_secret(deployment: Deployment) -> None:
    cluster = deployment.cluster
    assert cluster.bodies, "the test before this one launches runs"
    for body in cluster.bodies:
        assert PASSWORD not in body
        assert KEY not in body
        spec = json.loads(body)["spec"]["template"]["spec"]
        (container,) = spec["containers"]
        assert spec["hostUsers"] is False
        assert container["image"] == "registry.example.com/codeio-assets:0.1.0"
        allowed = container["securityContext"]
        assert (allowed["procMount"], allowed["seccompProfile"]["type"]) == ("Unmasked", "Unconfined")
        assert {"secretRef": {"name": "codeio-secrets"}} in container["envFrom"]
        assert "DAGSTER_PG_PASSWORD" in " ".join(container["args"])  # by name, in the reference to the instance
    assert KEY not in deployment.logs()
    assert PASSWORD not in deployment.logs()


def test_gpus_are_asked_for_beside_the_isolation_and_a_cancelled_run_leaves(deployment: Deployment) -> None:
    import dagster as dg

    cluster, before = deployment.cluster, set(deployment.cluster.pods)
    deployment.backfill("train", ON_GPUS)
    wait_until(lambda: set(cluster.pods) - before, "the job of a training", deployment)
    (name,) = set(cluster.pods) - before
    (container,) = cluster.pods[name].job["spec"]["template"]["spec"]["containers"]
    count = deployment.runs("train")[0].tags["codeio/gpus"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == count
    assert container["resources"]["requests"]["nvidia.com/gpu"] == count
    assert container["resources"]["requests"]["memory"] == "8Gi"  # what dagster.yaml asks for stays
    assert container["securityContext"]["procMount"] == "Unmasked"
    with dg.DagsterInstance.get() as instance:
        assert instance.run_launcher.terminate(deployment.runs("train")[0].run_id)
    assert any(path.endswith(f"/jobs/{name}") for path in cluster.deleted)


def test_the_stand_in_refuses_what_the_schemas_do_not_know(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, "codeio", {}, {})
    container = {"name": "dagster", "image": "x", "procmount": "Unmasked"}
    template = {"spec": {"containers": [container], "restartPolicy": "Never"}}
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "x"}, "spec": {"template": template}}
    assert cluster.create(json.dumps(job), "codeio")[0] == 422
    assert "procmount" in cluster.refused[0]
    assert cluster.pods == {}
