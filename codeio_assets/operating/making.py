"""Making what is out of date, part by part: what would be made, why, and making it.

What does not live here: how a partition stands (`checks.registry`), running a step (`operating.local`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from codeio_assets.checks.registry import standing_of
from codeio_assets.core.errors import MaterialisationFailed
from codeio_assets.core.settings.project import SettingsError
from codeio_assets.graph.partitions import UNPARTITIONED
from codeio_assets.graph.steps import MAKERS, STEPS, Step, partitions_of
from codeio_assets.operating.local import LOOK_S, Say, bring_up_to_date, register_shards
from codeio_assets.project import Project

OPTIONAL = {"published_data_audit"}
"""What is made only when it is asked for by name."""
WHY_DOWNSTREAM = "what it is made from will be made first"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be made: assets (none means all of the partitions named), shards, recipes, and how many partitions."""

    assets: Sequence[str] = ()
    shards: Sequence[str] = ()
    recipes: Sequence[str] = ()
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Due:
    """A partition of a step that is out of date, and why."""

    step: Step[object]
    partition: str
    why: str


def due(project: Project, wanted: Wanted) -> list[Due]:
    """Return what is out of date of what is wanted, in the order in which it is to be made.

    What follows on something that is due is due as well: it may turn out to be current when that gives the same rows.

    Raises:
        SettingsError: there is no such asset, shard or recipe.
    """
    steps = _steps(wanted.assets)
    warehouse = project.open_warehouse(trust_s=LOOK_S)
    found: list[Due] = []
    for partition, own in _partitions(project, wanted, steps):
        made_first: set[str] = set()
        for step in own:
            standing = standing_of(step, partition, project, warehouse)
            behind = made_first & set(step.upstream)
            if standing.state != "good" or behind:
                found.append(Due(step, partition, standing.why or f"{WHY_DOWNSTREAM}: {', '.join(sorted(behind))}"))
                made_first.add(step.asset)
    return found[: wanted.limit]


def make(project: Project, wanted: Wanted, say: Say) -> int:
    """Make what is due and return how many partitions were made; what goes on fails where a step fails.

    Raises:
        SettingsError: there is no such asset, shard or recipe.
        MaterialisationFailed: steps or blocking checks failed; other partitions were made all the same.
    """
    register_shards(project)
    made, failed = 0, list[str]()
    broken: set[str] = set()
    for one in due(project, wanted):
        if one.partition in broken:
            continue
        say(f"  {one.step.asset}[{one.partition}]: {one.why}")
        try:
            made += bring_up_to_date(project, one.step.per, one.partition, say, only=(one.step.asset,))
        except MaterialisationFailed as error:
            failed.append(str(error))
            broken.add(one.partition)
            say(f"    failed: {error}")
    if made:
        project.open_warehouse().refresh_views()
    if failed:
        raise MaterialisationFailed(f"{made} made, {len(failed)} failed; the first: {failed[0]}")
    return made


def _steps(assets: Sequence[str]) -> list[Step[object]]:
    if unknown := [asset for asset in assets if asset not in MAKERS]:
        raise SettingsError(f"there is no asset {unknown[0]!r}; there are {', '.join(MAKERS)}")
    chosen = {MAKERS[asset].asset for asset in assets} or set(STEPS) - OPTIONAL
    return [step for step in STEPS.values() if step.asset in chosen]


def _partitions(
    project: Project, wanted: Wanted, steps: Sequence[Step[object]]
) -> Iterator[tuple[str, list[Step[object]]]]:
    """Yield each partition with its steps: shards, what the project has once, recipes, and last the reports on all."""
    shards = _known(wanted.shards, project.shards.keys(), "shard")
    recipes = _known(wanted.recipes, project.recipe_names(), "recipe") if wanted.recipes else []
    everything = not (wanted.shards or wanted.recipes)
    if not wanted.recipes or wanted.shards:
        for shard in shards:
            yield shard, [step for step in steps if step.per == "shard"]
    last = {"results", "quality_report", "status"}
    reports = [step for step in steps if step.asset in last]
    if everything or wanted.assets:
        yield UNPARTITIONED, [step for step in steps if step.per == "project" and step not in reports]
        for name in partitions_of("benchmark", project):
            yield name, [step for step in steps if step.per == "benchmark"]
    elif recipes:
        yield UNPARTITIONED, [step for step in steps if step.asset == "instruction_data"]
    for recipe in recipes:
        yield recipe, [step for step in steps if step.per == "recipe"]
    if everything or wanted.assets:
        yield UNPARTITIONED, reports


def _known(asked: Sequence[str], there: Sequence[str], what: str) -> list[str]:
    """Return the partitions that are asked for by name or by the beginning of a name; all when none is asked for."""
    if not asked:
        return list(there)
    found = [key for key in there if any(key == name or key.startswith(f"{name}-") for name in asked)]
    if missing := [name for name in asked if not any(key == name or key.startswith(f"{name}-") for key in there)]:
        raise SettingsError(f"there is no {what} {missing[0]!r}; there are {', '.join(there[:20]) or 'none'}")
    return found
