"""What a training job is, and what comes of it, as plain records that travel as JSON.

What lives here: `TrainingJob`, `TrainingResult`, the names of the files in a checkpoint, typed errors.
What does not: anything that imports torch (`process`, `base_models`), so that Dagster can load this.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, NotRequired, Self, TypedDict

from codeio_assets.core.values.canonical import Json, JsonLike

MANIFEST_FILE = "manifest.json"
LOG_FILE = "training_log.jsonl"
CARD_FILE = "README.md"
MANIFEST_VERSION = 1

JOB_ARGUMENT = "--job"
"""`python -m codeio_assets.training.process.sft --job job.json`"""


class BaseModelFacts(TypedDict):
    """Where a checkpoint's weights began; `origin` is what the converted model's folder says of it."""

    name: str
    revision: str | None
    origin: str | None


class ParentFacts(TypedDict):
    """The checkpoint that a stage 2 started from."""

    path: str | None
    checkpoint_sha256: str | None


class DataFacts(TypedDict):
    """What was trained on."""

    files: list[str]
    sha256: str
    versions: dict[str, str]


class Manifest(TypedDict):
    """What a finished checkpoint says of itself; `files` maps each file to its sha256."""

    manifest_version: int
    job_key: str
    checkpoint_sha256: str
    recipe: dict[str, Json]
    stage: int
    base_model: BaseModelFacts
    parent: ParentFacts
    data: DataFacts
    chat_template: str
    versions: dict[str, str]
    code_sha256: str
    hardware: dict[str, JsonLike]
    memory_estimate: dict[str, Json]
    generated: dict[str, Json]
    result: dict[str, Json]
    files: dict[str, str]
    finished_at: str
    run: NotRequired[dict[str, str]]


class TrainingError(Exception):
    """Training cannot start or go on; the message says why and what to do, in one or two sentences."""


@dataclass(frozen=True, slots=True)
class TrainingJob:
    """One stage of one recipe, ready to run.

    Attributes:
        recipe: The whole recipe as JSON (`Recipe.model_dump(mode="json")`).
        stage: 1 or 2.
        data_files: Parquet files of the table `training_sets`; rows of other stages are left out, rows of the
            split `train` are trained on, rows of `validation` give the loss before and after.
        output_dir: Folder of the finished checkpoint; appears whole or not at all. Unfinished work is kept
            beside it, in `<output_dir>.work`, and resumed.
        tokens: Folder of the tokenised set of these rows, made before; None makes it now, from the data files.
        parent: Folder of the stage-1 checkpoint that stage 2 starts from; None starts from the base model.
        cache_dir: Where converted base models are kept.
        data_versions: Snapshot of the data, for the manifest: "table/partition" -> version.
        run_info: Anything worth keeping about the run (Dagster run id, ...); decides nothing.
        trackers: What besides TensorBoard is told of each step, as transformers names it.
        refuse_too_large: Whether a stage that needs more memory than is free is refused, or only warned of.
    """

    recipe: dict[str, Json]
    stage: int
    data_files: tuple[str, ...]
    output_dir: str
    tokens: str | None = None
    parent: str | None = None
    cache_dir: str = ".cache/base_models"
    data_versions: dict[str, str] = field(default_factory=dict[str, str])
    run_info: dict[str, str] = field(default_factory=dict[str, str])
    trackers: tuple[str, ...] = ()
    refuse_too_large: bool = True

    def write(self, path: Path) -> Path:
        """Write the job as JSON and return the path."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=2, sort_keys=True) + "\n", encoding="utf-8")
        return path

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a job.

        Raises:
            TrainingError: the file is missing, not JSON, or has other fields.
        """
        try:
            data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            data["data_files"] = tuple(data["data_files"])
            data["trackers"] = tuple(data.get("trackers", ()))
            return cls(**data)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise TrainingError(f"{path} is not a training job: {error}") from error


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a training process gave up, left beside its output for whoever started it.

    `final` tells that another try cannot help: the recipe, the data or the machine must change first.
    """

    text: str
    final: bool

    def write(self, output_dir: str) -> None:
        """Leave the failure; of several processes the first one's counts."""
        path = self.path(output_dir)
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, output_dir: str) -> Self | None:
        """Return the failure that was left, or None when the process ended without a word."""
        try:
            return cls(**json.loads(cls.path(output_dir).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    @classmethod
    def clear(cls, output_dir: str) -> None:
        """Forget an earlier failure."""
        cls.path(output_dir).unlink(missing_ok=True)

    @staticmethod
    def path(output_dir: str) -> Path:
        """Return the file of the failure."""
        return Path(f"{output_dir}.failure.json")


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """A finished checkpoint, in numbers. Losses are means over completion tokens, on the validation split.

    Attributes:
        status: `trained` now, or `reused` because the folder already held the result of the same job.
        checkpoint_sha256: Identity of the checkpoint: hash over the names and hashes of its files.
        loss_before: Validation loss at step 0; None when there are no validation rows.
        train_losses: (step, loss) as logged.
        audit: The token audit (`TokenAudit` as JSON).
        mfu: Share of the GPUs' arithmetic that was used (`flops`); None on a CPU.
        resumed_from_step: Step of the checkpoint that the last process started from; 0 for a fresh start.
    """

    status: Literal["trained", "reused"]
    output_dir: str
    checkpoint_sha256: str
    recipe: str
    stage: int
    steps: int
    train_rows: int
    validation_rows: int
    loss_before: float | None
    loss_after: float | None
    train_losses: tuple[tuple[int, float], ...]
    tokens_seen: int
    tokens_per_s: float
    wall_time_s: float
    peak_memory_bytes: int
    mfu: float | None
    resumed_from_step: int
    audit: dict[str, Json]

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Return a result from JSON, unknown fields left out."""
        known: dict[str, Any] = {item.name: data[item.name] for item in fields(cls) if item.name in data}
        known.setdefault("mfu", None)  # of checkpoints that were made before it was measured
        known["train_losses"] = tuple((int(step), float(loss)) for step, loss in known["train_losses"])
        return cls(**known)

    def as_json(self) -> dict[str, Json]:
        """Return the result as plain JSON."""
        return json.loads(json.dumps(asdict(self)))

    @classmethod
    def read(cls, output_dir: Path) -> Self:
        """Read the result out of a finished checkpoint's manifest, with the status `reused`.

        Raises:
            TrainingError: the folder is no finished checkpoint.
        """
        found = {**read_manifest(output_dir)["result"], "status": "reused", "output_dir": str(output_dir)}
        return cls.from_json(found)


def sentence(message: Mapping[str, object]) -> str:
    """Return a message of a training process in one line for people."""
    if message["kind"] == "note":
        return str(message["text"])
    shown = {name: value for name, value in message.items() if name not in {"kind", "train_losses"}}
    return f"{message['kind']}: {json.dumps(shown)}"


def read_manifest(output_dir: Path) -> Manifest:
    """Return the manifest of a finished checkpoint.

    Raises:
        TrainingError: the folder has no readable manifest of this version.
    """
    path = output_dir / MANIFEST_FILE
    try:
        manifest: Manifest = json.loads(path.read_text(encoding="utf-8"))
        version = manifest["manifest_version"]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise TrainingError(f"{output_dir} is not a finished checkpoint: {error}") from error
    if version != MANIFEST_VERSION:
        raise TrainingError(f"{path} is not a checkpoint manifest of version {MANIFEST_VERSION}. Train it again.")
    return manifest


def checkpoint_folder(checkpoints: Path, stored: str) -> Path:
    """Return where a checkpoint is that a table names by recipe and stage.

    Release 0.1.0 stored a whole path, which leads nowhere once the project was moved.
    """
    return checkpoints / Path(*Path(stored).parts[-2:])
