"""What can be said of a finished checkpoint from its files and its log, without loading it.

What lives here: problems as sentences, none when all is well. What does not: Dagster's checks, which show them.
"""

import os
from collections.abc import Sequence
from math import isfinite
from pathlib import Path
from statistics import fmean

import polars as pl

from codeio_assets.training.checkpoint import damaged_files
from codeio_assets.training.contract import CARD_FILE, LOG_FILE, Manifest, TrainingError, read_manifest

REQUIRED_FILES = ("config.json", "generation_config.json", "tokenizer.json", CARD_FILE, LOG_FILE)


def manifest_problems(folder: Path, checkpoint_sha256: str) -> list[str]:
    """Return what is missing from a checkpoint's folder or manifest, or differs from what the table says."""
    try:
        manifest = read_manifest(folder)
    except TrainingError as error:
        return [str(error)]
    problems = [f"the manifest lacks {name}" for name in sorted(Manifest.__required_keys__) if name not in manifest]
    if manifest.get("checkpoint_sha256") != checkpoint_sha256:
        problems.append(f"the folder holds another checkpoint: {manifest.get('checkpoint_sha256')}")
    files = manifest.get("files") or {}
    problems += [f"{name} is not listed" for name in REQUIRED_FILES if name not in files]
    if not any(name.endswith(".safetensors") for name in files):
        problems.append("there are no weights as safetensors")
    return problems + [f"{name} is missing or changed" for name in damaged_files(folder, files)]


def generation_problems(folder: Path) -> list[str]:
    """Return why a checkpoint cannot be said to load and generate; it was tried before it was published."""
    if not (read_manifest(folder).get("generated") or {}).get("tokens"):
        return ["the manifest tells of no token that the checkpoint generated when it was loaded from its folder"]
    return []


def loss_problems(losses: Sequence[float], before: float | None, after: float | None) -> tuple[list[str], list[str]]:
    """Return (losses that are no numbers, losses that do not fall).

    The held-out loss must be lower at the end; without held-out rows, the mean of the last quarter of the steps
    than that of the first.
    """
    held_out = [loss for loss in (before, after) if loss is not None]
    broken = [f"loss {loss}" for loss in (*losses, *held_out) if not isfinite(loss)]
    if broken or not losses:
        return broken or ["no loss was logged"], []
    if before is not None and after is not None:
        return [], [] if after < before else [f"held-out loss {before:.4f} before, {after:.4f} after"]
    quarter = max(1, len(losses) // 4)
    first, last = fmean(losses[:quarter]), fmean(losses[-quarter:])
    falls = last < first or len(losses) == 1
    return [], [] if falls else [f"training loss {first:.4f} in the first quarter, {last:.4f} in the last"]


def functions_on_both_sides(files: Sequence[str]) -> list[str]:
    """Return the functions that a training set holds both as training and as held-out rows.

    Raises:
        TrainingError: a file is gone, so that nobody can tell any more.
    """
    missing = [file for file in files if not Path(file).is_file()]
    if missing:
        raise TrainingError(f"{missing[0]} is gone: what the checkpoint learned from cannot be looked at any more.")
    rows = pl.scan_parquet(list(files)).filter(pl.col("function_id").is_not_null())
    sides = rows.group_by("function_id").agg(
        trained=(pl.col("split") == "train").any(), held_out=(pl.col("split") != "train").any()
    )
    return sides.filter("trained", "held_out").sort("function_id").collect()["function_id"].to_list()


def trained_on(folder: Path) -> list[str]:
    """Return the data files that a checkpoint's manifest names, relative to the checkpoint's folder."""
    return [os.path.normpath(folder / file) for file in read_manifest(folder)["data"]["files"]]
