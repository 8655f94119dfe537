"""Steps that ask a model, through Dagster and against a stand-in server: usage, progress, failed requests, secrets."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from codeio_assets.core.errors import MaterialisationFailed
from codeio_assets.graph import metadata as keys
from codeio_assets.graph.partitions import code_shards
from codeio_assets.graph.steps import STEPS
from codeio_assets.operating.local import register_shards
from codeio_assets.project import INSTALLED_ROOT, Project
from codeio_assets.store import Warehouse
from codeio_assets_tests.llm.stub_server import Act, StubServer, answer, error
from codeio_assets_tests.steps.scripted import transform_response

MARK = "sk-MARKED-0123456789"
SHARD = "mine-0000"
GENERATOR = "import random\ndef input_generator():\n    return {'a': random.randint(0, 99)}"
LOOKS_AROUND = f"import os\ndef main_solution(a):\n    return [a, {MARK[:9]!r} in str(dict(os.environ))]"
SETTINGS = """\
chat:
  model: stub-model
  max_attempts: 2
  prices: {stub-model: {input: 100000, output: 200000}}
sampling: {draws: 40}
quality: {cot: {min_chars: 0}}  # the script answers without reasoning
"""


@dataclass
class World:
    """A project with three files, its server, and a Dagster instance."""

    server: StubServer
    instance: dg.DagsterInstance
    home: Path

    def run(self, job: str) -> dg.ExecuteInProcessResult:
        from codeio_assets.definitions import defs

        return (
            defs()
            .resolve_job_def(job)
            .execute_in_process(instance=self.instance, partition_key=SHARD, raise_on_error=False)
        )

    @property
    def warehouse(self) -> Warehouse:
        return Warehouse(Project.find().warehouse)

    def latest(self, asset: str) -> dict[str, Any]:
        event = self.instance.get_latest_materialization_event(dg.AssetKey(asset))
        assert event is not None
        assert event.asset_materialization is not None
        return {name: value.value for name, value in event.asset_materialization.metadata.items()}


def says(asked: dict[str, Any], _before: int) -> Act:
    text = asked["messages"][-1]["content"]
    if "## Main Function" not in str(asked["messages"][0]["content"]):
        return answer('So {"output": [1, false]} it is.')
    return (
        error(500, f"broken, key {MARK}") if "file_2" in text else answer(transform_response(LOOKS_AROUND, GENERATOR))
    )


def healed(asked: dict[str, Any], before: int) -> Act:
    return says(json.loads(json.dumps(asked).replace("file_2", "file_x")), before)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    root, home = tmp_path / "project", tmp_path / "home"
    root.mkdir()
    for name in ("recipes", "sql"):
        shutil.copytree(INSTALLED_ROOT / name, root / name)
    shutil.copyfile(INSTALLED_ROOT / "dagster.yaml", root / "dagster.yaml")
    (root / "codeio.yaml").write_text(SETTINGS)
    (root / "sources.yaml").write_text(
        "sources:\n  mine:\n    kind: directory\n    path: code\n    filters: {min_chars: 0}\n"
    )
    (root / "code").mkdir()
    for number in range(3):
        (root / "code" / f"file_{number}.py").write_text(f"def file_{number}(a):\n    return [a, a + {number}]\n")
    with StubServer(says) as server:
        own = {
            "CODEIO_PROJECT": str(root),
            "CODEIO_HOME": str(home),
            "DAGSTER_HOME": str(home / "dagster"),
            "CODEIO_BASE_URL": server.base_url,
            "CODEIO_MODEL": "stub-model",
            "CODEIO_API_KEY": MARK,
        }
        for name, value in own.items():
            monkeypatch.setenv(name, value)
        register_shards(Project.find())
        with dg.DagsterInstance.get() as instance:
            assert SHARD in instance.get_dynamic_partitions(str(code_shards.name))
            yield World(server, instance, home)


def test_failures_block_are_asked_again_alone_and_everything_is_accounted_for(world: World) -> None:
    result = world.run("data")
    assert not result.success
    checks = {one.check_name: one.passed for one in result.get_asset_check_evaluations()}
    assert checks["failed_requests_are_few"] is False, "one of three requests failed"
    assert checks["rows_are_accounted_for"] is True
    assert world.warehouse.manifest("io_pairs", SHARD) is None, "nothing is made from a shard that failed its check"
    (usage,) = world.warehouse.read("model_usage").to_dicts()
    assert (usage["asset"], usage["shard"], usage["requests"], usage["failed"]) == ("unified_functions", SHARD, 3, 1)
    assert (usage["tries"], usage["prompt_tokens"], usage["completion_tokens"]) == (4, 14, 6)
    assert usage["cost"] == pytest.approx(14 * 0.1 + 6 * 0.2)
    shown = world.latest("unified_functions")
    assert shown[keys.COST] == pytest.approx(2.6)
    assert shown[keys.MODEL_USAGE]["journal_hit_ratio"] == 0

    asked = len(world.server.asked)
    world.server.script = healed
    result = world.run("retry_failed_requests")
    assert result.success, [event.message for event in result.all_events if event.is_failure]
    transforms = [body for body in world.server.asked[asked:] if body["messages"][0]["role"] == "system"]
    assert len(transforms) == 1, "only the request that failed"
    assert len(world.warehouse.read("unified_functions", SHARD)) == 3
    assert set(world.warehouse.read("predictions", SHARD)["status"]) == {"answered"}
    assert len(world.warehouse.read("model_usage")) == 4, "a row per step of a run that sent something"
    observed = [event for event in result.all_events if event.event_type_value == "ASSET_OBSERVATION"]
    assert observed, "progress is an observation"
    assert "codeio/left" in observed[0].event_specific_data.asset_observation.metadata

    _nothing_holds_the_key(world)


def test_a_spent_budget_ends_the_step_and_keeps_what_came(world: World) -> None:
    world.server.script = healed
    project = Project.find()
    (project.root / "codeio.yaml").write_text(
        SETTINGS.replace("chat:", "chat:\n  concurrency: 1\n  budget: {run_tokens: 15}")
    )
    result = world.run("data")
    assert not result.success
    said = " ".join(str(event.step_failure_data.error) for event in result.all_events if event.is_step_failure)
    assert "the budget of the run is spent: 15 tokens; 2 of 3 requests were answered" in said
    (usage,) = world.warehouse.read("model_usage").to_dicts()
    assert (usage["requests"], usage["completion_tokens"]) == (2, 6)


def _nothing_holds_the_key(world: World) -> None:
    """Neither metadata and logs in Dagster's storage, nor tables, manifests and journal, nor the sandbox."""
    assert {headers["authorization"] for headers in world.server.asked_headers} == {f"Bearer {MARK}"}
    read = 0
    for path in world.home.rglob("*"):
        if path.is_file():
            assert MARK.encode() not in path.read_bytes(), path
            read += 1
    assert read > 20
    for run in world.instance.get_runs():
        assert all(MARK not in str(entry) for entry in world.instance.all_logs(run.run_id))
    outputs = world.warehouse.read("io_pairs", SHARD)["output_json"].to_list()
    assert outputs
    assert all(output.endswith("false]") for output in outputs), "the sandbox saw the key"
    failed = world.warehouse.read("transform_attempts", SHARD)["detail"].to_list()
    assert MARK not in str(failed)


def alone(world: World, asset: str) -> dg.ExecuteInProcessResult:
    """Materialise one asset as a person does in the UI."""
    from codeio_assets.definitions import defs

    graph = defs().resolve_implicit_global_asset_job_def()
    return graph.execute_in_process(
        instance=world.instance,
        partition_key=SHARD,
        asset_selection=[dg.AssetKey(made) for made in STEPS[asset].makes],
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        raise_on_error=False,
    )


def failure_of(result: dg.ExecuteInProcessResult) -> str:
    (event,) = [event for event in result.all_events if event.is_step_failure]
    return str(event.step_failure_data.error)


def test_a_failed_check_is_not_walked_past_at_the_second_command(world: World) -> None:
    from codeio_assets.operating.local import materialise_everything

    said: list[str] = []
    for _ in range(2):
        with pytest.raises(MaterialisationFailed, match="failed_requests_are_few"):
            materialise_everything(Project.find(), said.append, [])
    assert len(world.server.asked) == 4, "the second command asks nobody again"
    assert world.warehouse.manifest("unified_functions", SHARD) is None, "what failed its check is not live"
    assert world.warehouse.standing.latest("unified_functions", SHARD) is not None

    result = alone(world, "io_pairs")
    assert not result.success
    assert "unified_functions[mine-0000] is not good, the check(s) failed_requests_are_few failed" in failure_of(result)
    assert not [event for event in result.all_events if event.is_step_up_for_retry]
    assert world.warehouse.standing.latest("io_pairs", SHARD) is None


def test_the_last_good_version_is_what_downstream_reads(world: World) -> None:
    world.server.script = healed
    assert world.run("data").success
    good = world.warehouse.manifest("unified_functions", SHARD)
    assert good is not None

    world.server.script = says
    settings = Project.find().root / "codeio.yaml"
    settings.write_text(SETTINGS.replace("max_attempts: 2", "max_attempts: 2\n  transform: {temperature: 0.9}"))
    assert not world.run("data").success
    assert world.warehouse.manifest("unified_functions", SHARD) == good
    waiting = world.warehouse.standing.candidate("unified_functions", SHARD)
    assert waiting is not None
    assert waiting.version != good.version
    assert alone(world, "io_pairs").success
    made = world.warehouse.manifest("io_pairs", SHARD)
    assert made is not None
    assert made.upstream == {f"unified_functions/{SHARD}": good.version}
