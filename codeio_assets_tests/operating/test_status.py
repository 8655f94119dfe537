"""What Dagster's storage says about failures, with assets of the graph's names that fail on purpose."""

from collections.abc import Iterator

import dagster as dg
import pytest

from codeio_assets.graph.partitions import code_shards
from codeio_assets.operating.code_location import code_location, known_checks
from codeio_assets.operating.status import failed_partitions, failing_checks
from codeio_assets.project import Project

broken = {"a-0001"}


@dg.asset(partitions_def=code_shards)
def raw_code_files(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    if context.partition_key in broken:
        raise RuntimeError("broken")
    return dg.MaterializeResult()


@dg.asset_check(asset=raw_code_files, partitions_def=code_shards)
def schema_matches(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=context.partition_key == "a-0000", severity=dg.AssetCheckSeverity.WARN)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        made.add_dynamic_partitions(str(code_shards.name), ["a-0000", "a-0001", "a-0002", "a-0003"])
        yield made


def make(instance: dg.DagsterInstance, shard: str) -> str:
    assets = [raw_code_files, schema_matches]
    return dg.materialize(assets, instance=instance, partition_key=shard, raise_on_error=False).run_id


def test_failures_are_named_until_they_are_mended(instance: dg.DagsterInstance) -> None:
    check = dg.AssetCheckKey(dg.AssetKey("raw_code_files"), "schema_matches")
    runs = {shard: make(instance, shard) for shard in ("a-0000", "a-0001", "a-0002")}
    (failed,) = failed_partitions(instance)
    assert (failed.asset, failed.partition, failed.run_id) == ("raw_code_files", "a-0001", runs["a-0001"])
    assert failed.since.startswith("20")
    (failing,) = failing_checks(instance, [check])
    assert failing.kind == "warning"
    assert (failing.partition, failing.what, failing.run_id) == (
        *("a-0002", "schema_matches (warning)"),
        runs["a-0002"],
    )
    broken.clear()
    make(instance, "a-0001")
    assert failed_partitions(instance) == []


def test_the_checks_that_status_asks_about_are_those_of_the_graph() -> None:
    graph = code_location().get_repository_def().asset_graph
    assert set(known_checks(Project.find())) == set(graph.asset_check_keys)
