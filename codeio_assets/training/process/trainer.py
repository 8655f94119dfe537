"""One training job with TRL's SFTTrainer: prepare, audit, train or resume, evaluate, publish.

What lives here: everything of a job that needs torch. What does not: the command line and its errors (`sft`), the
callback (`progress`), what a finished checkpoint consists of (`checkpoint`).
"""
# accelerate, datasets, transformers and TRL are typed in part:
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportOptionalMemberAccess=false

import os
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import psutil
import torch
from accelerate import PartialState
from datasets import Dataset
from transformers import PrinterCallback
from transformers.utils.import_utils import is_flash_attn_2_available
from trl.trainer.sft_trainer import SFTTrainer

from codeio_assets.core.settings.recipes import Recipe, StageRecipe
from codeio_assets.core.values.canonical import Json
from codeio_assets.training import checkpoint
from codeio_assets.training.base_models import ORIGIN_FILE, resolve_base_model
from codeio_assets.training.contract import (
    CARD_FILE,
    MANIFEST_VERSION,
    TrainingError,
    TrainingJob,
    TrainingResult,
)
from codeio_assets.training.memory import MemoryEstimate
from codeio_assets.training.process.audit import TokenAudit, audit, count_tokens
from codeio_assets.training.process.chat import end_of_turn, ensure_chat_template
from codeio_assets.training.process.loading import load_model, load_tokenizer, require_embeddings
from codeio_assets.training.process.model_card import model_card
from codeio_assets.training.process.packing import samples_are_isolated
from codeio_assets.training.process.preflight import check_memory, model_shape, on_cpu, require_devices
from codeio_assets.training.process.progress import Progress, Report, peak_memory_bytes
from codeio_assets.training.process.samples import data_sha256, read_samples, stage_rows, write_conversations
from codeio_assets.training.process.trl_settings import adapters, trainer_settings
from codeio_assets.training.process.verification import first_words


@dataclass(frozen=True)
class Plan:
    """A job whose inputs were checked: its identity, and where its work stands."""

    job: TrainingJob
    recipe: Recipe
    stage: StageRecipe
    key: str
    data_sha256: str
    parent_sha256: str | None
    state: PartialState

    @property
    def output(self) -> Path:
        """Folder of the finished checkpoint."""
        return Path(self.job.output_dir)

    @property
    def work(self) -> Path:
        """Folder of unfinished work."""
        return self.output.with_name(f"{self.output.name}.work")


@dataclass(frozen=True)
class Loaded:
    """Model and tokenizer, where they came from, and whose chat template they use."""

    model: Any
    tokenizer: Any
    source: str
    chat_template: str
    memory: MemoryEstimate


@dataclass(frozen=True)
class Data:
    """Rows in the form TRL takes; `validation` is None when there are no held-out rows."""

    train: Dataset
    validation: Dataset | None
    audit: TokenAudit


def run_job(job: TrainingJob, report: Report) -> TrainingResult:
    """Train one stage, or return what is already there; killed runs go on where their last checkpoint was.

    Raises:
        TrainingError: nothing to train on, a parent that does not fit, a model that cannot be had, a loss that is
            not a number.
    """
    plan = make_plan(job)
    done = checkpoint.finished_result(plan.output, plan.key)
    if done is not None:
        return done
    with plan.state.main_process_first():
        resume = checkpoint.prepare_work(plan.work, plan.key)
    loaded = load(plan, report)
    data = prepare_data(plan, loaded)
    data.audit.require_trainable(plan.stage.untrainable_rows)
    data.audit.require_within(plan.recipe.limits)
    if plan.state.is_main_process:
        report({"kind": "memory", **loaded.memory.as_json()})
        report({"kind": "audit", **data.audit.as_json()})
    progress = Progress(report)
    trainer = build_trainer(plan, loaded, data, progress, resuming=resume is not None)
    require_same_tokens(trainer, data.audit)
    if resume is not None and plan.state.is_main_process:
        report({"kind": "note", "text": f"resuming from {resume.name}"})
    trainer.train(resume_from_checkpoint=str(resume) if resume else None)
    if data.validation is not None:
        trainer.evaluate()
    result = finish(plan, loaded, data, trainer, progress)
    plan.state.wait_for_everyone()
    return result


def make_plan(job: TrainingJob) -> Plan:
    """Check a job's recipe, data and parent, and work out its identity."""
    recipe = Recipe.model_validate(job.recipe)
    require_devices(recipe.launch)
    parent_sha256 = checkpoint.check_parent(job, recipe)
    data_hash = data_sha256(job)
    return Plan(
        job=job,
        recipe=recipe,
        stage=recipe.stage(job.stage),
        key=checkpoint.job_key(job, recipe, data_hash, parent_sha256),
        data_sha256=data_hash,
        parent_sha256=parent_sha256,
        state=PartialState(cpu=on_cpu()),
    )


def load(plan: Plan, report: Report) -> Loaded:
    """Load the parent checkpoint or the base model, in float32: bfloat16 would swallow small updates.

    Raises:
        TrainingError: it cannot be loaded, does not fit into memory, or cannot keep packed samples apart.
    """
    job, recipe = plan.job, plan.recipe
    with plan.state.main_process_first():
        source = job.parent or resolve_base_model(recipe.base_model, Path(job.cache_dir), recipe.revision)
    options: dict[str, Any] = {} if Path(source).is_dir() else {"revision": recipe.revision}
    if plan.stage.packing and plan.state.device.type == "cuda" and is_flash_attn_2_available():
        options["attn_implementation"] = "flash_attention_2"
    memory = _checked_memory(plan, source, options, report)
    model = load_model(source, torch.float32, options)
    options.pop("attn_implementation", None)
    tokenizer = load_tokenizer(source, options)
    if plan.stage.packing and not samples_are_isolated(model):
        raise TrainingError(
            f"packing: true would let samples see each other with the attention back end "
            f"{model.config._attn_implementation!r}. Set packing: false, or install flash-attn."
        )
    origin = ensure_chat_template(tokenizer)
    end_of_turn(tokenizer)
    return Loaded(model, tokenizer, source, origin, memory)


def _checked_memory(plan: Plan, source: str, options: dict[str, Any], report: Report) -> MemoryEstimate:
    plain = {name: value for name, value in options.items() if name == "revision"}
    shape = model_shape(source, plain, plan.stage.lora)
    memory, problem = check_memory(shape, plan.stage, plan.state.num_processes)
    if problem and plan.job.refuse_too_large:
        raise TrainingError(f"{problem} Where the estimate is wrong, set training.refuse_too_large: false.")
    if problem:
        report({"kind": "note", "text": f"warning: {problem}"})
    return memory


def prepare_data(plan: Plan, loaded: Loaded) -> Data:
    """Write the rows as conversations, count their tokens, and open those that can be trained on."""
    counted: dict[str, Any] = {}
    for split, limit in (("train", None), ("validation", plan.stage.validation_rows)):
        path = plan.work / f"{split}.parquet"
        with plan.state.main_process_first():
            if plan.state.is_main_process:
                fold = plan.recipe.system_messages == "fold"
                write_conversations(stage_rows(plan.job, split, limit), path, fold)
        counted[split] = count_tokens(read_samples(path), loaded.tokenizer)
    require_embeddings(loaded.model, loaded.tokenizer, [*counted["train"], *counted["validation"]], loaded.source)
    summary = audit(counted["train"], plan.stage, plan.state.num_processes)
    if not summary.trainable_tokens:
        summary.require_trainable(plan.stage.untrainable_rows)
    held_out = any(row.kept(plan.stage.max_length) for row in counted["validation"])
    return Data(
        train=_open(plan, "train", counted["train"]),
        validation=_open(plan, "validation", counted["validation"]) if held_out else None,
        audit=summary,
    )


def _open(plan: Plan, split: str, rows: list[Any]) -> Dataset:
    with plan.state.main_process_first():
        dataset = Dataset.from_parquet(
            str(plan.work / f"{split}.parquet"), cache_dir=str(plan.work / "cache"), keep_in_memory=len(rows) < 10_000
        )
    kept = [index for index, row in enumerate(rows) if row.kept(plan.stage.max_length)]
    selected = dataset if len(kept) == len(rows) else dataset.select(kept)
    return selected.select_columns(["prompt", "completion"])


def build_trainer(plan: Plan, loaded: Loaded, data: Data, progress: Progress, resuming: bool = False) -> SFTTrainer:
    """Return TRL's trainer for a plan."""
    os.environ["TENSORBOARD_LOGGING_DIR"] = str(plan.output.with_name(f"{plan.output.name}.tensorboard"))
    settings = trainer_settings(
        plan.stage,
        loaded.tokenizer,
        output_dir=str(plan.work),
        processes=plan.state.num_processes,
        on_gpu=plan.state.device.type == "cuda",
        evaluate_first=data.validation is not None and not resuming,
        trackers=plan.job.trackers,
    )
    trainer = SFTTrainer(
        model=loaded.model,
        args=settings,
        peft_config=adapters(plan.stage.lora),
        train_dataset=data.train,
        eval_dataset=data.validation,
        processing_class=loaded.tokenizer,
        callbacks=[progress],
    )
    trainer.remove_callback(PrinterCallback)  # `progress` tells the same, once
    return trainer


def require_same_tokens(trainer: SFTTrainer, summary: TokenAudit) -> None:
    """Refuse to train on anything but what was audited.

    Raises:
        TrainingError: TRL prepared other sequences or labels than the audit counted.
    """
    prepared = cast(Dataset, trainer.train_dataset)
    batches: Any = prepared.select_columns(["labels"]).with_format("numpy").iter(1_000)
    trainable = sum(int((labels != -100).sum()) for batch in batches for labels in batch["labels"])
    if (len(prepared), trainable) != (summary.sequences, summary.trainable_tokens):
        raise TrainingError(
            f"TRL prepared {len(prepared)} sequences with {trainable} trainable tokens where the audit counted "
            f"{summary.sequences} and {summary.trainable_tokens}: the chat template renders prompts inconsistently."
        )


def finish(plan: Plan, loaded: Loaded, data: Data, trainer: SFTTrainer, progress: Progress) -> TrainingResult:
    """Write the checkpoint beside its final place, then put it there."""
    final = plan.work / "final"
    shutil.rmtree(final, ignore_errors=True)
    _save(plan, loaded, trainer, final)
    history = cast("list[dict[str, Json]]", trainer.state.log_history)
    result = TrainingResult(
        status="trained",
        output_dir=str(plan.output),
        checkpoint_sha256="",
        recipe=plan.recipe.name,
        stage=plan.job.stage,
        steps=trainer.state.global_step,
        train_rows=data.audit.rows - len(data.audit.untrainable_ids),
        validation_rows=len(data.validation) if data.validation is not None else 0,
        loss_before=_evaluation(history, first=True),
        loss_after=_evaluation(history, first=False),
        train_losses=tuple((int(entry["step"]), float(entry["loss"])) for entry in history if "loss" in entry),
        tokens_seen=int(trainer.state.num_input_tokens_seen),
        tokens_per_s=round(progress.tokens_per_s, 1),
        wall_time_s=round(progress.wall_time_s, 1),
        peak_memory_bytes=peak_memory_bytes(),
        resumed_from_step=progress.first_step,
        audit=data.audit.as_json(),
    )
    if not plan.state.is_main_process:
        return result
    (final / "training_args.bin").unlink(missing_ok=True)  # a pickle of paths of this machine
    checkpoint.write_log(final, history)
    return _publish(plan, loaded, result, final)


def _save(plan: Plan, loaded: Loaded, trainer: SFTTrainer, final: Path) -> None:
    """Write the weights and the tokenizer; adapters are merged, so that every checkpoint is a whole model."""
    if plan.stage.lora is None:
        trainer.save_model(str(final))  # all processes take part when the model is sharded
    elif plan.state.is_main_process:
        adapted: Any = trainer.accelerator.unwrap_model(trainer.model)
        adapted.merge_and_unload().save_pretrained(str(final))
        loaded.tokenizer.save_pretrained(str(final))


def _publish(plan: Plan, loaded: Loaded, result: TrainingResult, final: Path) -> TrainingResult:
    generated = first_words(final)
    (final / CARD_FILE).write_text(model_card(plan.recipe, result, loaded.chat_template), encoding="utf-8")
    files = checkpoint.hash_files(final)
    identity = checkpoint.checkpoint_sha256(files)
    result = TrainingResult.from_json({**result.as_json(), "checkpoint_sha256": identity})
    origin = Path(loaded.source) / ORIGIN_FILE
    manifest: dict[str, Json] = {
        "manifest_version": MANIFEST_VERSION,
        "job_key": plan.key,
        "checkpoint_sha256": identity,
        "recipe": plan.recipe.model_dump(mode="json"),
        "stage": plan.job.stage,
        "base_model": {
            "name": plan.recipe.base_model,
            "revision": plan.recipe.revision,
            "origin": origin.read_text(encoding="utf-8") if origin.is_file() else None,
        },
        "parent": {
            "name": Path(plan.job.parent).name if plan.job.parent else None,
            "checkpoint_sha256": plan.parent_sha256,
        },
        "data": {
            "files": [os.path.relpath(file, plan.output) for file in plan.job.data_files],
            "sha256": plan.data_sha256,
            "versions": plan.job.data_versions,
        },
        "chat_template": loaded.chat_template,
        "versions": checkpoint.versions(),
        "code_sha256": checkpoint.code_sha256(),
        "hardware": _hardware(plan.state),
        "memory_estimate": loaded.memory.as_json(),
        "generated": generated,
        "result": result.as_json() | {"output_dir": ""},  # where it stands: a folder may be moved
        "files": files,
        "run": plan.job.run_info,
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    checkpoint.write_manifest(final, manifest)
    checkpoint.publish(final, plan.output)
    shutil.rmtree(plan.work, ignore_errors=True)
    return result


def _evaluation(history: list[dict[str, Json]], *, first: bool) -> float | None:
    losses = [entry["eval_loss"] for entry in history if "eval_loss" in entry]
    if not losses:
        return None
    return float(losses[0] if first else losses[-1])


def _hardware(state: PartialState) -> dict[str, Json]:
    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return {
        "device": state.device.type,
        "processes": state.num_processes,
        "cpu_cores": psutil.cpu_count(logical=True),
        "memory_bytes": psutil.virtual_memory().total,
        "gpus": gpus,
    }
