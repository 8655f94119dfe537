"""One training job with TRL's SFTTrainer: prepare, audit, train or resume, evaluate, publish.

What lives here: everything of a job that needs torch. What does not: the command line and its errors (`sft`), the
callback (`progress`), what a finished checkpoint consists of (`checkpoint`).
"""
# accelerate, datasets, transformers and TRL are typed in part:
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportOptionalMemberAccess=false

import os
import shutil
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import torch
from accelerate import PartialState
from transformers import PrinterCallback
from trl.trainer.sft_trainer import SFTTrainer

from codeio_assets.core.settings.recipes import Recipe, StageRecipe
from codeio_assets.core.values.canonical import JsonLike
from codeio_assets.training import checkpoint
from codeio_assets.training.base_models import ORIGIN_FILE, resolve_base_model
from codeio_assets.training.contract import (
    CARD_FILE,
    MANIFEST_VERSION,
    Manifest,
    TrainingError,
    TrainingJob,
    TrainingResult,
)
from codeio_assets.training.memory import MemoryEstimate
from codeio_assets.training.process.loading import load_config, load_model, require_embeddings
from codeio_assets.training.process.master_weights import MasterAdamW
from codeio_assets.training.process.model_card import model_card
from codeio_assets.training.process.opening import Data, open_data, tokens_of
from codeio_assets.training.process.preflight import (
    check_memory,
    model_shape,
    on_cpu,
    require_devices,
    room_for_more,
    shard_count,
)
from codeio_assets.training.process.progress import Progress, peak_memory_bytes
from codeio_assets.training.process.readying import kernel_of, make_ready, matrix_weights
from codeio_assets.training.process.saving import save_final
from codeio_assets.training.process.trl_settings import adapters, trainer_settings
from codeio_assets.training.process.verification import first_words
from codeio_assets.training.reporting import Report
from codeio_assets.training.tokenised.chat import ChatTokenizer, load_chat_tokenizer
from codeio_assets.training.tokenised.samples import data_sha256
from codeio_assets.training.tokenised.sets import open_set


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
    words = load_words(plan)
    data = prepare_data(plan, words, report)
    data.audit.require_trainable(plan.stage.untrainable_rows)
    data.audit.require_within(plan.recipe.limits)
    loaded = load(plan, words, data, report)
    if plan.state.is_main_process:
        report({"kind": "memory", **loaded.memory.as_json()})
        report({"kind": "audit", **data.audit.as_json()})
    progress = Progress(report, data.work(*matrix_weights(loaded.model)), plan.state.num_processes)
    trainer = build_trainer(plan, loaded, data, progress, resuming=resume is not None)
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
    data_hash = open_set(Path(job.tokens)).data_sha256 if job.tokens else data_sha256(job)
    return Plan(
        job=job,
        recipe=recipe,
        stage=recipe.stage(job.stage),
        key=checkpoint.job_key(job, recipe, data_hash, parent_sha256),
        data_sha256=data_hash,
        parent_sha256=parent_sha256,
        state=PartialState(cpu=on_cpu()),
    )


def load_words(plan: Plan) -> ChatTokenizer:
    """Return the tokenizer of the parent checkpoint or the base model.

    Raises:
        TrainingError: there is none.
    """
    job, recipe = plan.job, plan.recipe
    with plan.state.main_process_first():
        source = job.parent or resolve_base_model(recipe.base_model, Path(job.cache_dir), recipe.revision)
    return load_chat_tokenizer(source, recipe.revision)


def prepare_data(plan: Plan, words: ChatTokenizer, report: Report) -> Data:
    """Open what the job trains on."""
    tokens = tokens_of(plan.job, plan.recipe, words, plan.state, plan.work, report=report)
    return open_data(tokens, plan.stage, plan.state.num_processes)


def load(plan: Plan, words: ChatTokenizer, data: Data, report: Report) -> Loaded:
    """Load the parent checkpoint or the base model.

    Raises:
        TrainingError: it cannot be loaded, does not fit into memory, or cannot keep packed samples apart.
    """
    options: dict[str, Any] = {} if Path(words.source).is_dir() else {"revision": words.revision}
    memory = _checked_memory(plan, words.source, options, data, report)
    kernel = kernel_of(load_config(words.source, options), plan.stage, on_gpu=plan.state.device.type == "cuda")
    # in float32: bfloat16 would swallow small updates
    model = load_model(words.source, torch.float32, {**options, "attn_implementation": kernel})
    require_embeddings(model, words.tokenizer, data.highest_token, words.source)
    return Loaded(make_ready(model, plan.stage), words.tokenizer, words.source, words.template, memory)


def _checked_memory(plan: Plan, source: str, options: dict[str, Any], data: Data, report: Report) -> MemoryEstimate:
    shape = model_shape(source, options, plan.stage.lora)
    processes = plan.state.num_processes
    memory, problem = check_memory(shape, plan.stage, processes, data.longest_batch)
    if problem and plan.job.refuse_too_large:
        raise TrainingError(f"{problem} Where the estimate is wrong, set training.refuse_too_large: false.")
    note = f"warning: {problem}" if problem else room_for_more(shape, plan.stage, processes, data.larger_batches)
    if note:
        report({"kind": "note", "text": note})
    return memory


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
        optimizer_cls_and_kwargs=(MasterAdamW, {"lr": plan.stage.learning_rate}) if keeps_masters(plan) else None,
    )
    trainer.remove_callback(PrinterCallback)  # `progress` tells the same, once
    return trainer


def keeps_masters(plan: Plan) -> bool:
    """Tell whether the optimiser keeps the float32 weights; where the model is sharded, FSDP does."""
    return plan.stage.bf16_weights and shard_count(plan.state.num_processes) == 1


def finish(plan: Plan, loaded: Loaded, data: Data, trainer: SFTTrainer, progress: Progress) -> TrainingResult:
    """Write the checkpoint beside its final place, then put it there."""
    final = plan.work / "final"
    if plan.state.is_main_process:  # another one would remove what this one has begun to write
        shutil.rmtree(final, ignore_errors=True)
    save_final(trainer, loaded.tokenizer, final, adapted=plan.stage.lora is not None)
    history = trainer.state.log_history
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
        train_losses=tuple((int(entry["step"]), entry["loss"]) for entry in history if "loss" in entry),
        tokens_seen=int(trainer.state.num_input_tokens_seen),
        tokens_per_s=round(progress.tokens_per_s, 1),
        wall_time_s=round(progress.wall_time_s, 1),
        peak_memory_bytes=peak_memory_bytes(),
        mfu=progress.mfu(progress.tokens_per_s),
        resumed_from_step=progress.first_step,
        audit=data.audit.as_json(),
    )
    if not plan.state.is_main_process:
        return result
    (final / "training_args.bin").unlink(missing_ok=True)  # a pickle of paths of this machine
    checkpoint.write_log(final, history)
    return _publish(plan, loaded, result, final)


def _publish(plan: Plan, loaded: Loaded, result: TrainingResult, final: Path) -> TrainingResult:
    generated = first_words(final)
    (final / CARD_FILE).write_text(model_card(plan.recipe, result, loaded.chat_template), encoding="utf-8")
    files = checkpoint.hash_files(final)
    identity = checkpoint.checkpoint_sha256(files)
    result = replace(result, checkpoint_sha256=identity)
    origin = Path(loaded.source) / ORIGIN_FILE
    manifest: Manifest = {
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
        "parent": {"path": plan.job.parent, "checkpoint_sha256": plan.parent_sha256},
        "data": {
            "files": list(plan.job.data_files),
            "sha256": plan.data_sha256,
            "versions": plan.job.data_versions,
        },
        "chat_template": loaded.chat_template,
        "versions": checkpoint.versions(),
        "code_sha256": checkpoint.code_sha256(),
        "hardware": _hardware(plan.state),
        "memory_estimate": loaded.memory.as_json(),
        "generated": generated,
        "result": result.as_json(),
        "files": files,
        "run": plan.job.run_info,
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    checkpoint.write_manifest(final, manifest)
    checkpoint.publish(final, plan.output)
    shutil.rmtree(plan.work, ignore_errors=True)
    return result


def _evaluation(history: list[dict[str, float]], *, first: bool) -> float | None:
    losses = [entry["eval_loss"] for entry in history if "eval_loss" in entry]
    return losses[0 if first else -1] if losses else None


def _hardware(state: PartialState) -> dict[str, JsonLike]:
    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return {
        "device": state.device.type,
        "processes": state.num_processes,
        "cpu_cores": psutil.cpu_count(logical=True),
        "memory_bytes": psutil.virtual_memory().total,
        "gpus": gpus,
    }
