"""Taking shards, sources and single files out of what follows; the journal and what is pinned stay.

What does not live here: the registry (`sources.shards`), which people's commands call this (`cli.retiring`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg

from codeio_assets.graph.partitions import code_shards
from codeio_assets.graph.steps import STEPS, WRITERS
from codeio_assets.operating.local import dagster_home
from codeio_assets.project import Project
from codeio_assets.sources.shards import Takedown, file_id
from codeio_assets.store import Warehouse

PER_SHARD = tuple(step.asset for step in STEPS.values() if step.per == "shard")
CHECKPOINTS = ("sft_stage1_checkpoint", "sft_stage2_checkpoint")


@dataclass(frozen=True)
class Concerned:
    """What rests on some shards: rows, responses, and the recipes whose training set or checkpoint read them."""

    shards: tuple[str, ...]
    files: int
    responses: int
    samples: int
    recipes: tuple[str, ...]
    checkpoints: tuple[str, ...]

    def told(self) -> str:
        """Return it in one line."""
        names = ", ".join(self.recipes) or "none"
        return (
            f"{len(self.shards)} shard(s), {self.files:,} files, {self.responses:,} responses, {self.samples:,} "
            f"training samples; recipes that read them: {names}; checkpoints: {', '.join(self.checkpoints) or 'none'}"
        )


def concerned(project: Project, shards: Sequence[str]) -> Concerned:
    """Return what rests on shards, for a person who is about to drop them."""
    warehouse = project.open_warehouse()
    recipes = tuple(name for name in warehouse.partitions("training_sets") if _reads(warehouse, name, shards))
    made = tuple(
        f"{name} stage {asset[9]}" for name in recipes for asset in CHECKPOINTS if _rows(warehouse, asset, [name])
    )
    asked = ("transform_attempts", "predictions", "revised_predictions")
    functions = {
        id_ for shard in shards for id_ in warehouse.read("unified_functions", shard, ["function_id"])["function_id"]
    }
    samples = sum(
        int(warehouse.read("training_sets", name, ["function_id"])["function_id"].is_in(list(functions)).sum())
        for name in recipes
    )
    return Concerned(
        tuple(shards),
        _rows(warehouse, "raw_code_files", shards),
        sum(_rows(warehouse, table, shards) for table in asked),
        samples,
        recipes,
        made,
    )


def _reads(warehouse: Warehouse, recipe: str, shards: Iterable[str]) -> bool:
    manifest = warehouse.manifest("training_sets", recipe)
    read = {name.partition("/")[2] for name in manifest.upstream} if manifest else set[str]()
    return not read.isdisjoint(shards)


def _rows(warehouse: Warehouse, table: str, partitions: Iterable[str]) -> int:
    manifests = (warehouse.manifest(WRITERS[table].asset, partition) for partition in partitions)
    return sum(manifest.tables[table].rows for manifest in manifests if manifest and table in manifest.tables)


def drop_shards(project: Project, shards: Sequence[str]) -> None:
    """Take shards out of the registry, of Dagster's partitions, and of all tables.

    Raises:
        KeyError: there is no such shard; nothing was dropped.
    """
    for key in shards:
        project.shards.load(key)
    for key in shards:
        project.shards.drop(key)
    _forget(project, shards)


def drop_source(project: Project, name: str) -> list[str]:
    """Drop the shards of a source and register nothing of it any more; return the keys."""
    keys = project.shards.keys_of(name)
    project.shards.drop_source(name)
    _forget(project, keys)
    return keys


def _forget(project: Project, keys: Sequence[str]) -> None:
    warehouse = project.open_warehouse()
    for key in keys:
        for asset in PER_SHARD:
            warehouse.standing.retire(asset, key)
    warehouse.refresh_views()
    dagster_home(project)
    with dg.DagsterInstance.get() as instance:
        for key in keys:
            instance.delete_dynamic_partition(str(code_shards.name), key)


@dataclass(frozen=True)
class Hit:
    """A file that a takedown concerns."""

    shard: str
    path: str
    file_id: str


def files_hit(project: Project, what: str) -> list[Hit]:
    """Return the files of all shards with a path or a content hash."""
    takedown = Takedown(what, "", "")
    shards = [project.shards.load(key) for key in project.shards.keys()]  # noqa: SIM118  (a registry)
    return [
        Hit(shard.key, item.path, file_id(shard.source, item))
        for shard in shards
        for item in shard.items
        if takedown.hits(item)
    ]


def recipes_with(project: Project, files: Iterable[str]) -> tuple[str, ...]:
    """Return the recipes whose present training set has samples of some files."""
    warehouse, wanted = project.open_warehouse(), set(files)
    made = warehouse.read("unified_functions", columns=["file_id", "function_id"])
    functions = {function for file, function in made.iter_rows() if file in wanted}
    return tuple(
        name
        for name in warehouse.partitions("training_sets")
        if not functions.isdisjoint(warehouse.read("training_sets", name, ["function_id"])["function_id"].to_list())
    )


def take_down(project: Project, what: str, why: str) -> tuple[list[Hit], tuple[str, ...]]:
    """Leave out the files with a path or content hash from now on; return them, and the recipes that had them."""
    hits = files_hit(project, what)
    files = tuple(hit.file_id for hit in hits)
    recipes = recipes_with(project, files)
    at = datetime.now(UTC).isoformat(timespec="seconds")
    project.shards.take_down(Takedown(what, why, at, files, recipes))
    return hits, recipes
