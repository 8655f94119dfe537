"""GPUs are asked for by the run that trains, and by nothing that comes before it."""

import json

import pytest

from codeio_assets.graph.gpu import gpu_tags
from codeio_assets.operating.code_location import code_location
from codeio_assets.project import INSTALLED_ROOT, Project


def tags_of(job: str, recipe: str) -> dict[str, str]:
    return dict(code_location().resolve_job_def(job).get_tags_for_partition_key(recipe, None))


def assets_of(job: str) -> set[str]:
    selected = code_location().resolve_job_def(job).asset_layer.selected_asset_keys
    return {key.to_user_string() for key in selected}


def test_a_recipe_on_gpus_asks_for_them_only_in_train(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODEIO_PROJECT", str(INSTALLED_ROOT))
    project = Project.find()
    on_gpus = [name for name in project.recipe_names() if gpu_tags(project.recipe(name))]
    assert on_gpus
    for recipe in on_gpus:
        tags = tags_of("train", recipe)
        wanted = json.loads(tags["dagster-k8s/config"])["container_config"]["resources"]
        assert wanted["limits"] == {"nvidia.com/gpu": tags["codeio/gpus"]}
        assert json.loads(tags["dagster-ray/config"]) == {"num_gpus": int(tags["codeio/gpus"])}
        assert not {"dagster-k8s/config", "dagster-ray/config"} & set(tags_of("prepare", recipe))


def test_what_train_leaves_out_prepare_makes() -> None:
    before = {"instruction_data", "training_sets", "tokenised_sets"}
    assert assets_of("prepare") == before
    assert assets_of("train") & before == set()
    assert {"sft_stage1_checkpoint", "sft_stage2_checkpoint", "held_out_scores"} <= assets_of("train")
