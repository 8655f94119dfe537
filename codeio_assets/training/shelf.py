"""All checkpoints of a project: listing them, keeping some for good, and removing what nobody needs.

A pin is a file in a checkpoint's folder. A pinned checkpoint that is trained anew steps aside, under a name with its
hash, instead of being replaced; garbage collection spares it.
What does not live here: a checkpoint's own files (`checkpoint`).
"""

import shutil
import time
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass
from pathlib import Path

from codeio_assets.training.checkpoint import PIN_FILE
from codeio_assets.training.contract import MANIFEST_FILE, TrainingError, TrainingResult, read_manifest

LEFTOVERS = (".work", ".old", ".tensorboard", ".failure.json", ".job.json")
"""What stands beside a checkpoint's folder and outlives an interrupted run."""


@dataclass(frozen=True, slots=True)
class Shelved:
    """A finished checkpoint; `name` is its path below the folder of all checkpoints, and how people call it."""

    name: str
    path: Path
    checkpoint_sha256: str
    recipe: str
    stage: int
    base_model: str
    steps: int
    loss_before: float | None
    loss_after: float | None
    size_bytes: int
    finished_at: str
    parent_sha256: str | None
    pin: str | None


@dataclass(frozen=True, slots=True)
class Swept:
    """What a collection removed, or would remove in a dry run."""

    removed: tuple[str, ...]
    removed_bytes: int
    kept_pinned: int


def shelved(folder: Path) -> Iterator[Shelved]:
    """Yield the finished checkpoints below a folder, sorted by name; damaged manifests are left out."""
    for path in sorted(manifest.parent for manifest in folder.glob(f"*/*/{MANIFEST_FILE}")):
        if path.suffix in {".work", ".old"}:
            continue
        try:
            manifest = read_manifest(path)
        except TrainingError:
            continue
        result, pin = TrainingResult.from_json(manifest["result"]), path / PIN_FILE
        yield Shelved(
            name=path.relative_to(folder).as_posix(),
            path=path,
            checkpoint_sha256=manifest["checkpoint_sha256"],
            recipe=result.recipe,
            stage=result.stage,
            base_model=manifest["base_model"]["name"],
            steps=result.steps,
            loss_before=result.loss_before,
            loss_after=result.loss_after,
            size_bytes=_size(path),
            finished_at=manifest["finished_at"],
            parent_sha256=manifest["parent"]["checkpoint_sha256"],
            pin=pin.read_text(encoding="utf-8").strip() if pin.is_file() else None,
        )


def find(folder: Path, name: str) -> Shelved:
    """Return the checkpoint of a name, or of the beginning of its hash.

    Raises:
        KeyError: there is none, or several.
    """
    known = list(shelved(folder))
    found = [one for one in known if one.name == name or one.checkpoint_sha256.startswith(name)]
    if len(found) != 1:
        names = ", ".join(one.name for one in known) or "none"
        raise KeyError(f"{len(found)} checkpoints are called {name!r}; there are: {names}")
    return found[0]


def pin(folder: Path, name: str, reason: str) -> Shelved:
    """Keep a checkpoint for good."""
    kept = find(folder, name)
    (kept.path / PIN_FILE).write_text(f"{reason}\n", encoding="utf-8")
    return kept


def unpin(folder: Path, name: str) -> Shelved:
    """Let go of a checkpoint."""
    kept = find(folder, name)
    (kept.path / PIN_FILE).unlink(missing_ok=True)
    return kept


def sweep(folder: Path, live: Set[str], grace_s: float, dry_run: bool = False) -> Swept:
    """Remove checkpoints that no table names and no pin keeps, and what interrupted runs left, once old enough.

    Args:
        folder: of all checkpoints.
        live: hashes of the checkpoints that the tables name.
        grace_s: what was written to within these seconds is spared: a run may be at work on it.
        dry_run: only tell.
    """
    known = {one.path: one for one in shelved(folder)}
    unneeded = [path for path, one in known.items() if one.pin is None and one.checkpoint_sha256 not in live]
    beside = [path for path in folder.glob("*/*") if path.name.endswith(LEFTOVERS) and not _is_needed(path, known)]
    names, size = _remove(folder, [*unneeded, *beside], grace_s, dry_run)
    return Swept(names, size, sum(one.pin is not None for one in known.values()))


def sweep_tokens(folder: Path, live: Set[str], grace_s: float, dry_run: bool = False) -> Swept:
    """Remove tokenised sets, each in a folder named by its id, that no table names; the arguments are those of `sweep`.

    A training that finds none makes its own again.
    """
    unneeded = [path for path in folder.glob("*") if path.name.partition(".")[0] not in live | {"jobs"}]
    return Swept(*_remove(folder, unneeded, grace_s, dry_run), 0)


def _remove(folder: Path, unneeded: Iterable[Path], grace_s: float, dry_run: bool) -> tuple[tuple[str, ...], int]:
    """Remove what was not written to for so long; return the names below the folder, and the bytes."""
    cutoff = time.time() - grace_s
    removed = [path for path in unneeded if _last_write(path) <= cutoff]
    size = sum(_size(path) for path in removed)
    for path in removed if not dry_run else ():
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    return tuple(sorted(path.relative_to(folder).as_posix() for path in removed)), size


def _is_needed(path: Path, known: dict[Path, Shelved]) -> bool:
    """Tell whether a log or job file still has its checkpoint beside it."""
    stem = next(path.name.removesuffix(suffix) for suffix in LEFTOVERS if path.name.endswith(suffix))
    return path.name.endswith((".tensorboard", ".job.json")) and path.with_name(stem) in known


def _size(path: Path) -> int:
    return sum(file.stat().st_size for file in _files(path))


def _last_write(path: Path) -> float:
    return max((file.stat().st_mtime for file in _files(path)), default=path.stat().st_mtime)


def _files(path: Path) -> list[Path]:
    return [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
