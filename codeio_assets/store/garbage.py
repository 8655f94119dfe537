"""Garbage collection: removing the files that no manifest and no pin names.

What does not live here: how a file is removed safely, and since when it is named by nothing (`tombstones`).
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from codeio_assets.store import layout
from codeio_assets.store.interface import Blobs
from codeio_assets.store.tombstones import Tombstones


@dataclass(frozen=True, slots=True)
class GarbageReport:
    """What a collection removed, or would remove in a dry run."""

    removed: tuple[str, ...]
    removed_bytes: int
    kept_live: int
    kept_pinned: int
    kept_young: int
    dry_run: bool


def collect(
    blobs: Blobs,
    tombstones: Tombstones,
    live: Callable[[], set[str]],
    pinned: Callable[[], set[str]],
    *,
    grace_s: float,
    dry_run: bool,
) -> GarbageReport:
    """Remove versions that are neither live nor pinned, and leftovers of killed writers, once older than the grace.

    A version's age counts from when it was replaced, or from the first collection that finds it named by nothing.
    """
    # Listed before the manifests and pins are read: what is committed in between has no tombstone, or a young one.
    candidates = {name for name in blobs.walk(layout.TABLES) if layout.parse_table_file(name)}
    buried = tombstones.buried()
    live_files, pinned_files = live(), pinned()
    removed: dict[str, int] = {}
    kept_young = 0
    for name in candidates - live_files - pinned_files:
        size = facts.size if (facts := blobs.facts(name)) else 0
        if tombstones.is_over(name, grace_s, dry_run=dry_run) and (dry_run or tombstones.remove(name)):
            removed[name] = size
        else:
            kept_young += 1
    if not dry_run:
        for name in buried & live_files | buried - candidates:
            tombstones.lift(name)
    removed |= dict(blobs.sweep(time.time() - grace_s, dry_run=dry_run))
    return GarbageReport(
        removed=tuple(sorted(removed)),
        removed_bytes=sum(removed.values()),
        kept_live=len(candidates & live_files),
        kept_pinned=len((candidates & pinned_files) - live_files),
        kept_young=kept_young,
        dry_run=dry_run,
    )


def files_of_partitions(blobs: Blobs, partitions: set[str]) -> set[str]:
    """Return the files of every version of every table in some partitions."""
    found = ((name, layout.parse_table_file(name)) for name in blobs.walk(layout.TABLES))
    return {name for name, file in found if file and file.partition in partitions}
