"""Bringing a project of an earlier release up to date: files that were shipped, signatures of tables, views.

No model is asked and nothing is trained: what was made from the present inputs keeps its rows and gets the signature of
today; its checks run at the next command. What does not live here: what 0.1.0 signed (`operating.fingerprints_0_1_0`).
"""

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from codeio_assets.core.values.canonical import sha256_hex
from codeio_assets.graph.partitions import UNPARTITIONED
from codeio_assets.graph.steps import STEPS, Step
from codeio_assets.graph.uses import without_comments
from codeio_assets.operating import fingerprints_0_1_0 as former
from codeio_assets.project import INSTALLED_ROOT, Project
from codeio_assets.running.inputs import fingerprint, inputs_of
from codeio_assets.store import Manifest, Warehouse
from codeio_assets.store.blobs import write_atomically
from codeio_assets.store.parquet import changed_columns

LAYOUT = 2
"""Raised when what a project holds has to be brought up to date."""
MARK = "layout.json"


@dataclass
class Upgrade:
    """What an upgrade did: files brought up to date, left alone since people changed them, tables kept and not."""

    replaced: list[str] = field(default_factory=list[str])
    left: list[str] = field(default_factory=list[str])
    kept: int = 0
    out_of_date: dict[str, int] = field(default_factory=dict[str, int])

    def told(self) -> Iterator[str]:
        """Yield it in lines."""
        if self.replaced:
            yield f"brought up to date: {', '.join(self.replaced[:5])}{_more(self.replaced)}"
        if self.left:
            yield f"changed by you, so left alone; compare with the shipped ones: {', '.join(self.left)}"
        yield f"{self.kept} partition(s) keep their rows; their checks run at the next command"
        if self.out_of_date:
            listed = ", ".join(f"{asset} ({count})" for asset, count in self.out_of_date.items())
            yield f"made again at the next command, from recorded responses: {listed}"


def _more(names: list[str]) -> str:
    return f" and {len(names) - 5} more" if len(names) > 5 else ""


def needs_upgrade(project: Project) -> bool:
    """Tell whether a project was made by an earlier release and not upgraded since."""
    mark = project.home / MARK
    if mark.exists():
        return json.loads(mark.read_text("utf-8"))["layout"] < LAYOUT
    return bool(project.open_warehouse().assets())


def upgrade(project: Project, dagster_home: Path) -> Upgrade:
    """Bring a project up to date; a second time does nothing.

    Raises:
        StoreError: a manifest is damaged, or the disk is full or not writable.
    """
    done = Upgrade()
    warehouse = project.open_warehouse()
    adopted = list(_made_from_the_present(project, warehouse))  # by the SQL as it stood then
    transforms = _texts(project, "transforms")
    _bring_shipped_files(project, dagster_home, done)
    unchanged = transforms == _texts(project, "transforms")
    for step, manifest in adopted:
        if step.asset != "training_sets" or unchanged:
            _sign(step, manifest, project, warehouse)
            done.kept += 1
        else:
            done.out_of_date[step.asset] = done.out_of_date.get(step.asset, 0) + 1
    signed = {(step.asset, manifest.partition) for step, manifest in adopted}
    for step, manifest in _manifests(warehouse):
        if (step.asset, manifest.partition) not in signed:
            done.out_of_date[step.asset] = done.out_of_date.get(step.asset, 0) + 1
    warehouse.refresh_views()
    mark_as_present(project)
    return done


def mark_as_present(project: Project) -> None:
    """Write that a project is of this release."""
    write_atomically(project.home / MARK, json.dumps({"layout": LAYOUT}).encode())


def _manifests(warehouse: Warehouse) -> Iterator[tuple[Step[object], Manifest]]:
    for step in STEPS.values():
        for key in warehouse.partitions(step.asset):
            manifest = warehouse.manifest(step.asset, key)
            if manifest:
                yield step, manifest


def _made_from_the_present(project: Project, warehouse: Warehouse) -> Iterator[tuple[Step[object], Manifest]]:
    """Yield what 0.1.0 made from the inputs and settings that are there now."""
    live = {(step.asset, manifest.partition): manifest.version for step, manifest in _manifests(warehouse)}
    present = {"shard": set(project.shards.keys()), "recipe": set(project.recipe_names()), "project": {UNPARTITIONED}}
    for step, manifest in _manifests(warehouse):
        if step.asset not in former.SETTINGS or manifest.partition not in present[step.per]:
            continue
        names = ((tuple(name.split("/")), version) for name, version in manifest.upstream.items())
        read = all(live.get((asset, key)) == version for (asset, key), version in names)
        fits = not any(changed_columns(table, version.columns) for table, version in manifest.tables.items())
        if read and fits and _signed(step, manifest, project):
            yield step, manifest


def _signed(step: Step[object], manifest: Manifest, project: Project) -> bool:
    try:
        return manifest.fingerprint == former.fingerprint(step.asset, manifest.partition, project, manifest.upstream)
    except (ValueError, OSError):  # a file of the project that the step uses cannot be read
        return False


def _sign(step: Step[object], manifest: Manifest, project: Project, warehouse: Warehouse) -> None:
    upstream = inputs_of(step, manifest.partition, project, warehouse).upstream()
    used = step.uses(project, manifest.partition)
    signature = fingerprint(step, manifest.partition, used, upstream)
    warehouse.standing.sign(manifest.model_copy(update={"fingerprint": signature, "upstream": upstream}))


def _bring_shipped_files(project: Project, dagster_home: Path, done: Upgrade) -> None:
    """Replace files that are as an earlier release shipped them; add those that are new."""
    pairs = {"dagster.yaml": dagster_home / "dagster.yaml"}
    if project.root != INSTALLED_ROOT:
        shipped = sorted((INSTALLED_ROOT / "sql").rglob("*.sql"))
        names = [path.relative_to(INSTALLED_ROOT).as_posix() for path in shipped]
        pairs |= {name: project.root / name for name in names}
    for name, there in pairs.items():
        present = (INSTALLED_ROOT / name).read_bytes()
        own = there.read_bytes() if there.exists() else None
        if own == present:
            continue
        if own is None or sha256_hex(own) == _shipped_formerly().get(name):
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(INSTALLED_ROOT / name, there)
            done.replaced.append(name)
        else:
            done.left.append(name)


@cache
def _shipped_formerly() -> Mapping[str, str]:
    """Return file -> its hash in release 0.1.0."""
    return json.loads(Path(__file__).with_name("release_0_1_0.json").read_text("utf-8"))


def _texts(project: Project, folder: str) -> list[str]:
    paths = sorted((project.root / "sql" / folder).glob("*.sql"))
    return [without_comments(path.read_text("utf-8")) for path in paths]
