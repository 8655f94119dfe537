"""The real webserver and daemon: a backfill of every shard, a run worker killed in the middle, and the same result."""

import time
from pathlib import Path
from typing import Any

import pytest

from codeio_assets.benchmarks.catalogue import BENCHMARKS
from codeio_assets.core.tables.data import RUN_TABLES
from codeio_assets.graph.steps import STEPS
from codeio_assets.store import Warehouse
from codeio_assets_tests.e2e.webserver import Webserver, break_a_row, webserver
from codeio_assets_tests.operating.receiver import Receiver, receiving

SHARDED = [name for step in STEPS.values() if step.per == "shard" for name in step.makes]

LAUNCH = """mutation($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) {
  __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
BACKFILL = """query($id: String!) { partitionBackfillOrError(backfillId: $id) {
  ... on PartitionBackfill { status numPartitions } } }"""
RUNS = """{ runsOrError(limit: 100) { ... on Runs { results {
  runId status tags { key value } } } } }"""
ASSET = """query($key: AssetKeyInput!) { assetNodeOrError(assetKey: $key) { ... on AssetNode {
  assetPartitionStatuses { ... on DefaultPartitionStatuses { materializedPartitions failedPartitions } }
  assetChecksOrError { ... on AssetChecks { checks { name } } } } } }"""
EXECUTED = """query($key: AssetKeyInput!) { assetNodeOrError(assetKey: $key) { ... on AssetNode {
  assetMaterializations(limit: 1) { metadataEntries { label } } } } }"""
CHECKS = """query($key: AssetKeyInput!, $name: String!) { assetCheckExecutions(
  assetKey: $key, checkName: $name, limit: 100) { status evaluation { partition success severity } } }"""

pytestmark = pytest.mark.timeout(1500)


def launch(server: Webserver, partitions: list[str]) -> str:
    params = {"assetSelection": [{"path": [name]} for name in SHARDED], "partitionNames": partitions, "tags": []}
    started = server.ask(LAUNCH, params=params)["launchPartitionBackfill"]
    assert started["__typename"] == "LaunchBackfillSuccess", started
    return started["backfillId"]


def wait(server: Webserver, backfill: str, seconds: float) -> str:
    deadline = time.monotonic() + seconds
    status = "REQUESTED"
    while status in {"REQUESTED", "CANCELING"} and time.monotonic() < deadline:
        time.sleep(2)
        status = server.ask(BACKFILL, id=backfill)["partitionBackfillOrError"]["status"]
    return status


def kill_one_worker(server: Webserver, seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        workers = server.run_workers()
        if workers:
            time.sleep(2)
            worker = workers[0]
            for child in worker.children(recursive=True):
                child.kill()
            worker.kill()
            return
        time.sleep(0.2)
    raise AssertionError("no run worker was ever seen")


def versions(home: Path) -> dict[str, str]:
    warehouse = Warehouse(home / "warehouse")
    made = [asset for asset in warehouse.assets() if asset not in RUN_TABLES]  # what runs add differs from run to run
    manifests = [warehouse.manifest(asset, key) for asset in made for key in warehouse.partitions(asset)]
    return {f"{manifest.asset}/{manifest.partition}": manifest.version for manifest in manifests if manifest}


def test_backfill_of_all_shards_survives_a_killed_worker(tmp_path: Path) -> None:
    with receiving() as receiver, webserver(tmp_path, CODEIO_ALERT_WEBHOOK=receiver.url) as server:
        partitions = server.ask(
            """{ assetNodeOrError(assetKey: {path: ["raw_code_files"]}) { ... on AssetNode { partitionKeys } } }"""
        )["assetNodeOrError"]["partitionKeys"]
        assert len(partitions) >= 4
        backfill = launch(server, partitions)
        kill_one_worker(server)
        assert wait(server, backfill, 1000) == "COMPLETED_SUCCESS"
        assert_materialised_and_checked(server, partitions)
        assert_execution_is_shown(server)
        runs = server.ask(RUNS)["runsOrError"]["results"]
        assert any(tag["key"] == "dagster/retry_number" for run in runs for tag in run["tags"])
        first = versions(tmp_path)
        assert len(first) == len(partitions) * (len(SHARDED) - 1)  # the revision commits two assets at once
        again = launch(server, partitions[:1])
        assert wait(server, again, 300) == "COMPLETED_SUCCESS"
        assert versions(tmp_path) == first
        assert_the_rest_is_made_by_the_job_demo(server, tmp_path)
        assert_failures_are_told(server, tmp_path, partitions[0], receiver)


def assert_materialised_and_checked(server: Webserver, partitions: list[str]) -> None:
    for name in SHARDED:
        node = server.ask(ASSET, key={"path": [name]})["assetNodeOrError"]
        status = node["assetPartitionStatuses"]
        assert sorted(status["materializedPartitions"]) == sorted(partitions), name
        assert status["failedPartitions"] == []
        for check in node["assetChecksOrError"].get("checks", []):
            executions = server.ask(CHECKS, key={"path": [name]}, name=check["name"])["assetCheckExecutions"]
            passed = {
                execution["evaluation"]["partition"]
                for execution in executions
                if execution["status"] == "SUCCEEDED" or (execution["evaluation"] or {}).get("severity") == "WARN"
            }
            assert passed >= set(partitions), (name, check["name"], executions)


def assert_execution_is_shown(server: Webserver) -> None:
    for name in ("io_pairs", "verdicts", "revised_verdicts"):
        (made,) = server.ask(EXECUTED, key={"path": [name]})["assetNodeOrError"]["assetMaterializations"]
        shown = {entry["label"] for entry in made["metadataEntries"]}
        wanted = ("isolation", "outcomes_by_status", "execution_cpu_s", "calls_retried")
        assert shown >= {f"codeio/{label}" for label in wanted}, name


def assert_the_rest_is_made_by_the_job_demo(server: Webserver, home: Path) -> None:
    before = versions(home)
    run = server.launch("demo", config={"ops": {"bring_up_to_date": {"config": {"recipes": []}}}})
    assert server.wait_for_run(run) == "SUCCESS"
    made = {name for name in versions(home) if name not in before}
    assert made == {
        *(f"benchmark_questions/{name}" for name in BENCHMARKS),
        *("instruction_data/all", "results/all", "quality_report/all", "status/all"),
    }
    assert (home / "reports" / "quality_report.html").is_file()


def assert_failures_are_told(server: Webserver, home: Path, partition: str, receiver: Receiver) -> None:
    run = server.launch("demo", config={"ops": {"bring_up_to_date": {"config": {"recipes": ["gone"]}}}})
    assert server.wait_for_run(run) == "FAILURE"
    break_a_row(home, partition)
    rule = {"assetKey": {"path": ["raw_code_files"]}, "name": "schema_matches"}
    server.wait_for_run(server.launch(assets=[], checks=[rule], partition=partition))
    wanted = {"there is no recipe 'gone'", "schema_matches", "marked as failed from outside"}  # the last was killed
    deadline = time.monotonic() + 180  # the daemon looks every half a minute
    while missing := {what for what in wanted if not any(what in told for told in told_by(receiver))}:
        assert time.monotonic() < deadline, (missing, receiver.got)
        time.sleep(1)
    check = told_by(receiver)["schema_matches"]
    assert (check["partition"], check["failing_rows"]) == (partition, 1)


def told_by(receiver: Receiver) -> dict[str, dict[str, Any]]:
    failures = [failure for message in receiver.got for failure in message["failures"]]
    return {failure.get("error") or failure["check"]: failure for failure in failures}
