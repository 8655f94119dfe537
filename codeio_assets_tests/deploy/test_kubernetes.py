"""Runs through dagster-k8s's own launcher against the stand-in cluster: the shipped dagster.yaml, a real Postgres.

`make test-kubernetes` makes the environment that this needs.
"""

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from codeio_assets_tests.deploy import postgres as machine
from codeio_assets_tests.deploy.cluster import ROOT, Cluster
from codeio_assets_tests.deploy.deployment import (
    KEY,
    PASSWORD,
    SECRETS,
    Deployment,
    exported,
    made_on_one_disk,
    of_postgres,
    versions,
    write_instance,
)

NEEDED = ("dagster_k8s", "dagster_postgres", "kubernetes_validate")
LACKING = [name for name in NEEDED if importlib.util.find_spec(name) is None]
pytestmark = [
    pytest.mark.skipif(bool(LACKING), reason=f"no {', '.join(LACKING)} here: make test-kubernetes"),
    pytest.mark.skipif(machine.missing() is not None, reason=f"no {machine.missing()}"),
    pytest.mark.timeout(1800),
]
SHARDS = ("puzzles_and_games-0000", "science_and_business-0001")
ON_GPUS = "codeio_pp_llama-3.1-8b"
IMAGE = "registry.example.com/codeio-assets:0.1.0"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("cluster")
    with machine.postgres(PASSWORD) as port:
        settings = {
            **of_postgres(port),
            "CODEIO_PROJECT": str(ROOT),
            "CODEIO_HOME": str(folder / "var"),
            "CODEIO_LOGS": str(folder / "logs"),
        }
        with Cluster(folder, "codeio", {"codeio-settings": settings}, {"codeio-secrets": SECRETS}) as made:
            yield made


@pytest.fixture(scope="module")
def deployment(cluster: Cluster) -> Iterator[Deployment]:
    home = cluster.folder / "dagster_home"
    api = {"load_incluster_config": False, "kubeconfig_file": str(cluster.kubeconfig()), "dagster_home": str(home)}
    write_instance(home, "kubernetes", api, runs_at_once=32)
    own = {"DAGSTER_HOME": str(home), "PYTHONPATH": str(ROOT), "DAGSTER_CURRENT_IMAGE": IMAGE}
    with (
        exported({**cluster.config_maps["codeio-settings"], **SECRETS, **own}) as environment,
        Deployment(home, environment, cluster.logs).with_daemon("kubernetes") as made,
    ):
        yield made


def test_a_killed_pod_is_tried_again_and_the_data_is_that_of_one_disk(
    deployment: Deployment, cluster: Cluster, tmp_path: Path
) -> None:
    for shard in SHARDS:
        deployment.launch("data", shard)
    deployment.wait_until(lambda: cluster.pods, "the first job")
    first = next(iter(cluster.pods.values()))
    steps = cluster.folder / "var" / "warehouse"
    deployment.wait_until(lambda: any(steps.rglob("*.parquet")) or first.status() != {"active": 1}, "a table")
    first.end()
    assert first.status() == {"failed": 1}

    def all_made() -> bool:
        return sum(run.is_success for run in deployment.runs("data")) == len(SHARDS)

    deployment.wait_until(all_made, "a run of each shard that succeeded")
    runs = deployment.runs("data")
    assert [run.tags.get("dagster/retry_number") for run in runs if run.is_failure] == [None]
    assert sum("dagster/parent_run_id" in run.tags for run in runs) == 1
    assert len(cluster.pods) == len(runs) == len(SHARDS) + 1
    assert cluster.refused == []

    alone = made_on_one_disk(tmp_path, SHARDS)
    for shard in SHARDS:
        made, on_one_disk = versions(cluster.folder / "var", shard), versions(alone, shard)
        assert "verdicts" in made
        assert made == {asset: on_one_disk[asset] for asset in made}


def test_a_pod_has_what_isolation_needs_and_no_secret(cluster: Cluster) -> None:
    assert cluster.bodies, "the test before this one launches runs"
    for body in cluster.bodies:
        assert PASSWORD not in body
        assert KEY not in body
        spec = json.loads(body)["spec"]["template"]["spec"]
        (container,) = spec["containers"]
        assert spec["hostUsers"] is False
        assert container["image"] == IMAGE
        allowed = container["securityContext"]
        assert (allowed["procMount"], allowed["seccompProfile"]["type"]) == ("Unmasked", "Unconfined")
        assert {"secretRef": {"name": "codeio-secrets"}} in container["envFrom"]
        assert "DAGSTER_PG_PASSWORD" in " ".join(container["args"])  # by name, in the reference to the instance
    assert KEY not in cluster.logs()
    assert PASSWORD not in cluster.logs()


def test_gpus_are_asked_for_beside_the_isolation_and_a_cancelled_run_leaves(
    deployment: Deployment, cluster: Cluster
) -> None:
    import dagster as dg

    before = set(cluster.pods)
    deployment.backfill("train", ON_GPUS)
    deployment.wait_until(lambda: set(cluster.pods) - before, "the job of a training")
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
