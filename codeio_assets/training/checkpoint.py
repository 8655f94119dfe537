"""Checkpoints as folders that are whole or absent: their identity, manifest, model card, and publication.

What lives here: a job's identity, the state of unfinished work, writing and checking a finished checkpoint.
What does not: training (`process.sft`) and the shape of job and result (`contract`).
"""

import hashlib
import json
import os
import platform
import shutil
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

from codeio_assets.core.settings.recipes import Recipe, StageRecipe
from codeio_assets.core.values.canonical import Json, content_id
from codeio_assets.training.contract import (
    CARD_FILE,
    LOG_FILE,
    MANIFEST_FILE,
    TrainingError,
    TrainingJob,
    TrainingResult,
    read_manifest,
)

JOB_KEY_FILE = "job_key"
COMPLETE_FILE = "complete"
"""Stands in a resumable checkpoint once all its other files are written."""
PIN_FILE = "pinned"
"""Stands in a checkpoint that is kept for good; holds the reason."""
NOT_PART_OF_IDENTITY = {MANIFEST_FILE, LOG_FILE, CARD_FILE}
PACKAGES = ("codeio-assets", "torch", "transformers", "trl", "accelerate", "datasets", "safetensors", "tokenizers")


ADDED_SINCE = (
    "padding_free", "attention", "checkpointed_layers", "activation_offloading", "bf16_weights", "compile",
)  # fmt: skip
"""Fields of a stage that release 0.1.0 had not; at their default they are no part of a job's identity."""


def as_job(stage: StageRecipe) -> dict[str, Any]:
    """Return a stage as jobs are identified by it, so that what 0.1.0 trained is not trained again."""
    plain = type(stage).model_fields
    dumped = stage.model_dump(mode="json")
    kept = {name: value for name, value in dumped.items() if name not in ADDED_SINCE or value != plain[name].default}
    return {"liger_kernel": False, **kept}


def job_key(job: TrainingJob, recipe: Recipe, data_sha256: str, parent_sha256: str | None) -> str:
    """Return the identity of a job: everything that decides the weights, and nothing else."""
    added = {"system_messages": recipe.system_messages} if recipe.system_messages != "keep" else {}
    return content_id(
        **added,
        stage=job.stage,
        stage_recipe=as_job(recipe.stage(job.stage)),
        recipe=recipe.name,
        base_model=recipe.base_model,
        revision=recipe.revision,
        data=recipe.data.model_dump(mode="json"),
        format=recipe.format,
        data_sha256=data_sha256,
        parent_sha256=parent_sha256,
    )


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def checkpoint_sha256(files: dict[str, str]) -> str:
    """Return the identity of a checkpoint from its files' hashes; manifest, log and card do not count."""
    return content_id(files={name: digest for name, digest in files.items() if name not in NOT_PART_OF_IDENTITY})


def finished_result(output_dir: Path, key: str) -> TrainingResult | None:
    """Return the result in a folder if it is a finished, unharmed checkpoint of the job with this key."""
    try:
        manifest = read_manifest(output_dir)
    except TrainingError:
        return None
    if manifest["job_key"] != key or damaged_files(output_dir, manifest):
        return None
    return TrainingResult.read(output_dir)


def damaged_files(folder: Path, manifest: dict[str, Json]) -> list[str]:
    """Return the names of files that are missing or differ from the manifest; scores may be added to the card."""
    return [
        name
        for name, digest in manifest["files"].items()
        if not (folder / name).is_file() or (name != CARD_FILE and file_sha256(folder / name) != digest)
    ]


def check_parent(job: TrainingJob, recipe: Recipe) -> str | None:
    """Return the identity of the stage-1 checkpoint that a job starts from, or None when it starts from the base.

    Raises:
        TrainingError: stage 2 has no parent though the recipe has a stage 1, or the parent was made by another
            recipe, from another base model, or is damaged.
    """
    if job.stage == 1 or 1 not in recipe.stages:
        if job.parent is not None:
            raise TrainingError(f"stage {job.stage} of {recipe.name} starts from the base model: give no parent.")
        return None
    if job.parent is None:
        raise TrainingError(f"stage 2 of {recipe.name} starts from its stage 1: give the checkpoint as parent.")
    parent = Path(job.parent)
    manifest = read_manifest(parent)
    expected = {"stage": 1, **_lineage(recipe)}
    found = {"stage": manifest["stage"], **_lineage(_recipe_of(manifest))}
    differing = [name for name, value in expected.items() if found[name] != value]
    if differing:
        raise TrainingError(
            f"{parent} does not fit stage 2 of {recipe.name}: its manifest differs in {', '.join(differing)}. "
            f"Train stage 1 of this recipe again."
        )
    damaged = damaged_files(parent, manifest)
    if damaged:
        raise TrainingError(f"{parent} is damaged: {', '.join(damaged)}. Train stage 1 of this recipe again.")
    return str(manifest["checkpoint_sha256"])


def _recipe_of(manifest: dict[str, Json]) -> Recipe:
    """Return the recipe that made a checkpoint, also one of release 0.1.0, whose stages had a field more."""
    stages = {
        number: {name: value for name, value in stage.items() if name != "liger_kernel"}
        for number, stage in manifest["recipe"]["stages"].items()
    }
    return Recipe.model_validate({**manifest["recipe"], "stages": stages})


def _lineage(recipe: Recipe) -> dict[str, Json]:
    return {
        "recipe name": recipe.name,
        "base_model": recipe.base_model,
        "revision": recipe.revision,
        "data": recipe.data,
        "format": recipe.format,
        "stages.1": recipe.stage(1) if 1 in recipe.stages else None,
    }


def prepare_work(work: Path, key: str) -> Path | None:
    """Make the folder of unfinished work fit for a job, and return the checkpoint to resume from, if any.

    Work of another job is deleted, and so are checkpoints that were not written to their end.
    """
    key_file = work / JOB_KEY_FILE
    if not key_file.is_file() or key_file.read_text(encoding="utf-8") != key:
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        key_file.write_text(key, encoding="utf-8")
    checkpoints = sorted(work.glob("checkpoint-*"), key=lambda path: int(path.name.removeprefix("checkpoint-")))
    for unfinished in [path for path in checkpoints if not (path / COMPLETE_FILE).is_file()]:
        shutil.rmtree(unfinished)
        checkpoints.remove(unfinished)
    return checkpoints[-1] if checkpoints else None


def hash_files(folder: Path) -> dict[str, str]:
    """Return name -> sha256 of all files in a folder, relative to it."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): file_sha256(path) for path in paths}


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that decide what training does."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def write_log(folder: Path, history: Iterable[dict[str, Json]]) -> None:
    """Write the training log, one JSON object per logged step."""
    lines = [json.dumps(entry, sort_keys=True) + "\n" for entry in history]
    (folder / LOG_FILE).write_text("".join(lines), encoding="utf-8")


def write_manifest(folder: Path, manifest: dict[str, Json]) -> None:
    """Write the manifest; it is the last file of a checkpoint."""
    text = json.dumps(manifest, indent=2, sort_keys=True) + "\n"
    (folder / MANIFEST_FILE).write_text(text, encoding="utf-8")


def publish(temporary: Path, output_dir: Path) -> None:
    """Give a complete folder its final name, in place of an older checkpoint; a pinned one steps aside."""
    for path in temporary.rglob("*"):
        if path.is_file():
            _sync(path)
    _sync(temporary)
    output_dir.parent.mkdir(parents=True, exist_ok=True)
    old = output_dir.with_name(f"{output_dir.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if (output_dir / PIN_FILE).is_file():
        output_dir.rename(
            output_dir.with_name(f"{output_dir.name}@{read_manifest(output_dir)['checkpoint_sha256'][:12]}")
        )
    elif output_dir.exists():
        output_dir.rename(old)
    temporary.rename(output_dir)
    _sync(output_dir.parent)
    shutil.rmtree(old, ignore_errors=True)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def code_sha256() -> str:
    """Return the hash of the training code itself, which a version number does not pin in a working copy."""
    folder = Path(__file__).parent
    return content_id(files={str(path.relative_to(folder)): file_sha256(path) for path in sorted(folder.rglob("*.py"))})
