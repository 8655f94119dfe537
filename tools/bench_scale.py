"""What a run, the sensor, status and reports cost as the number of shards grows.

    make bench-scale                  10, 100, 811 and 5,000 shards
    make bench-scale ARGS="10 100"    others

One shard is made by the real graph; the others are its manifests under other keys, with tables that are links to one
file, and files on disk that belong to them. Then one shard's first step runs with its checks, by Dagster, as in
production. CPU is that of this process, file operations are what the store asks of its place (on object storage: the
requests); what was parsed before is forgotten first, as in a new process.
"""

import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import dagster as dg
from dagster import build_sensor_context

from codeio_assets.core.tables.data import frame
from codeio_assets.graph.partitions import UNPARTITIONED
from codeio_assets.graph.steps import QUALITY_REPORT, RAW_CODE_FILES, STEPS
from codeio_assets.operating.local import register_shards, show_status
from codeio_assets.operating.making import Wanted, make
from codeio_assets.project import INSTALLED_ROOT, Project
from codeio_assets.running.inputs import inputs_of
from codeio_assets.store import Warehouse, records
from codeio_assets.store.blobs import LocalBlobs

SIZES = (10, 100, 811, 5_000)
FILES_PER_SHARD = 10
SOURCES = f"sources:\n  mine:\n    kind: directory\n    path: code\n    shard_size: {FILES_PER_SHARD}\n"
COUNTED = ("get", "put", "put_if", "names", "walk", "facts", "staged", "remove")
UPSTREAM = {f"asset_{number}/mine-0000": "0" * 64 for number in range(5)}
MADE_FROM = {f"made_from.setting_{number}": "a value as long as most" for number in range(40)}
FIRST = "mine-0000"


class Operations:
    """Counts what the store asks of the disk."""

    def __init__(self) -> None:
        self.count = 0
        for name in COUNTED:
            self._watch(name)

    def _watch(self, name: str) -> None:
        asked = getattr(LocalBlobs, name)

        def watched(*arguments: Any, **named: Any) -> Any:
            self.count += 1
            return asked(*arguments, **named)

        setattr(LocalBlobs, name, watched)


def new_project(folder: Path) -> Project:
    """Make a project of one shard and open it in this process."""
    root = folder / "project"
    root.mkdir(parents=True)
    for name in ("recipes", "sql"):
        shutil.copytree(INSTALLED_ROOT / name, root / name)
    shutil.copyfile(INSTALLED_ROOT / "dagster.yaml", root / "dagster.yaml")
    (root / "codeio.yaml").write_text("chat: {model: m}\n")
    (root / "sources.yaml").write_text(SOURCES)
    write_files(root, 0)
    own = {"CODEIO_PROJECT": root, "CODEIO_HOME": folder / "home", "DAGSTER_HOME": folder / "home" / "dagster"}
    os.environ.update({name: str(value) for name, value in own.items()})
    os.environ.pop("CODEIO_WAREHOUSE_URL", None)
    register_shards(Project.find())
    return Project.find()


def write_files(root: Path, shard: int) -> None:
    """Write the files of a shard, old enough to be known by their time."""
    (root / "code").mkdir(exist_ok=True)
    for number in range(shard * FILES_PER_SHARD, (shard + 1) * FILES_PER_SHARD):
        path = root / "code" / f"{number:06}.py"
        path.write_text(f"def f_{number}(a):\n    return [a, {number}]\n")
        os.utime(path, (time.time() - 1_000, time.time() - 1_000))


def grow(project: Project, before: int, after: int) -> None:
    """Give a project of `before` shards so many more, as if they had been made."""
    warehouse = Warehouse(project.warehouse)
    if before == 1:
        for step in STEPS.values():
            if step.per == "shard" and step is not RAW_CODE_FILES:
                tables = {table: frame(table, []) for table in step.writes}
                info = {"items_in": 0, "items_out": 0, "cpu_time_s": 1.0, "made_from": MADE_FROM}
                warehouse.write(step.asset, FIRST, tables, upstream=UPSTREAM, info=info)
    shard = (project.home / "shards" / f"{FIRST}.json").read_text("utf-8")
    manifests = {asset: warehouse.manifest(asset, FIRST) for asset in warehouse.assets()}
    for number in range(before, after):
        key = f"mine-{number:04}"
        write_files(project.root, number)
        (project.home / "shards" / f"{key}.json").write_text(shard.replace(FIRST, key))
        for asset, manifest in manifests.items():
            if manifest is None:
                continue
            text = manifest.to_json().decode().replace(FIRST, key)
            (project.warehouse / "manifests" / asset / f"{key}.json").write_text(text)
            for version in manifest.tables.values():
                target = project.warehouse / version.file.replace(FIRST, key)
                target.parent.mkdir(parents=True, exist_ok=True)
                with suppress(FileExistsError):
                    target.hardlink_to(project.warehouse / version.file)
    signatures = project.home / "shards" / "signatures"
    for number in range(before, after):
        with suppress(FileExistsError):
            (signatures / f"mine-{number:04}.parquet").hardlink_to(signatures / f"{FIRST}.parquet")


def measured(operations: Operations, what: Callable[[], object]) -> tuple[float, int]:
    """Return CPU seconds and file operations of a call, with nothing kept from before."""
    records.forget()
    count, cpu = operations.count, time.process_time()
    what()
    return time.process_time() - cpu, operations.count - count


def step_and_checks(project: Project) -> None:
    """Make the first step of one shard anew, with its checks: its licence is changed, so that it is out of date."""
    text = f"{SOURCES}    license: licence_{time.time_ns()}\n"
    (project.root / "sources.yaml").write_text(text)
    assert make_quietly(Project.find(), Wanted(assets=("raw_code_files",), shards=(FIRST,), limit=1)) == 1


def make_quietly(project: Project, wanted: Wanted) -> int:
    """Make without the views and the registration, which are no part of a run."""
    from codeio_assets.operating.local import bring_up_to_date

    return bring_up_to_date(project, "shard", wanted.shards[0], lambda _line: None, only=wanted.assets)


def tick(instance: dg.DagsterInstance) -> None:
    """Look for new files as the sensor does, when there are none."""
    from codeio_assets.defs.automation import new_code_files

    new_code_files(build_sensor_context(instance=instance))


def main() -> None:
    """Measure and print a table in Markdown."""
    sizes = tuple(map(int, sys.argv[1:])) or SIZES
    operations = Operations()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        project, shards = new_project(Path(folder)), 1
        make(project, Wanted(assets=("raw_code_files",)), lambda _line: None)  # Dagster is loaded, one shard made
        status = ("`codeio status`, nothing rolled up", "`codeio status`")
        heads = ("a step and its checks", "tick of the sensor", *status, "what a report reads", "views")
        print(f"| shards | {' | '.join(f'{head}, CPU s | operations' for head in heads)} |")
        print(f"|{'---:|' * (1 + 2 * len(heads))}")
        for size in sizes:
            grow(project, shards, size)
            shards = size
            project.shards.register_new(Project.find().sources, project.root)
            with dg.DagsterInstance.get() as instance:
                instance.add_dynamic_partitions("code_shards", project.shards.keys())
                calls: tuple[Callable[[], object], ...] = (
                    lambda: step_and_checks(project),
                    lambda instance=instance: tick(instance),
                    lambda: show_status(Project.find(), lambda _line: None),
                    lambda: show_status(Project.find(), lambda _line: None),
                    lambda: report_reads(Project.find()),
                    lambda: Project.find().open_warehouse().refresh_views(),
                )
                found = [measured(operations, call) for call in calls]
            cells = (f"{cpu:.2f} | {count:,}" for cpu, count in found)
            print(f"| {size:,} | {' | '.join(cells)} |", flush=True)
        print(json.dumps({"manifest_bytes": manifest_bytes(project)}))


def report_reads(project: Project) -> None:
    """Resolve what the quality report reads of all shards, and count its rows in SQL."""
    given = inputs_of(QUALITY_REPORT, UNPARTITIONED, project, project.open_warehouse())
    given.sql("select count(*) from raw_code_files")


def manifest_bytes(project: Project) -> int:
    """Return how large a manifest is on average."""
    sizes = [path.stat().st_size for path in (project.warehouse / "manifests").glob(f"*/{FIRST}.json")]
    return sum(sizes) // len(sizes)


if __name__ == "__main__":
    main()
