"""A run whose warehouse is in object storage: the same data versions as on a disk, by few requests."""

from pathlib import Path

import pytest

from codeio_assets.graph.steps import STEPS
from codeio_assets.operating.local import bring_up_to_date, register_shards
from codeio_assets.project import Project
from codeio_assets_tests.defs.test_asking import World, alone, healed, world  # noqa: F401  (a fixture)
from codeio_assets_tests.running.test_step import SHARD, execute, project  # noqa: F401  (a fixture)
from codeio_assets_tests.store.s3_server import BUCKET, serving

MOST_REQUESTS = 50
"""Of a step and its checks."""
MOST_REQUESTS_OF_A_REPORT = 65


def test_a_run_gives_the_same_data_versions_as_on_a_disk(
    project: Project,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("obstore", reason="object storage takes the extra `scale`: pip install -e '.[scale]'")
    steps = ("raw_code_files", "file_labels", "eligible_code_files")
    for step in steps:
        assert execute(step).success
    on_disk = {step: project.open_warehouse().manifest(step, SHARD) for step in steps}
    with serving() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("CODEIO_WAREHOUSE_URL", f"s3://{BUCKET}/project")
        monkeypatch.setenv("CODEIO_CACHE", str(tmp_path / "cache"))
        register_shards(Project.find())  # the registry is taken over
        for step in steps:
            before = len(server.requests)
            assert execute(step).success
            assert len(server.requests) - before <= MOST_REQUESTS, server.requests[before:]
        warehouse = project.open_warehouse()
        for step in steps:
            made, wanted = warehouse.manifest(step, SHARD), on_disk[step]
            assert made
            assert wanted
            assert made.version == wanted.version
        assert warehouse.read("raw_code_files", SHARD).height == 2
        assert warehouse.sql("select count(*) from eligible_code_files").item() == 2
        assert bring_up_to_date(Project.find(), "shard", SHARD, lambda _line: None, only=steps) == 0
        assert not list((tmp_path / "cache").rglob("*.json"))
        assert f"project/manifests/raw_code_files/{SHARD}.json" in server.objects


@pytest.mark.slow
def test_no_step_of_a_shard_takes_many_requests(
    world: World,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every step from raw file to report, with its checks: tables, registry, journal and reports together."""
    pytest.importorskip("obstore", reason="object storage takes the extra `scale`: pip install -e '.[scale]'")
    world.server.script = healed
    taken: dict[str, int] = {}
    with serving() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("CODEIO_WAREHOUSE_URL", f"s3://{BUCKET}/project")
        monkeypatch.setenv("CODEIO_CACHE", str(tmp_path / "cache"))
        register_shards(Project.find())
        for step in STEPS.values():
            if step.per == "shard":
                before = len(server.requests)
                assert alone(world, step.asset).success
                taken[step.asset] = len(server.requests) - before
    print(taken)
    report = taken.pop("shard_reports")  # it reads all that there is of a shard: three requests per asset
    assert max(taken.values()) <= MOST_REQUESTS, taken
    assert report <= MOST_REQUESTS_OF_A_REPORT
