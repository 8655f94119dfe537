"""A stage's recipe in TRL's words.

What does not live here: what the numbers mean (`core.settings.recipes`), building the trainer (`trainer`).
"""

from dataclasses import fields
from typing import Any

from trl.trainer.sft_config import SFTConfig

from codeio_assets.core.settings.recipes import Lora, StageRecipe
from codeio_assets.training.process.audit import accumulation_steps
from codeio_assets.training.process.chat import end_of_turn

TRACKER = "tensorboard"
CHECKPOINTING = next(
    # the second name is that of older transformers; delete it when they are no longer supported
    name
    for name in ("activation_checkpointing", "gradient_checkpointing")
    if name in {field.name for field in fields(SFTConfig)}
)


def trainer_settings(
    stage: StageRecipe,
    tokenizer: Any,
    *,
    output_dir: str,
    processes: int,
    on_gpu: bool,
    evaluate_first: bool,
    trackers: tuple[str, ...] = (),
) -> SFTConfig:
    """Translate a stage's recipe to TRL's settings; whatever is not named here keeps TRL's default."""
    end = end_of_turn(tokenizer)
    length: dict[str, Any] = {"max_steps": stage.max_steps} if stage.max_steps else {"num_train_epochs": stage.epochs}
    checkpointing: dict[str, Any] = {CHECKPOINTING: stage.gradient_checkpointing}
    floor = {"min_lr": stage.min_learning_rate} if stage.min_learning_rate else None
    return SFTConfig(
        output_dir=output_dir,
        **length,
        per_device_train_batch_size=stage.per_device_batch_size,
        per_device_eval_batch_size=stage.per_device_batch_size,
        gradient_accumulation_steps=accumulation_steps(stage, processes),
        learning_rate=stage.learning_rate,
        lr_scheduler_type=stage.lr_schedule,
        lr_scheduler_kwargs=floor,
        warmup_steps=stage.warmup_steps,
        max_length=stage.max_length,
        packing=stage.packing,
        packing_strategy="bfd",
        eval_packing=False,
        completion_only_loss=True,
        eos_token=end if end != tokenizer.eos_token else None,
        seed=stage.seed,
        data_seed=stage.seed,
        bf16=on_gpu,
        use_cpu=not on_gpu,
        use_liger_kernel=stage.liger_kernel and on_gpu,
        dataloader_pin_memory=on_gpu,
        **checkpointing,
        eval_on_start=evaluate_first,
        save_steps=stage.checkpoint_every_steps,
        save_total_limit=stage.keep_last_checkpoints,
        logging_steps=1,
        logging_nan_inf_filter=False,
        include_num_input_tokens_seen="all" if stage.packing else "non_padding",
        report_to=[TRACKER, *trackers],
        disable_tqdm=True,
    )


def adapters(lora: Lora | None) -> Any:
    """Return the adapters' configuration for TRL, or None when all weights are trained."""
    if lora is None:
        return None
    from peft import LoraConfig

    return LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,  # pyright: ignore[reportArgumentType]  (peft divides by the rank; any number will do)
        lora_dropout=lora.dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
