"""The step that makes whatever is out of date, as a run that can be launched and stopped in the UI.

What is materialised, and in which order, lives in `local`.
"""

import dagster as dg
from pydantic import Field

from codeio_assets.operating.local import materialise_everything
from codeio_assets.project import Project


class EverythingConfig(dg.Config):
    """What the launchpad offers for the job `demo`."""

    recipes: list[str] = Field(["demo"], description="recipes to assemble, train and score: names of files in recipes/")


@dg.op(tags={"dagster/compute_kind": "dagster"})
def bring_up_to_date(context: dg.OpExecutionContext, config: EverythingConfig) -> None:
    """Register new files as shards and materialise what is out of date, each partition in a run of its own."""
    materialise_everything(Project.find(), context.log.info, config.recipes)
