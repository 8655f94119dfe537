"""What a stage needs in memory, worked out before it starts: weights, gradients, optimiser, activations, output layer.

What lives here: arithmetic over a model's shape. What does not: the shape itself and what is free
(`process.preflight`).

The optimiser works on float32 weights and keeps two more numbers of each, and gradients are float32: 16 bytes per
trained weight, sharded or not. What computes beside that is bfloat16 on GPUs: autocast's copies, the model's weights
under bfloat16 weights, or what FSDP gathers. The logits are never whole: TRL's output layer goes over them in tiles.
Bytes per token and layer are those of a gated decoder in transformers; docs/training.md holds them against peaks.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from codeio_assets.core.settings.recipes import StageRecipe
from codeio_assets.core.values.canonical import Json

GIB = 2**30
BYTES_MASTER, BYTES_GRADIENT, BYTES_OPTIMISER, BYTES_BF16 = 4, 4, 8, 2
SPARE = 1.06
"""What is kept free beyond the estimate: peaks were up to 5% above it where batches differ in length."""
TILE_BYTES = 4096 * 32768 * 4
"""Of the output layer: a tile of logits, and what its matrix products need beside it."""


@dataclass(frozen=True, slots=True)
class LayerBytes:
    """Bytes per token that one layer keeps for the backward pass: of its input, and in units of its sizes."""

    input: int
    hidden: int
    key_value: int
    intermediate: int


KEPT = {
    "float32": LayerBytes(input=4, hidden=56, key_value=8, intermediate=16),
    "autocast": LayerBytes(input=4, hidden=36, key_value=8, intermediate=8),
    "bf16": LayerBytes(input=2, hidden=20, key_value=4, intermediate=8),
    "compiled": LayerBytes(input=2, hidden=12, key_value=4, intermediate=6),
}
"""By how a layer computes: what autograd saves of norms, projections, attention and the gated product."""


@dataclass(frozen=True, slots=True)
class ModelShape:
    """What of a model decides the memory; `trained` counts the weights that have gradients.

    `intermediate` and `key_value` are what one token passes through: of experts, those that it is sent to.
    """

    parameters: int
    trained: int
    layers: int
    hidden: int
    intermediate: int
    vocabulary: int
    key_value: int = 0


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a stage runs: over how many processes the model is divided, and whether on GPUs.

    `resharded` tells that layers are gathered anew in the backward pass instead of being kept whole.
    """

    shards: int = 1
    on_gpu: bool = False
    resharded: bool = True


@dataclass(frozen=True, slots=True)
class MemoryEstimate:
    """Bytes per process."""

    weights: int
    gradients: int
    optimiser: int
    activations: int
    output_layer: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.gradients + self.optimiser + self.activations + self.output_layer

    def as_json(self) -> dict[str, Json]:
        """Return the parts and their sum as plain JSON."""
        return {**{f"{name}_bytes": value for name, value in asdict(self).items()}, "total_bytes": self.total}

    def told(self) -> str:
        """Return the estimate for people."""
        parts = ", ".join(f"{name} {value / GIB:.1f}" for name, value in asdict(self).items())
        return f"{self.total / GIB:.1f} GiB per process ({parts})"


def estimate(shape: ModelShape, stage: StageRecipe, tokens: int, place: Placement) -> MemoryEstimate:
    """Return what a process needs at its worst moment: in the output layer's backward pass, from the second step on.

    Args:
        shape: of the model.
        stage: what is recomputed, compiled, or kept as bfloat16.
        tokens: of the largest forward pass, padding included.
        place: sharding and device.
    """
    return MemoryEstimate(
        weights=_weights(shape, stage, place),
        gradients=BYTES_GRADIENT * shape.trained // place.shards,
        optimiser=BYTES_OPTIMISER * shape.trained // place.shards,
        activations=tokens * _kept_per_token(shape, stage, place),
        output_layer=_output_layer(shape, tokens),
    )


def _weights(shape: ModelShape, stage: StageRecipe, place: Placement) -> int:
    masters = BYTES_MASTER * shape.parameters // place.shards
    if not place.on_gpu and place.shards == 1:
        return masters
    if _computes(stage, place) == "autocast" and stage.gradient_checkpointing:
        return masters + BYTES_BF16 * shape.parameters // 2  # a recomputed layer's copies do not outlive it
    if place.shards > 1 and place.resharded:  # the layer at work, the next one, and the embeddings
        gathered = 2 * shape.parameters // max(1, shape.layers) + shape.vocabulary * shape.hidden
        return masters + BYTES_BF16 * gathered
    return masters + BYTES_BF16 * shape.parameters


def _kept_per_token(shape: ModelShape, stage: StageRecipe, place: Placement) -> int:
    kind = KEPT[_computes(stage, place)]
    whole = kind.hidden * shape.hidden + kind.key_value * shape.key_value + kind.intermediate * shape.intermediate
    if not stage.gradient_checkpointing:
        return whole * shape.layers
    recomputed = -(-shape.layers // stage.checkpointed_layers)
    return kind.input * shape.hidden * recomputed + whole * (shape.layers - recomputed + 1)


def _computes(stage: StageRecipe, place: Placement) -> str:
    if not place.on_gpu:
        return "float32"
    if not stage.bf16_weights and place.shards == 1:
        return "autocast"
    return "compiled" if stage.compile else "bf16"


def _output_layer(shape: ModelShape, tokens: int) -> int:
    gradient = (BYTES_GRADIENT + BYTES_BF16) * shape.vocabulary * shape.hidden
    hidden = 3 * BYTES_GRADIENT * tokens * shape.hidden
    return gradient + hidden + min(TILE_BYTES, 4 * tokens * shape.vocabulary)


def largest_micro_batch(
    shape: ModelShape, stage: StageRecipe, place: Placement, free_bytes: int, tokens_of: Iterable[tuple[int, int]]
) -> int | None:
    """Return the largest `per_device_batch_size` that fits, or None when none does.

    Args:
        shape: of the model.
        stage: its other settings.
        place: sharding and device.
        free_bytes: what a process may take.
        tokens_of: candidates and the tokens of their largest forward pass, in any order.
    """
    fitting = [rows for rows, tokens in tokens_of if SPARE * estimate(shape, stage, tokens, place).total <= free_bytes]
    return max(fitting, default=None)


def too_large(needed: MemoryEstimate, free_bytes: int, where: str, stage: StageRecipe, shards: int) -> str | None:
    """Return what is wrong and what to change, or None when the stage fits."""
    if SPARE * needed.total <= free_bytes:
        return None
    advice: list[str] = []
    if needed.activations + needed.output_layer > needed.total // 4:
        if not stage.gradient_checkpointing:
            advice.append("set gradient_checkpointing: true")
        elif stage.checkpointed_layers > 1:
            advice.append("set checkpointed_layers: 1")
        if stage.per_device_batch_size > 1:
            advice.append(f"lower per_device_batch_size (it is {stage.per_device_batch_size})")
        advice.append(f"lower max_length (it is {stage.max_length})")
    if stage.lora is None and needed.gradients + needed.optimiser > needed.total // 4:
        advice.append("add lora")
    advice.append("use more devices" if shards > 1 else "use a launch that shards the model, such as gpu_8_fsdp2")
    text = f"the stage needs about {needed.told()}, and {where} has {free_bytes / GIB:.1f} GiB free. "
    return text + f"{'; '.join(advice)}."[0].upper() + f"{'; '.join(advice)}."[1:]
