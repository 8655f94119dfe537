"""What a stage needs in memory, worked out before it starts: weights, gradients, optimiser, activations.

What lives here: arithmetic over a model's shape. What does not: the shape itself and what is free
(`process.preflight`).

Weights are held in float32 and AdamW keeps two numbers per trained weight: 16 bytes each when all are trained. The
activation counts are those of a gated decoder as transformers runs it with scaled-dot-product attention; they were
set so that the estimate is near the measured peak of SmolLM2-135M (docs/training.md).
"""

from dataclasses import asdict, dataclass

from codeio_assets.core.settings.recipes import StageRecipe
from codeio_assets.core.values.canonical import Json

GIB = 2**30
BYTES_WEIGHT, BYTES_GRADIENT, BYTES_OPTIMISER = 4, 4, 8
HIDDEN_PER_LAYER, INTERMEDIATE_PER_LAYER = 12, 5
"""Numbers kept per token and layer for the backward pass, in units of the hidden and the intermediate size."""
LOGIT_COPIES = 6
"""float32 copies of the logits at the worst moment: the loss, its gradient, and what is logged of them."""


@dataclass(frozen=True, slots=True)
class ModelShape:
    """What of a model decides the memory; `trained` counts the weights that have gradients."""

    parameters: int
    trained: int
    layers: int
    hidden: int
    intermediate: int
    vocabulary: int


@dataclass(frozen=True, slots=True)
class MemoryEstimate:
    """Bytes per process."""

    weights: int
    gradients: int
    optimiser: int
    activations: int
    logits: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.gradients + self.optimiser + self.activations + self.logits

    def as_json(self) -> dict[str, Json]:
        """Return the parts and their sum as plain JSON."""
        return {**{f"{name}_bytes": value for name, value in asdict(self).items()}, "total_bytes": self.total}

    def told(self) -> str:
        """Return the estimate for people."""
        parts = ", ".join(f"{name} {value / GIB:.1f}" for name, value in asdict(self).items())
        return f"{self.total / GIB:.1f} GiB per process ({parts})"


def estimate(shape: ModelShape, stage: StageRecipe, *, shards: int = 1, bf16: bool = False) -> MemoryEstimate:
    """Return what a process needs at its worst moment.

    Args:
        shape: of the model.
        stage: its batch size, length, and what is recomputed.
        shards: processes that weights, gradients and optimiser are divided over; 1 without sharding.
        bf16: whether activations have two bytes instead of four.
    """
    tokens = stage.per_device_batch_size * stage.max_length
    size = 2 if bf16 else 4
    per_layer = (HIDDEN_PER_LAYER * shape.hidden + INTERMEDIATE_PER_LAYER * shape.intermediate) * size
    kept = shape.hidden * size * shape.layers + per_layer if stage.gradient_checkpointing else per_layer * shape.layers
    gathered = 2 * size * shape.parameters // max(1, shape.layers) if shards > 1 else 0
    return MemoryEstimate(
        weights=BYTES_WEIGHT * shape.parameters // shards + gathered,
        gradients=BYTES_GRADIENT * shape.trained // shards,
        optimiser=BYTES_OPTIMISER * shape.trained // shards,
        activations=tokens * kept,
        logits=tokens * shape.vocabulary * 4 * LOGIT_COPIES,
    )


def too_large(needed: MemoryEstimate, free_bytes: int, where: str, stage: StageRecipe, shards: int) -> str | None:
    """Return what is wrong and what to change, or None when the stage fits."""
    if needed.total <= free_bytes:
        return None
    advice: list[str] = []
    if needed.activations + needed.logits > needed.total // 4:
        if not stage.gradient_checkpointing:
            advice.append("set gradient_checkpointing: true")
        if stage.per_device_batch_size > 1:
            advice.append(f"lower per_device_batch_size (it is {stage.per_device_batch_size})")
        advice.append(f"lower max_length (it is {stage.max_length})")
    if stage.lora is None and needed.gradients + needed.optimiser > needed.total // 4:
        advice.append("add lora")
    advice.append("use more devices" if shards > 1 else "use a launch that shards the model, such as gpu_8_fsdp2")
    text = f"the stage needs about {needed.told()}, and {where} has {free_bytes / GIB:.1f} GiB free. "
    return text + f"{'; '.join(advice)}."[0].upper() + f"{'; '.join(advice)}."[1:]
