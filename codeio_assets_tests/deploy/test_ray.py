"""Runs through dagster-ray's own launcher on a Ray cluster of this machine: the shipped dagster.yaml, a real Postgres.

`make test-ray` makes the environment that this needs.
"""

import importlib.util
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from codeio_assets.store import Warehouse
from codeio_assets_tests.deploy import postgres as machine
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
from codeio_assets_tests.deploy.raycluster import Node, RayCluster
from codeio_assets_tests.lifecycle.projects import SlowProject, slow_project
from codeio_assets_tests.llm.stub_server import Act

LACKING = [name for name in ("ray", "dagster_ray", "dagster_postgres") if importlib.util.find_spec(name) is None]
pytestmark = [
    pytest.mark.skipif(bool(LACKING), reason=f"no {', '.join(LACKING)} here: make test-ray"),
    pytest.mark.skipif(machine.missing() is not None, reason=f"no {machine.missing()}"),
    pytest.mark.timeout(2400),
]
NODES = 2
SHARDS = tuple(f"mine-{number:04}" for number in range(6))
TOKEN = "marked-token-of-ray-0123456789abcdef"
WITH_TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN}
REFUSED = "was changed by another since this run began"


class Held:
    """Answers as a script does, but the first question of all after minutes: a run is in its step meanwhile.

    Attributes:
        file: which the question is about; None until it is asked.
    """

    def __init__(self, script: Callable[[dict[str, Any], int], Act]) -> None:
        self._script = script
        self.file: str | None = None

    def __call__(self, asked: dict[str, Any], before: int) -> Act:
        act = self._script(asked, before)
        found = re.search(r"def (file_\d+)\(", str(asked["messages"]))
        if self.file or not found:
            return act
        self.file = f"{found.group(1)}.py"
        return replace(act, delay_s=120.0)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlowProject]:
    folder = tmp_path_factory.mktemp("ray")
    with slow_project(folder, len(SHARDS), delay_s=0.2, concurrency=8, shard_size=1) as made:
        made.server.script = Held(made.server.script)
        yield made


@pytest.fixture(scope="module")
def cluster(project: SlowProject) -> Iterator[RayCluster]:
    folder = project.root.parent
    with machine.postgres(PASSWORD) as port:
        paths = {"CODEIO_LOGS": str(folder / "logs"), "DAGSTER_HOME": str(folder / "dagster_home")}
        with exported({**project.own, **of_postgres(port), **SECRETS, **paths, **WITH_TOKEN}):
            made = RayCluster(NODES, TOKEN)
            try:
                yield made
            finally:
                made.close()


@pytest.fixture(scope="module")
def deployment(project: SlowProject, cluster: RayCluster) -> Iterator[Deployment]:
    home = project.root.parent / "dagster_home"
    write_instance(home, "ray", {}, runs_at_once=NODES)
    with (
        exported({"RAY_JOBS_ADDRESS": cluster.url}) as environment,
        Deployment(home, environment, cluster.logs).with_daemon("ray") as made,
    ):
        yield made


def shard_of(project: SlowProject, file: str) -> str:
    warehouse = Warehouse(project.home / "warehouse")
    made = [shard for shard in SHARDS if warehouse.manifest("raw_code_files", shard)]
    return next(shard for shard in made if file in warehouse.read("raw_code_files", shard)["path"].to_list())


def working(cluster: RayCluster, deployment: Deployment, shards: Collection[str]) -> tuple[Node, Any] | None:
    """Return a node and a run of one of some shards that is in its steps there; None when there is none."""
    for run in deployment.runs("data"):
        if run.tags["dagster/partition"] in shards and run.status.value == "STARTED":
            for node in cluster.nodes:
                if node.executing(run.run_id):
                    return node, run
    return None


def test_two_nodes_are_lost_each_shard_is_made_once_and_the_data_is_that_of_one_disk(
    project: SlowProject, cluster: RayCluster, deployment: Deployment, tmp_path: Path
) -> None:
    """What the first node runs is only cut off: it goes on when all is made, and its commit is refused."""
    import dagster as dg

    held = project.server.script
    assert isinstance(held, Held)
    deployment.backfill("data", *SHARDS)
    deployment.wait_until(lambda: held.file, "the question that is held")
    cut_off = shard_of(project, str(held.file))
    found = working(cluster, deployment, [cut_off])
    assert found
    node, orphan = found
    orphaned = cluster.cut_off(node, orphan.run_id)
    cluster.add()

    def made() -> list[str]:
        return sorted(run.tags["dagster/partition"] for run in deployment.runs("data") if run.is_success)

    others = set(SHARDS) - {cut_off}
    deployment.wait_until(made, "a run that succeeded")
    deployment.wait_until(lambda: working(cluster, deployment, others), "a run of another shard")
    found = working(cluster, deployment, others)
    assert found
    node, killed = found
    cluster.lose(node)
    cluster.add()
    deployment.wait_until(lambda: len(made()) >= len(SHARDS), "a run of each shard that succeeded", seconds=1800)
    assert made() == list(SHARDS)
    with dg.DagsterInstance.get() as instance:
        failed = {run.run_id for run in deployment.runs("data") if not run.is_success}
        # besides, Ray gives up jobs that it was about to start on a lost node
        began = {run_id for run_id in failed if instance.get_run_stats(run_id).start_time}
    assert began == {orphan.run_id, killed.run_id}

    before = {shard: versions(project.home, shard) for shard in SHARDS}
    for each in orphaned:
        each.resume()
    deployment.wait_until(lambda: not any(each.is_running() for each in orphaned), "the end of what was cut off")
    with dg.DagsterInstance.get() as instance:
        assert any(REFUSED in str(event) for event in instance.all_logs(orphan.run_id))

    alone = made_on_one_disk(tmp_path, SHARDS)
    for shard in SHARDS:
        made_here, on_one_disk = versions(project.home, shard), versions(alone, shard)
        assert made_here == before[shard]
        assert "verdicts" in made_here
        assert made_here == {asset: on_one_disk[asset] for asset in made_here}


def test_rays_list_of_jobs_and_what_runs_print_have_no_secret(cluster: RayCluster) -> None:
    jobs = cluster.jobs()
    assert jobs
    assert "execute_run" in jobs, "the test before this one launches runs"
    for text in (jobs, cluster.logs()):
        assert PASSWORD not in text
        assert KEY not in text
        assert TOKEN not in text
