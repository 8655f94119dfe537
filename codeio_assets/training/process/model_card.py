"""The model card of a checkpoint: what it is, what it was made from, what it is not.

What does not live here: the manifest, which has all of it in full (`checkpoint`).
"""

from codeio_assets.core.settings.recipes import Recipe
from codeio_assets.training.contract import MANIFEST_FILE, TrainingResult


def model_card(recipe: Recipe, result: TrainingResult, chat_template: str) -> str:
    """Return the text of a checkpoint's README.md, in the form that model hubs read."""
    stage = recipe.stage(result.stage)
    goal = "code input-output prediction (CodeI/O)" if result.stage == 1 else "instruction tuning"
    length = f"{stage.epochs:g} epoch(s)" if stage.epochs else f"{stage.max_steps} steps"
    rate = f"{stage.learning_rate:g}, {stage.lr_schedule}"
    if stage.min_learning_rate:
        rate += f" to {stage.min_learning_rate:g}"
    return f"""---
base_model: {recipe.base_model}
library_name: transformers
pipeline_tag: text-generation
tags: [codeio, sft]
---

# {recipe.name}, stage {result.stage}

{recipe.description or "A model trained with codeio_assets."} Stage {result.stage} of 2: {goal}.

| | |
|---|---|
| base model | {recipe.base_model} ({recipe.revision or "latest revision"}) |
| data | {", ".join(f"{kind} x {share:g}" for kind, share in stage.mix.items())}; variant {recipe.data.variant} |
| revision turns, format | {recipe.data.revision_turns}, {recipe.format} |
| training rows | {result.train_rows:,} |
| length | {length}: {result.steps} steps of {stage.global_batch_size} sequences, {stage.max_length} tokens |
| learning rate | {rate} |
| validation loss before, after | {_loss(result.loss_before)}, {_loss(result.loss_after)} |
| chat template | {chat_template} |

The loss is computed on the response only. `{MANIFEST_FILE}` names the data snapshot, code and package versions, and
the hash of each file. The model learned from responses of another model, wrong ones included; what it says about a
program's behaviour is a guess until the program is run.
"""


def _loss(loss: float | None) -> str:
    return "not measured" if loss is None else f"{loss:.4f}"
