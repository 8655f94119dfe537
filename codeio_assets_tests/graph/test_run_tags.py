"""Runs are tagged with what people look for, before their first step."""

import dagster as dg
import pytest

from codeio_assets.graph.run_tags import run_tags
from codeio_assets.project import INSTALLED_ROOT, Project
from codeio_assets.resources.engines import ProjectResource


@pytest.mark.parametrize(
    ("partition", "names"),
    [
        (None, set()),
        ("all", set()),
        ("puzzles_and_games-0003", {"codeio/source", "codeio/model"}),
        ("demo", {"codeio/base_model"}),
    ],
)
def test_tags_follow_from_the_partition(partition: str | None, names: set[str]) -> None:
    assert set(run_tags(Project(INSTALLED_ROOT, INSTALLED_ROOT / "var"), partition)) == names


def test_a_run_that_fails_is_tagged_as_well() -> None:
    @dg.asset(partitions_def=dg.StaticPartitionsDefinition(["puzzles_and_games-0003"]))
    def broken(project: ProjectResource) -> None:
        raise RuntimeError(project.get().home)

    with dg.DagsterInstance.ephemeral() as instance:
        dg.materialize(
            [broken],
            resources={"project": ProjectResource()},
            instance=instance,
            partition_key="puzzles_and_games-0003",
            raise_on_error=False,
        )
        (run,) = instance.get_runs()
    assert run.tags["codeio/source"] == "puzzles_and_games"
