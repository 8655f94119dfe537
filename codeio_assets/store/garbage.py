"""Garbage collection: removing the files that no manifest and no pin names.

What does not live here: a file's own safe removal (`blobs.remove_if_old`).
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from codeio_assets.store import layout
from codeio_assets.store.blobs import TEMPORARY, Blobs

SWEPT_FOR_LEFTOVERS = (layout.TABLES, layout.MANIFESTS, layout.SNAPSHOTS, layout.PINS)


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
    blobs: Blobs, live: Callable[[], set[str]], pinned: Callable[[], set[str]], grace_s: float, dry_run: bool
) -> GarbageReport:
    """Remove versions that are neither live nor pinned, and leftovers of killed writers, once older than the grace.

    Age is the time since a file was last written, committed again, replaced or pinned.
    """
    cutoff = time.time() - grace_s
    # Listed before the manifests and pins are read: a file committed in between was made young by its writer.
    candidates = _candidates(blobs)
    live_files, pinned_files = live(), pinned()
    removed: list[str] = []
    removed_bytes = kept_young = 0
    for name in candidates - live_files - pinned_files:
        size, gone = _remove(blobs, name, cutoff, dry_run)
        if gone:
            removed.append(name)
            removed_bytes += size
        else:
            kept_young += 1
    if not dry_run:
        for folder in (layout.TABLES, layout.MANIFESTS):
            blobs.prune(folder)
    return GarbageReport(
        removed=tuple(sorted(removed)),
        removed_bytes=removed_bytes,
        kept_live=len(candidates & live_files),
        kept_pinned=len((candidates & pinned_files) - live_files),
        kept_young=kept_young,
        dry_run=dry_run,
    )


def files_of_partitions(blobs: Blobs, partitions: set[str]) -> set[str]:
    """Return the files of every version of every table in some partitions."""
    found = ((name, layout.parse_table_file(name)) for name in blobs.walk(layout.TABLES))
    return {name for name, file in found if file and file.partition in partitions}


def _candidates(blobs: Blobs) -> set[str]:
    versions = {name for name in blobs.walk(layout.TABLES) if layout.parse_table_file(name)}
    leftovers = {name for folder in SWEPT_FOR_LEFTOVERS for name in blobs.walk(folder) if _is_leftover(name)}
    return versions | leftovers | {name for name in blobs.files(".") if _is_leftover(name)}


def _is_leftover(name: str) -> bool:
    return name.rpartition("/")[2].startswith(TEMPORARY)


def _remove(blobs: Blobs, name: str, cutoff: float, dry_run: bool) -> tuple[int, bool]:
    size = blobs.size(name) or 0
    if dry_run:
        signature = blobs.signature(name)
        return size, signature is not None and signature[1] / 1e9 <= cutoff
    return size, blobs.remove_if_old(name, cutoff)
