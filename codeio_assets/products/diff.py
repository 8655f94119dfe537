"""What changed between two snapshots of a training set, and why.

Both are assembled with the present recipe, so that only the data differ. What does not live here: assembling
(`steps.training_sets`).
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import duckdb

from codeio_assets.steps.training_sets import PINS, Assembly
from codeio_assets.store import Snapshot, StoreError, Warehouse


@dataclass(frozen=True)
class Change:
    """How many samples of a stage have one fate for one reason; `example` is the task or conversation of one."""

    what: str
    why: str
    stage: int
    count: int
    example: str


def snapshots_of(warehouse: Warehouse, recipe: str) -> dict[str, str]:
    """Return pin name -> snapshot id of the builds of a recipe's training set that are kept."""
    prefix = f"{PINS}{recipe}."
    return {name: id_ for name, id_ in warehouse.pins().items() if name.removesuffix(f".{id_[:12]}") == prefix[:-1]}


def find_snapshot(warehouse: Warehouse, recipe: str, wanted: str) -> Snapshot:
    """Return the kept snapshot whose id begins as told.

    Raises:
        StoreError: there is none, or several.
    """
    known = sorted(set(snapshots_of(warehouse, recipe).values()))
    found = [id_ for id_ in known if id_.startswith(wanted)]
    if len(found) != 1:
        listed = ", ".join(id_[:12] for id_ in known) or "none"
        problem = "several snapshots begin so" if found else "there is no such snapshot"
        raise StoreError(f"training_sets[{recipe}], snapshot {wanted!r}: {problem}. Kept are: {listed}.")
    return warehouse.load_snapshot(found[0])


def changed_partitions(before: Snapshot, after: Snapshot) -> dict[str, Counter[str]]:
    """Return asset -> how many of its partitions are new, gone or changed."""
    changes: dict[str, Counter[str]] = {}
    old, new = before.versions, after.versions
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            what = "new" if name not in old else "gone" if name not in new else "changed"
            changes.setdefault(name.split("/")[0], Counter())[what] += 1
    return changes


def compare(assembly_of: Callable[[Snapshot], Assembly], before: Snapshot, after: Snapshot, query: str) -> list[Change]:
    """Return what became of each sample, counted; `query` is sql/lineage/diff.sql."""
    with duckdb.connect() as connection:
        for name, snapshot in (("before", before), ("after", after)):
            assembly = assembly_of(snapshot)
            samples, rejections = assembly.samples(), assembly.rejections()  # read by DuckDB under their names
            connection.execute(
                f"create table samples_{name} as select stage, kind, sample_id, task_id, function_id, final_status, "
                "coalesce(task_id, sample_id) as item from samples"
            )
            connection.execute(
                f"create table rejected_{name} as select id as item, reason, "
                "regexp_extract(detail, '^stage (\\d)', 1)::bigint as stage from rejections"
            )
            del samples, rejections
            with assembly.warehouse.connect(snapshot) as source:
                functions = source.sql("select function_id from unified_functions").to_arrow_table()
                tasks = source.sql("select task_id from prediction_tasks").to_arrow_table()
            connection.execute(f"create table functions_{name} as select * from functions")
            connection.execute(f"create table tasks_{name} as select * from tasks")
            del functions, tasks
        rows = connection.execute(query).fetchall()
    return [Change(*row) for row in rows]
