"""What a run on GPUs asks of Kubernetes or Ray: as many as its recipe's launch takes on a machine.

What does not live here: launching (`training.launching`).
"""

import json

import dagster as dg

from codeio_assets.core.settings.project import SettingsError
from codeio_assets.core.settings.recipes import Recipe, RecipeError
from codeio_assets.graph.partitions import recipes
from codeio_assets.project import Project
from codeio_assets.training.launching import gpus_per_machine


def gpu_tags(recipe: Recipe) -> dict[str, str]:
    """Return the tags of a recipe's runs, which dagster-k8s and dagster-ray read; none when it trains on CPUs."""
    count = gpus_per_machine(recipe.launch)
    if not count:
        return {}
    wanted = {"nvidia.com/gpu": str(count)}
    config = {"container_config": {"resources": {"requests": wanted, "limits": wanted}}}
    return {
        "codeio/gpus": str(count),
        "dagster-k8s/config": json.dumps(config),
        "dagster-ray/config": json.dumps({"num_gpus": count}),
    }


def _tags(name: str) -> dict[str, str]:
    try:
        return gpu_tags(Project.find().recipe(name))
    except (RecipeError, SettingsError):
        return {}  # the run says what is wrong with the file


recipe_runs = dg.PartitionedConfig(
    partitions_def=recipes,
    run_config_for_partition_key_fn=lambda _: {},
    tags_for_partition_key_fn=_tags,
)
"""The configuration of jobs that train recipes: nothing but tags."""
