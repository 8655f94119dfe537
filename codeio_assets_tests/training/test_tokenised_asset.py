"""`tokenised_sets` in the graph: made before a GPU is asked for, held to the limits there, opened by both stages."""

import json
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
import yaml

from codeio_assets.checks.registry import standing_of
from codeio_assets.core.tables.data import polars_schema
from codeio_assets.graph.steps import STEPS
from codeio_assets.project import Project
from codeio_assets.running.inputs import inputs_of
from codeio_assets.store import Warehouse
from codeio_assets_tests.training.conftest import default_rows

pytestmark = pytest.mark.filterwarnings("ignore:AssetExecutionContext.run_id is deprecated")  # by dagster's Pipes
STAGES = ("sft_stage1_checkpoint", "sft_stage2_checkpoint")


@pytest.fixture
def project(tmp_path: Path, make_job, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project with a recipe of a tiny model, named as one that the graph knows, whose training set is there."""
    root = tmp_path / "project"
    (root / "recipes").mkdir(parents=True)
    (root / "codeio.yaml").write_text("chat: {model: m}\n")
    (root / "sources.yaml").write_text("sources: {}\n")
    write_recipe(root, make_job().recipe)
    own = {"CODEIO_PROJECT": root, "CODEIO_HOME": tmp_path / "home", "DAGSTER_HOME": tmp_path / "home" / "dagster"}
    for name, value in own.items():
        monkeypatch.setenv(name, str(value))
    (tmp_path / "home" / "dagster").mkdir(parents=True)
    (tmp_path / "home" / "dagster" / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    here = Project.find()
    rows = pl.DataFrame(default_rows(), schema=polars_schema("training_sets"))
    empty = pl.DataFrame(schema=polars_schema("training_sets_rejections"))
    Warehouse(here.warehouse).write("training_sets", "demo", {"training_sets": rows, "training_sets_rejections": empty})
    return here


def write_recipe(root: Path, recipe: dict, **changes: object) -> None:
    (root / "recipes" / "demo.yaml").write_text(yaml.safe_dump({**recipe, "name": "demo", **changes}))


def execute(*assets: str) -> dg.ExecuteInProcessResult:
    from codeio_assets.definitions import defs

    job = defs().resolve_implicit_global_asset_job_def()
    with dg.DagsterInstance.get() as instance:
        return job.execute_in_process(
            instance=instance,
            partition_key="demo",
            asset_selection=[dg.AssetKey(asset) for asset in assets],
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            raise_on_error=False,
        )


def failure_of(result: dg.ExecuteInProcessResult) -> str:
    return str([event.step_failure_data.error.to_string() for event in result.all_events if event.is_step_failure])


def state(asset: str) -> str:
    here = Project.find()
    return standing_of(STEPS[asset], "demo", here, Warehouse(here.warehouse)).state


def test_both_stages_start_from_the_sets_that_were_made_before(project: Project) -> None:
    made = execute("tokenised_sets")
    assert made.success, failure_of(made)
    assert state("tokenised_sets") == "good"
    rows = Warehouse(project.warehouse).read("tokenised_sets").sort("stage")
    assert rows["rows"].to_list() == [16, 16]
    assert sorted(path.parent.name for path in project.tokens.glob("*/manifest.json")) == sorted(rows["set_id"])
    trained = execute(*STAGES)
    assert trained.success, failure_of(trained)
    assert [state(stage) for stage in STAGES] == ["good", "good"]
    for number, name in enumerate(rows["set_id"], 1):
        job = json.loads((project.checkpoints / "demo" / f"stage{number}.job.json").read_text())
        assert job["tokens"] == str(project.tokens / name)
        assert not (project.checkpoints / "demo" / f"stage{number}.work" / "tokens").exists()  # the set fitted
    audit = Warehouse(project.warehouse).read("sft_stage1_token_audit")
    assert audit["trainable_tokens"].to_list() == rows.filter(pl.col("stage") == 1)["trainable_tokens"].to_list()


def test_a_set_beyond_the_limits_stops_before_training(project: Project, make_job) -> None:
    write_recipe(project.root, make_job().recipe, limits={"max_epochs": 0.5})
    assert not execute("tokenised_sets").success
    assert state("tokenised_sets") == "failed"
    refused = execute(STAGES[0])
    assert not refused.success
    assert not (project.checkpoints / "demo").exists()
    write_recipe(project.root, make_job().recipe)
    assert state("tokenised_sets") != "failed"


def test_what_cannot_be_tokenised_fails_with_the_reason_and_is_not_tried_again(project: Project, make_job) -> None:
    write_recipe(project.root, make_job().recipe, base_model=str(project.root / "no_model"))
    result = execute("tokenised_sets")
    assert "is neither a folder on this machine" in failure_of(result)
    assert not [event for event in result.all_events if event.is_step_up_for_retry]


def test_the_tokenised_set_decides_what_a_checkpoint_is_made_from(project: Project) -> None:
    assert execute("tokenised_sets").success
    here = Project.find()
    given = inputs_of(STEPS[STAGES[0]], "demo", here, Warehouse(here.warehouse))
    assert set(given.upstream()) == {"training_sets/demo", "tokenised_sets/demo"}
