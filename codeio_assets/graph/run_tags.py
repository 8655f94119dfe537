"""Tags of a run that tell what it is about, so that the list of runs can be filtered: source, model, base model.

What does not live here: the partition, which dagster makes a tag of by itself.
"""

from codeio_assets.project import Project

PARTITION_TAG = "dagster/partition"
PROCESS_TAG = ".dagster/codeio_process"
"""The process of the command that executes a run by itself; of the prefix that the UI hides."""


def run_tags(project: Project, partition: str | None) -> dict[str, str]:
    """Return the tags of a run over a partition, a shard or a recipe; none for a run without one."""
    if partition is None:
        return {}
    if partition in project.recipe_names():
        return {"codeio/base_model": project.recipe(partition).base_model}
    source, _, number = partition.rpartition("-")
    if not number.isdigit():
        return {}
    return {"codeio/source": source, "codeio/model": project.settings.chat.model}
